/*
 * Where boot/efi/ enters the hypervisor: in 64-bit mode, in the firmware's page tables, at the image's
 * physical address (UEFI 2.10, 2.3.4: memory is mapped one to one), with the magic in %edi and the
 * address of a struct boot_info in %esi. Goes down to 32-bit mode without paging, the only state in
 * which 5-level paging can be left (SDM vol. 3, 4.1.2), and joins the way of the multiboot2 entry.
 */
#include "boot/entry.h"

#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define CR4_PAE_LA57	0x1020
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100

	.section .boot.text, "ax"
	.code64
	.globl	entry_efi
entry_efi:
	cli
	cld
	rdtsc
	movl	%eax, entry_tsc(%rip)
	movl	%edx, entry_tsc + 4(%rip)
	movl	%edi, entry_magic(%rip)
	movl	%esi, entry_info(%rip)
	leaq	entry_efi(%rip), %rbp
	subl	$(entry_efi - IMAGE_VIRT), %ebp
	movl	%ebp, entry_displacement(%rip)
	leaq	boot_stack_top(%rip), %rsp
	/* Paging cannot be switched off under CR4.PCIDE, nor 5-level paging under paging. */
	movq	%cr4, %rax
	andl	$CR4_PAE_LA57, %eax
	movq	%rax, %cr4
	leaq	boot_gdt(%rip), %rax
	movq	%rax, boot_gdt_pointer + 2(%rip)
	lgdt	boot_gdt_pointer(%rip)
	leaq	1f(%rip), %rax
	pushq	$BOOT_CS32
	pushq	%rax
	lretq

	.code32
1:	movl	$BOOT_DS32, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	movl	$MSR_EFER, %ecx
	rdmsr
	andl	$~EFER_LME, %eax
	wrmsr
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	jmp	entry_long_mode

	.section .note.GNU-stack, "", @progbits
