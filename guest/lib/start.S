/*
 * From the multiboot 1 entry (32-bit protected mode, paging off, eax = magic, ebx = information;
 * Multiboot Specification 0.6.96, section 3.2) to guest_start() in long mode.
 */
#include "long_mode.inc"

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 3 /* modules page-aligned; memory information wanted */

	.section .multiboot, "ax"
	.balign 4
	.long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

	.code32
	.globl start32
start32:
	cld
	mov %eax, %edi
	mov %ebx, %esi
	lgdt gdt_pointer
	long_mode_enable
	ljmp $SEL_CODE, $start64

	.code64
start64:
	long_mode_segments
	mov $stack_top, %esp
	xor %ebp, %ebp
	call guest_start
	ud2

	.data
	.balign 8
	.globl gdt
gdt:	.quad 0
	.quad 0x00af9b000000ffff	/* 0x08: 64-bit code */
	.quad 0x00cf93000000ffff	/* 0x10: data */
	.quad 0, 0			/* 0x18: TSS, filled in by trap_init() */
gdt_pointer:
	.word . - gdt - 1
	.long gdt

/*
 * Identity map of the low 4 GiB. The first 2 MiB are in 4 KiB pages, so that a guard page can be
 * punched out; the top 32 MiB (APICs, firmware) are uncached.
 */
#define PTE_P_RW 0x3
#define PTE_UC	 0x18
#define PTE_2M	 0x80
	.balign 4096
	.globl page_pml4, page_pdpt, page_low
page_pml4:
	.quad page_pdpt + PTE_P_RW
	.fill 511, 8, 0
page_pdpt:
	.quad page_pd + PTE_P_RW, page_pd + 0x1000 + PTE_P_RW
	.quad page_pd + 0x2000 + PTE_P_RW, page_pd + 0x3000 + PTE_P_RW
	.fill 508, 8, 0
page_pd:
	.quad page_low + PTE_P_RW
	.set i, 1
	.rept 2047
	.quad (i << 21) + PTE_P_RW + PTE_2M + (i >= 2032) * -PTE_UC
	.set i, i + 1
	.endr
page_low:
	.set i, 0
	.rept 512
	.quad (i << 12) + PTE_P_RW
	.set i, i + 1
	.endr

	.bss
	.balign 4096
	.globl stack_guard
stack_guard:
	.skip 4096
	.skip 65536
stack_top:
	.section .note.GNU-stack, "", @progbits
