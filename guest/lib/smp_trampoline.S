/*
 * Where the start-up IPI leads: real mode at SMP_BASE (SDM 3A, 8.4.4), from there to long mode in
 * one step, and to smp_enter() on the processor's own stack.
 */
#define SMP_BASE    0x8000
#define SMP_MAX_ID  4096
#define CR0_VALUE   0x80010033	/* as in start.S */
#define CR4_VALUE   0x620
#define MSR_EFER    0xc0000080
#define EFER_LME    0x100
#define MSR_GS_BASE 0xc0000101

	.text
	.code16
	.globl smp_trampoline, smp_trampoline_end
smp_trampoline:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov $CR4_VALUE, %eax
	mov %eax, %cr4
	mov $page_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	lgdtl SMP_BASE + pointer - smp_trampoline
	mov $CR0_VALUE, %eax
	mov %eax, %cr0
	ljmpl $0x08, $smp_start64
	.balign 8
pointer:
	.word 5 * 8 - 1
	.long gdt
smp_trampoline_end:

	.code64
smp_start64:
	mov $0x10, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	/* The APIC id: of leaf 0BH where it is there, of leaf 1 where not. */
	cpuid
	cmp $0xb, %eax
	jb 1f
	mov $0xb, %eax
	xor %ecx, %ecx
	cpuid
	test %ebx, %ebx
	jnz 2f
1:	mov $1, %eax
	cpuid
	shr $24, %ebx
	mov %ebx, %edx
2:	cmp $SMP_MAX_ID, %edx
	jae 3f
	mov smp_by_id(, %rdx, 8), %rdi
	test %rdi, %rdi
	jz 3f
	mov 8(%rdi), %rsp
	mov %rdi, %rax
	mov %rdi, %rdx
	shr $32, %rdx
	mov $MSR_GS_BASE, %ecx
	wrmsr
	xor %ebp, %ebp
	call smp_enter
3:	cli
	hlt
	jmp 3b
	.section .note.GNU-stack, "", @progbits
