/* Exceptions: of the guest's own, and those that a hypervisor raises for it. */
#include "code.inc"

	/* A fault at the first point. */
	.macro fault_code name, instruction:vararg
	code \name
	cpuid_keeping
	point
	\instruction
	point
	end_code \name
	.endm
	/* An exit right before; the registers stay. */
	.macro cpuid_keeping
	push %rax
	push %rbx
	push %rcx
	push %rdx
	cpuid
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	.endm

	fault_code fault_ud2, ud2
	fault_code fault_rdmsr, rdmsr
	fault_code fault_wrmsr, wrmsr
	fault_code fault_selector, mov %eax, %ds
	fault_code fault_load, movl (%rdi), %eax
	fault_code fault_store, movl %eax, (%rdi)
	fault_code fault_outs, rep outsb
	fault_code fault_ins, rep insb
	fault_code fault_movs, movsl
	fault_code fault_rep_movs, rep movsl
	fault_code fault_cr4, mov %rax, %cr4

	/* Traps: the second point is behind them. */
	fault_code trap_int3, int3
	fault_code trap_int, int $0x50
	fault_code trap_icebp, .byte 0xf1

	/* CR2 is the guest's over exits. */
	code fault_cr2
	mov %rdi, %cr2
	cpuid
	inb $0x61, %al
	movl (%rsi), %eax
	mov %cr2, %rdi
	point
	end_code fault_cr2

	/*
	 * An exception whose frame has no stack: RSP is where no page is, in RDI; the handler's
	 * stack is the code's own (IST 0). The last point gets the stack back.
	 */
	.macro no_stack_code name, instruction:vararg
	code \name
	mov %rsp, %rbp
	cpuid_keeping
	mov %rdi, %rsp
	point
	\instruction
	point
	mov %rbp, %rsp
	end_code \name
	.endm

	no_stack_code no_stack_load, movl (%rsi), %eax
	no_stack_code no_stack_rdmsr, rdmsr
	.section .note.GNU-stack, "", @progbits
