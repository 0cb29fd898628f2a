/*
 * Exception and interrupt entry. One 16-byte stub a vector pushes the vector (and a zero where the processor
 * pushes no error code), the common part saves the registers as struct trap_frame and calls trap_handle().
 */
	.text
	.align 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.align 16
	.if !((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30))
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_common
	.set vector, vector + 1
	.endr

trap_common:
	cld
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	$0
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	/* A frame for the backtrace: return address is the interrupted instruction. */
	movq	%rsp, %rbx
	pushq	144(%rdi)
	pushq	%rbp
	movq	%rsp, %rbp
	andq	$-16, %rsp
	call	trap_handle
	movq	%rbx, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	addq	$8, %rsp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
