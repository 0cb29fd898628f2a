/*
 * First instructions: multiboot headers, 32-bit entry, switch to 64-bit mode in the high mapping.
 * Runs at any 2 MiB-aligned physical address below 4 GiB; everything 32-bit is relative to %ebp.
 */
#include "boot/entry.h"

#define MB1_MAGIC	0x1badb002
#define MB1_FLAGS	0x10003	/* page-aligned modules, memory map, addresses below */
#define MB2_MAGIC	0xe85250d6
#define MB2_ARCH_I386	0
#define CR0_PE_PG_WP	0x80010001
#define CR0_NE_ET_MP	0x32
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME_NXE	0x900
#define PTE_PRESENT_RW	3
#define PTE_LARGE_RW	0x83
/* Physical address of a symbol, given the load displacement in %ebp. */
#define PHYS(sym)	(sym - IMAGE_VIRT)(%ebp)

	.section .multiboot, "a"
	/* The first multiboot, for iPXE and QEMU: they put the file's bytes where it says, as one
	 * piece; scripts/check-image makes sure that it is one. */
	.align 4
	.long MB1_MAGIC, MB1_FLAGS, 0x100000000 - (MB1_MAGIC + MB1_FLAGS)
	.long image_start - IMAGE_VIRT	/* where this header is: first of all */
	.long image_start - IMAGE_VIRT, data_end - IMAGE_VIRT, image_end - IMAGE_VIRT
	.long entry_multiboot1 - IMAGE_VIRT

	.align 8
mb2_header:
	.long MB2_MAGIC, MB2_ARCH_I386, mb2_end - mb2_header
	.long 0x100000000 - (MB2_MAGIC + MB2_ARCH_I386 + (mb2_end - mb2_header))
	/* information request, optional: memory map, modules, frame buffer, ACPI, EFI map */
	.align 8
	.short 1, 1
	.long 8 + 7 * 4
	.long 1, 2, 3, 6, 8, 14, 15
	/* modules on page boundaries */
	.align 8
	.short 6, 0
	.long 8
	/* relocatable: 2 MiB..4 GiB, aligned to 2 MiB, lowest preferred */
	.align 8
	.short 10, 1
	.long 24, 0x200000, 0xffe00000, 0x200000, 1
	.align 8
	.short 0, 0
	.long 8
mb2_end:

	.section .boot.text, "ax"
	.code32
	.globl entry_multiboot1, entry_multiboot2
	/* One word of stack is needed to find out where we are. Multiboot 1 puts us where we are
	 * linked; of multiboot2's information block the second word is reserved: it can be spared. */
entry_multiboot1:
	movl	$(boot_stack_top - IMAGE_VIRT), %esp
	jmp	0f
entry_multiboot2:
	leal	8(%ebx), %esp
0:	cli
	cld
	movl	%eax, %esi		/* magic */
	rdtsc
	movl	%eax, %edi
	movl	%edx, %ecx		/* entry TSC in ecx:edi */
	call	1f
1:	popl	%ebp
	subl	$(1b - IMAGE_VIRT), %ebp
	leal	PHYS(boot_stack_top), %esp
	movl	%edi, PHYS(entry_tsc)
	movl	%ecx, PHYS(entry_tsc + 4)
	movl	%esi, PHYS(entry_magic)
	movl	%ebx, PHYS(entry_info)
	movl	%ebp, PHYS(entry_displacement)

	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	no_long_mode
	movl	$0x80000001, %eax
	cpuid
	btl	$29, %edx
	jnc	no_long_mode

	/* Here boot/entry_efi.S joins: 32-bit mode, no paging, flat segments, the load displacement in
	 * %ebp and all entry_* variables set. */
	.globl	entry_long_mode
entry_long_mode:
	/* Four page directories of 2 MiB pages map the first 4 GiB... */
	leal	PHYS(boot_pd), %edi
	movl	$PTE_LARGE_RW, %eax
	xorl	%edx, %edx
	movl	$2048, %ecx
