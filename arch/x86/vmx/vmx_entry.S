/*
 * VM entry and VM exit. int vmx_enter(struct vcpu *vcpu, bool launched): loads the guest's general registers and
 * enters; VM-exits come to vmx_exit_entry with RSP at the end of vcpu->regs (HOST_RSP), so that pushes fill it.
 * vmx_exit_handle() then decides whether to go straight back in. Offsets: hv/vcpu.h asserts them.
 *
 * Every RET after a VM-exit returns from a CALL made after it, until vmx_enter itself returns: there the return
 * stack buffer may hold guest addresses, so it is refilled first.
 */
#define VCPU_REGS	0
#define VCPU_HOST_SP	128
#define REGS_RSP	32

	.text
	.globl vmx_enter, vmx_exit_entry
	.align 16
vmx_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, VCPU_HOST_SP(%rdi)
	movq	%rdi, %rsp
	testl	%esi, %esi
	jz	.Llaunch
.Lresume:
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rbx
	popq	%rbp			/* RSP's place */
	popq	%rbp
	popq	%rsi
	popq	%rdi
	popq	%r8
	popq	%r9
	popq	%r10
	popq	%r11
	popq	%r12
	popq	%r13
	popq	%r14
	popq	%r15
	vmresume
	jmp	.Lrefused

.Llaunch:
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rbx
	popq	%rbp
	popq	%rbp
	popq	%rsi
	popq	%rdi
	popq	%r8
	popq	%r9
	popq	%r10
	popq	%r11
	popq	%r12
	popq	%r13
	popq	%r14
	popq	%r15
	vmlaunch

	/* VMfail: no exit happened; the registers are still the guest's, RSP the end of vcpu->regs. */
.Lrefused:
	pushq	%r15
	pushq	%r14
	pushq	%r13
	pushq	%r12
	pushq	%r11
	pushq	%r10
	pushq	%r9
	pushq	%r8
	pushq	%rdi
	pushq	%rsi
	pushq	%rbp
	pushq	%rbp
	pushq	%rbx
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	movq	VCPU_HOST_SP(%rsp), %rsp
	movl	$1, %eax
	jmp	.Lreturn

	.align 16
vmx_exit_entry:
	pushq	%r15
	pushq	%r14
	pushq	%r13
	pushq	%r12
	pushq	%r11
	pushq	%r10
	pushq	%r9
	pushq	%r8
	pushq	%rdi
	pushq	%rsi
	pushq	%rbp
	pushq	%rbp			/* RSP's place */
	pushq	%rbx
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	movq	%rsp, %rdi
	movq	VCPU_HOST_SP(%rsp), %rsp
	/* What the handler does not overwrite soon could serve a mispredicted path as a guest-chosen operand. */
	xorl	%ebp, %ebp
	xorl	%ebx, %ebx
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	pushq	%rdi
	call	vmx_exit_handle
	popq	%rdi
	testb	%al, %al
	jz	.Lleave
	movq	%rdi, %rsp
	jmp	.Lresume
.Lleave:
	movl	$16, %ecx		/* 32 entries, two a round */
1:	call	2f
	int3
2:	call	3f
	int3
3:	addq	$16, %rsp
	decl	%ecx
	jnz	1b
	xorl	%eax, %eax
.Lreturn:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
