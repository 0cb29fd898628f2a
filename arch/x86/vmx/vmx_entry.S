/*
 * VM entry and VM exit.
 *
 * int vmx_enter(struct vcpu *vcpu, bool launched): loads the guest's general registers and enters. At a VM-exit RSP is
 * HOST_RSP, where vmx_enter left the vcpu's address on this stack. All registers are stored into vcpu->regs and
 * vmx_exit_handle() is called; what it returns says how to go on (enum vmx_resume):
 *   0  leave: return from vmx_enter
 *   1  enter again; RBP and R12 to R15 are the guest's still, as the C code preserves them
 *   2  enter again with all registers from vcpu->regs
 * 1 and 2 count only while nothing is pending: that one test is made here, the last thing before the entry. What is
 * pending is given to vmx_exit_pending(), which answers in the same way.
 *
 * Every RET after a VM-exit returns from a CALL made after it, until vmx_enter itself returns: there the return
 * stack buffer may hold guest addresses, so it is refilled first. Offsets are asserted in arch/x86/vmx/vmx_vcpu.h.
 */
#include "arch/x86/vmx/vmx_offsets.h"

#define HOST_RSP 0x6c14		/* VMCS field */

	.macro store_all
	movq	%rax, VMX_OFF_RAX(%rdi)
	movq	%rcx, VMX_OFF_RCX(%rdi)
	movq	%rdx, VMX_OFF_RDX(%rdi)
	movq	%rbx, VMX_OFF_RBX(%rdi)
	movq	%rbp, VMX_OFF_RBP(%rdi)
	movq	%rsi, VMX_OFF_RSI(%rdi)
	movq	%r8, VMX_OFF_R8(%rdi)
	movq	%r9, VMX_OFF_R9(%rdi)
	movq	%r10, VMX_OFF_R10(%rdi)
	movq	%r11, VMX_OFF_R11(%rdi)
	movq	%r12, VMX_OFF_R12(%rdi)
	movq	%r13, VMX_OFF_R13(%rdi)
	movq	%r14, VMX_OFF_R14(%rdi)
	movq	%r15, VMX_OFF_R15(%rdi)
	.endm

	.macro load_preserved
	movq	VMX_OFF_RBP(%rdi), %rbp
	movq	VMX_OFF_R12(%rdi), %r12
	movq	VMX_OFF_R13(%rdi), %r13
	movq	VMX_OFF_R14(%rdi), %r14
	movq	VMX_OFF_R15(%rdi), %r15
	.endm

	.macro load_others
	movq	VMX_OFF_RAX(%rdi), %rax
	movq	VMX_OFF_RCX(%rdi), %rcx
	movq	VMX_OFF_RDX(%rdi), %rdx
	movq	VMX_OFF_RBX(%rdi), %rbx
	movq	VMX_OFF_RSI(%rdi), %rsi
	movq	VMX_OFF_R8(%rdi), %r8
	movq	VMX_OFF_R9(%rdi), %r9
	movq	VMX_OFF_R10(%rdi), %r10
	movq	VMX_OFF_R11(%rdi), %r11
	movq	VMX_OFF_RDI(%rdi), %rdi
	.endm

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
	pushq	%rdi
	movl	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
	jbe	.Lrefused
	testl	%esi, %esi
	jz	.Llaunch
.Lresume_all:
	load_preserved
.Lresume:
	load_others
	vmresume
	jmp	.Lrefused
.Llaunch:
	load_preserved
	load_others
	vmlaunch
	/* VMfail: no exit happened; RSP is still ours. */
.Lrefused:
	movl	$1, %eax
	jmp	.Lreturn

	.align 16
vmx_exit_entry:
	pushq	%rdi
	movq	8(%rsp), %rdi
	store_all
	popq	VMX_OFF_RDI(%rdi)
	call	vmx_exit_handle
	movq	(%rsp), %rdi
.Lcheck:
	cmpl	$0, VMX_OFF_PENDING(%rdi)
	jne	.Lpending
	cmpl	$1, %eax
	je	.Lresume
	ja	.Lresume_all
	jmp	.Lleave
.Lpending:
	testl	%eax, %eax
	jz	.Lleave
	call	vmx_exit_pending
	movq	(%rsp), %rdi
	testl	%eax, %eax
	jnz	.Lcheck
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
	addq	$8, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