2:	movl	%eax, (%edi)
	movl	%edx, 4(%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	2b
	/* ... at address 0 and at the direct map... */
	leal	PHYS(boot_pdpt_low), %edi
	leal	PHYS(boot_pd), %eax
	orl	$PTE_PRESENT_RW, %eax
	movl	$4, %ecx
3:	movl	%eax, (%edi)
	addl	$0x1000, %eax
	addl	$8, %edi
	loop	3b
	/* ... and the image's first 1 GiB at the top 2 GiB. */
	leal	PHYS(boot_pd_image), %edi
	leal	PTE_LARGE_RW(%ebp), %eax
	movl	$512, %ecx
4:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	4b
	leal	PHYS(boot_pd_image), %eax
	orl	$PTE_PRESENT_RW, %eax
	movl	%eax, PHYS(boot_pdpt_high + 510 * 8)
	leal	PHYS(boot_pdpt_low), %eax
	orl	$PTE_PRESENT_RW, %eax
	movl	%eax, PHYS(boot_pml4)
	movl	%eax, PHYS(boot_pml4 + 256 * 8)
	leal	PHYS(boot_pdpt_high), %eax
	orl	$PTE_PRESENT_RW, %eax
	movl	%eax, PHYS(boot_pml4 + 511 * 8)

	leal	PHYS(boot_pml4), %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME_NXE, %eax
	wrmsr
	movl	%cr0, %eax
	andl	$~0x60000004, %eax	/* CD, NW, EM off */
	orl	$(CR0_PE_PG_WP | CR0_NE_ET_MP), %eax
	movl	%eax, %cr0
	leal	PHYS(boot_gdt), %eax
	movl	%eax, PHYS(boot_gdt_pointer + 2)
	lgdt	PHYS(boot_gdt_pointer)
	leal	PHYS(entry64_low), %eax
	pushl	$BOOT_CS64
	pushl	%eax
	lret

	.code64
entry64_low:
	movabsq	$entry64, %rax
	jmp	*%rax

	.code32
	/* Without long mode there is neither log nor page table: say it on COM1 and on a text screen. */
no_long_mode:
	movw	$0x3fb, %dx		/* 115200 baud, 8N1: few firmwares leave it like that */
	movb	$0x83, %al
	outb	%al, %dx
	movw	$0x3f8, %dx
	movb	$1, %al
	outb	%al, %dx		/* divisor, low byte */
	incl	%edx
	movb	$0, %al
	outb	%al, %dx
	movw	$0x3fb, %dx
	movb	$3, %al
	outb	%al, %dx
	leal	PHYS(no_long_mode_text), %esi
	movl	$0xb8000, %edi
5:	lodsb
	testb	%al, %al
	jz	7f
	movb	%al, (%edi)
	movb	$7, 1(%edi)
	addl	$2, %edi
	movb	%al, %bl
	movl	$0x10000, %ecx		/* bounds the wait for a UART that may not be there */
6:	movw	$0x3fd, %dx
	inb	%dx, %al
	testb	$0x20, %al
	loopz	6b
	movw	$0x3f8, %dx
	movb	%bl, %al
	outb	%al, %dx
	jmp	5b
7:	hlt
	jmp	7b

	.section .rodata
no_long_mode_text:
	.asciz "neap: error: this processor has no 64-bit mode; Neap needs one with it\r\n"

	.text
	.code64
entry64:
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	leaq	boot_stack_top(%rip), %rsp
	xorl	%ebp, %ebp
	movl	entry_magic(%rip), %edi
	movl	entry_info(%rip), %esi
	movl	entry_displacement(%rip), %edx
	movq	entry_tsc(%rip), %rcx
	call	boot_main
1:	cli
	hlt
	jmp	1b

	.data
	.align 8
	.globl	boot_gdt, boot_gdt_pointer, entry_tsc, entry_magic, entry_info, entry_displacement
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* BOOT_CS64: 64-bit code */
	.quad 0x00cf9b000000ffff	/* BOOT_CS32: flat 32-bit code */
	.quad 0x00cf93000000ffff	/* BOOT_DS32: flat data */
boot_gdt_pointer:
	.short 31
	.quad 0
	.align 8
entry_tsc:	.quad 0
entry_magic:	.long 0
entry_info:	.long 0
entry_displacement: .long 0

	.bss
	.align 4096
boot_pml4:	.skip 4096
boot_pdpt_low:	.skip 4096
boot_pdpt_high:	.skip 4096
boot_pd_image:	.skip 4096
boot_pd:	.skip 4 * 4096
	.globl boot_stack_bottom, boot_stack_top
boot_stack_bottom:
	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
