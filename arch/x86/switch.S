/* void switch_stacks(void **save_sp, void *load_sp): the switch between two threads. */
	.text
	.globl switch_stacks
switch_stacks:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* Where a new thread's first switch returns to; the zeroed rbp ends backtraces. */
	.globl switch_first_entry
switch_first_entry:
	call	sched_thread_start
	ud2

/* void switch_to_stack(void *top, void (*fn)(void)): leaves the current stack for good. */
	.globl switch_to_stack
switch_to_stack:
	movq	%rdi, %rsp
	xorl	%ebp, %ebp
	call	*%rsi
	ud2

	.section .note.GNU-stack, "", @progbits
