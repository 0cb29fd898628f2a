/* Control registers and MSRs. */
#include "code.inc"

	/* CR0 is RBX for two instructions, then RCX again. */
	code control_cr0
	point
	mov %rbx, %cr0
	mov %cr0, %r8
	mov %rcx, %cr0
	point
	end_code control_cr0

	code control_cr4
	point
	mov %rbx, %cr4
	mov %cr4, %r8
	mov %rcx, %cr4
	point
	end_code control_cr4

	/* A store while CR0 is RBX. */
	code control_store
	mov %rbx, %cr0
	movl %eax, (%rdi)
	mov %rcx, %cr0
	point
	end_code control_store

	code control_clts
	mov %rbx, %cr0
	clts
	mov %cr0, %r8
	mov %rcx, %cr0
	point
	end_code control_clts

	/* LMSW takes the low four bits of AX; PE stays. */
	code control_lmsw
	lmsw %ax
	mov %cr0, %r8
	smsw %r9
	mov $-1, %r10
	smsw %r10w
	smsw (%rdi)
	mov %rcx, %cr0
	point
	end_code control_lmsw

	/*
	 * A control register by way of each general register, RSP included. What was written is in
	 * control_value, what is read back goes to control_result.
	 */
	.macro control_by control, register
	code control_\control\()_\register
	mov %rsp, control_stack(%rip)
	mov control_value(%rip), %\register
	mov %\register, %\control
	mov $0x55, %\register
	mov %\control, %\register
	mov %\register, control_result(%rip)
	mov control_original(%rip), %\register
	mov %\register, %\control
	mov control_stack(%rip), %rsp
	point
	end_code control_\control\()_\register
	.pushsection .data
	.quad control_\control\()_\register, control_\control\()_\register\()_points
	.popsection
	.endm
	.macro control_all control
	.pushsection .data
	.balign 8
	.globl control_\control\()_by
control_\control\()_by:
	.popsection
	.irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	control_by \control, \register
	.endr
	.endm
	control_all cr0
	control_all cr3
	control_all cr4
	control_all cr8

	.bss
	.balign 8
	.globl control_value, control_original, control_result
control_value:
	.skip 8
control_original:
	.skip 8
control_result:
	.skip 8
control_stack:
	.skip 8

	code control_wrmsr
	point
	wrmsr
	point
	end_code control_wrmsr

	code control_rdmsr
	point
	rdmsr
	point
	end_code control_rdmsr

	code control_jump
	jmp *%rdi
	point
	end_code control_jump

	code control_load
	point
	movl (%rdi), %eax
	point
	end_code control_load

	code xcr_set
	point
	xsetbv
	point
	end_code xcr_set

	code xcr_get
	point
	xgetbv
	point
	end_code xcr_get
	.section .note.GNU-stack, "", @progbits
