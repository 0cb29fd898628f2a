/*
 * Where the start-up IPI leads: real mode at SMP_BASE (SDM 3A, 8.4.4), from there to long mode in
 * one step, and to smp_enter() on the processor's own stack.
 */
#include "long_mode.inc"

#define SMP_BASE    0x8000
#define SMP_MAX_ID  4096
#define MSR_GS_BASE 0xc0000101

	.text
	.code16
	.globl smp_trampoline, smp_trampoline_end
smp_trampoline:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	lgdtl SMP_BASE + pointer - smp_trampoline
	long_mode_enable
	ljmpl $SEL_CODE, $smp_start64
	.balign 8
pointer:
	.word 5 * 8 - 1
	.long gdt
smp_trampoline_end:

	.code64
smp_start64:
	long_mode_segments
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
