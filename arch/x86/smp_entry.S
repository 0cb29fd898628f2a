/*
 * Where a started processor begins: 16-bit real mode, CS = page << 8, IP = 0, in the page it was copied to. Goes
 * to 64-bit mode with the host's page tables, which map this page at its own address meanwhile.
 * Parameters: struct trampoline_args of arch/x86/smp.c at offset 0xfc0.
 */
#define ARGS		0xfc0
#define ARG_CR3		(ARGS)
#define ARG_STACK	(ARGS + 8)
#define ARG_CPU		(ARGS + 16)
#define ARG_ENTRY	(ARGS + 24)
#define AT(sym)		(sym - trampoline_start)

	.section .rodata
	.align 16
	.globl trampoline_start, trampoline_end
	.code16
trampoline_start:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	movzwl	%ax, %ebx
	shll	$4, %ebx		/* the page's address */
	leal	AT(gdt)(%ebx), %eax
	movl	%eax, AT(gdt_pointer + 2)
	leal	AT(start32)(%ebx), %eax
	movl	%eax, AT(far_target)
	movl	$0x10, AT(far_target) + 4	/* the processor before left its last selector */
	lgdtl	AT(gdt_pointer)
	movl	%cr0, %eax
	orl	$1, %eax
	andl	$~0x60000000, %eax	/* CD, NW off: INIT sets them */
	movl	%eax, %cr0
	ljmpl	*AT(far_target)

	.code32
start32:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %ss
	leal	AT(start64)(%ebx), %eax
	movl	%eax, AT(far_target)(%ebx)
	movl	$8, AT(far_target) + 4(%ebx)
	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	ARG_CR3(%ebx), %eax
	movl	%eax, %cr3
	movl	$0x80000001, %eax
	movl	%ebx, %edi
	cpuid
	movl	%edi, %ebx
	andl	$0x100000, %edx		/* NX: the host's tables use it where there is */
	shrl	$9, %edx
	orl	$0x100, %edx		/* LME */
	movl	%edx, %esi
	movl	$0xc0000080, %ecx
	rdmsr
	orl	%esi, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80010000, %eax	/* PG, WP */
	movl	%eax, %cr0
	ljmpl	*AT(far_target)(%ebx)

	.code64
start64:
	movl	%ebx, %ebx
	movq	ARG_STACK(%rbx), %rsp
	movq	ARG_CPU(%rbx), %rdi
	movq	ARG_ENTRY(%rbx), %rax
	xorl	%ebp, %ebp
	call	*%rax
	ud2

	.align 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 0x08: 64-bit code */
	.quad 0x00cf9b000000ffff	/* 0x10: 32-bit code */
	.quad 0x00cf93000000ffff	/* 0x18: data */
gdt_pointer:
	.short 31
	.long 0
far_target:
	.long 0
	.long 0x10
trampoline_end:

	.section .note.GNU-stack, "", @progbits
