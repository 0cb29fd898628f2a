/* One stub a vector; all of them build a struct trap_frame (trap.h) and call trap_dispatch(). */
	.text
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set v, 0
	.rept 256
	.balign 16
	/* vectors that push an error code themselves: SDM 3A, table 6-1; APM 2, 8.2 (29, 30) */
	.if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30)
	push $0
	.endif
	push $v
	jmp trap_common
	.set v, v + 1
	.endr

/*
 * The stack is 16-byte aligned below the nine registers: the processor aligns it before it pushes
 * its five or six words (SDM 3A, 6.14.2). Handlers are ordinary C and may use SSE.
 */
trap_common:
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	cld
	mov %rsp, %rdi
	sub $512, %rsp
	fxsave (%rsp)
	call trap_dispatch
	fxrstor (%rsp)
	add $512, %rsp
	test %al, %al
	jz trap_fatal
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

/* Nobody wants it: the registers that C preserves are still what they were. Add them. */
trap_fatal:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	call trap_die
	ud2
	.section .note.GNU-stack, "", @progbits
