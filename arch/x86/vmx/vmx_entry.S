/*
 * VM entry and VM exit.
 *
 * int vmx_enter(struct vcpu *vcpu, bool launched): loads the guest's general registers and enters. At a VM-exit RSP is
 * HOST_RSP, where vmx_enter left the vcpu's address on this stack. All registers are stored into vcpu->regs and
 * vmx_exit_handle() is called; what it returns says how to go on (enum run_next):
 *   0  leave: return from vmx_enter
 *   1  enter again; RBP and R12 to R15 are the guest's still, as the C code preserves them
 *   2  enter again with all registers from vcpu->regs
 * 1 and 2 count only while nothing is pending: that one test is made here, the last thing before the entry. What is
 * pending is given to vmx_exit_pending() with that answer, and it answers in the same way.
 *
 * Every RET after a VM-exit returns from a CALL made after it, until vmx_enter itself returns: there the return
 * stack buffer may hold guest addresses, so it is refilled first. Offsets are asserted in arch/x86/run_next.h.
 */
#include "arch/x86/guest_entry.inc"

#define HOST_RSP 0x6c14		/* VMCS field */

	.text
	.globl vmx_enter, vmx_exit_entry
	.align 16
vmx_enter:
	push_preserved
	pushq	%rdi
	movl	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
	jbe	.Lrefused
	testl	%esi, %esi
	jz	.Llaunch
.Lresume_all:
	load_preserved
.Lresume:
	movq	VCPU_OFF_RAX(%rdi), %rax
	load_others
	vmresume
	jmp	.Lrefused
.Llaunch:
	load_preserved
	movq	VCPU_OFF_RAX(%rdi), %rax
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
	popq	VCPU_OFF_RDI(%rdi)
	call	vmx_exit_handle
	go_on	0, vmx_exit_pending
	xorl	%eax, %eax
.Lreturn:
	addq	$8, %rsp
	pop_preserved
	ret

	.section .note.GNU-stack, "", @progbits
