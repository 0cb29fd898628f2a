/*
 * VM entry and #VMEXIT on SVM.
 *
 * void svm_enter(struct vcpu *vcpu, struct svm_vcpu *svm): loads the guest's registers and runs it. VMRUN switches RAX,
 * RSP, RIP, RFLAGS and the control registers; VMLOAD and VMSAVE the rest of the processor's state that the hypervisor
 * needs itself (GS base, TR); this code the general registers. After each exit svm_exit_handle() is called; what it
 * returns says how to go on (enum run_next). The pending word is tested last before an entry, as in vmx_entry.S.
 *
 * Interrupts and GIF (APM vol. 2 15.17): the hypervisor runs with IF clear and GIF set. Around VMRUN GIF is clear and IF
 * set, so that an interrupt that waits, or comes while the guest runs, ends the guest's run and nothing else. It is taken
 * between the STGI and the CLI behind the exit, as an NMI that waits is: each exit lets in what waits, whatever it came for.
 * (An emulator may not end a guest with IF clear for an interrupt, and be late there, too: exit_interrupt().)
 *
 * The stack holds svm and above it vcpu. Every RET after an exit returns from a CALL made after it, until svm_enter
 * itself returns: before that the return stack buffer is refilled.
 */
#include "arch/x86/guest_entry.inc"
#include "arch/x86/svm/svm_offsets.h"

	.text
	.globl svm_enter
	.align 16
svm_enter:
	push_preserved
	pushq	%rdi
	pushq	%rsi
.Lresume_all:
	load_preserved
.Lresume:
	movq	(%rsp), %rsi
	movq	SVM_OFF_VMCB(%rsi), %rcx
	movq	VCPU_OFF_RAX(%rdi), %rax
	movq	%rax, VMCB_OFF_RAX(%rcx)
	movq	SVM_OFF_VMCB_PA(%rsi), %rax
	load_others
	clgi
	sti
	vmload	%rax
	vmrun	%rax
.Lexited:
	vmsave	%rax
	/* RAX is the host's again: the VMCB's address. */
	pushq	%rdi
	movq	16(%rsp), %rdi
	store_all
	popq	VCPU_OFF_RDI(%rdi)
	movq	(%rsp), %rbx
	movq	SVM_OFF_VMCB(%rbx), %rcx
	movq	VMCB_OFF_RAX(%rcx), %rax
	movq	%rax, VCPU_OFF_RAX(%rdi)
	movq	SVM_OFF_HOST_VMCB(%rbx), %rax
	vmload	%rax
	stgi
	cli
	call	svm_exit_handle
	go_on	8, svm_exit_pending
	addq	$16, %rsp
	pop_preserved
	ret

/*
 * The gate for #DB, where an emulator hands a single step of the guest's over to the hypervisor when the stepped
 * instruction exits (Bochs): right behind VMRUN, with the guest's GS. Nobody has asked for it.
 */
	.globl svm_debug_entry
	.align 16
svm_debug_entry:
	pushq	%rax
	leaq	.Lexited(%rip), %rax
	cmpq	%rax, 8(%rsp)
	popq	%rax
	jne	trap_stubs + 16 * 1
	iretq

	.section .note.GNU-stack, "", @progbits
