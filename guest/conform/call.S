/* void code_call(const char *start, struct regs *regs): calls start with the registers of *regs. */
	.macro each_register operation
	\operation %rbx, 8
	\operation %rcx, 16
	\operation %rdx, 24
	\operation %rsi, 32
	\operation %rdi, 40
	\operation %rbp, 48
	\operation %r8, 56
	\operation %r9, 64
	\operation %r10, 72
	\operation %r11, 80
	\operation %r12, 88
	\operation %r13, 96
	\operation %r14, 104
	\operation %r15, 112
	.endm
	.macro take register, offset
	mov \offset(%rax), \register
	.endm
	.macro give register, offset
	mov \register, \offset(%rax)
	.endm

	.text
	.globl code_call
code_call:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	push %rsi
	push %rdi
	mov %rsi, %rax
	each_register take
	mov (%rax), %rax
	sub $8, %rsp
	call *8(%rsp)
	cli
	add $8, %rsp
	push %rax
	pushfq
	mov 24(%rsp), %rax
	each_register give
	pop 120(%rax)
	pop (%rax)
	cld
	add $16, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.section .note.GNU-stack, "", @progbits
