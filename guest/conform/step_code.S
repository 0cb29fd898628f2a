/* Single steps: what TF does behind instructions of which most leave the guest. */
#include "code.inc"

	.macro step_code name, instruction:vararg
	code \name
	step_on
	\instruction
	point
	nop
	point
	end_code \name
	.endm

	step_code step_nop, nop
	step_code step_cpuid, cpuid
	step_code step_rdmsr, rdmsr
	step_code step_wrmsr, wrmsr
	step_code step_rdtsc, rdtsc
	step_code step_in, inb %dx, %al
	step_code step_in_imm, inb $0x61, %al
	step_code step_out, outb %al, %dx
	step_code step_outs, outsb
	step_code step_ins, insb
	step_code step_load, movl (%rdi), %eax
	step_code step_store, movl %eax, (%rdi)
	step_code step_lods, lodsl
	step_code step_vmcall, vmcall
	step_code step_vmmcall, vmmcall
	step_code step_wbinvd, wbinvd
	step_code step_invd, invd
	step_code step_pause, pause
	step_code step_invlpg, invlpg (%rdi)
	step_code step_clts, clts
	step_code step_cr0, mov %rbx, %cr0
	step_code step_cr3, mov %rbx, %cr3
	step_code step_cr4, mov %rbx, %cr4
	step_code step_cr8, mov %rbx, %cr8
	step_code step_xsetbv, xsetbv
	step_code step_hlt, hlt

	/* Two instructions: the trap behind the first is left out. */
	code step_mov_ss_nop
	mov %ss, %ebx
	step_on
	mov %ebx, %ss
	nop
	point
	nop
	point
	end_code step_mov_ss_nop

	code step_mov_ss_cpuid
	mov %ss, %r8d
	step_on
	mov %r8d, %ss
	cpuid
	point
	nop
	point
	end_code step_mov_ss_cpuid

	code step_mov_ss_load
	mov %ss, %ebx
	step_on
	mov %ebx, %ss
	movl (%rdi), %eax
	point
	nop
	point
	end_code step_mov_ss_load

	/* STI holds back interrupts, not traps. */
	code step_sti_cpuid
	step_on
	sti
	point
	cpuid
	point
	cli
	point
	end_code step_sti_cpuid

	/* Each iteration traps; RIP stays until the last. */
	.macro step_rep_code name, instruction:vararg
	code \name
	step_on
	point
	rep \instruction
	point
	end_code \name
	.endm

	step_rep_code step_rep_outs, outsb
	step_rep_code step_rep_ins, insb
	step_rep_code step_rep_lods, lodsl
	step_rep_code step_rep_stos, stosl

	/* The flags that are pushed show TF while it is on, and nothing of it behind. */
	code step_flags
	cpuid
	pushfq
	pop %r8
	step_on
	cpuid
	pushfq
	pop %r9
	point
	pushfq
	pop %r10
	end_code step_flags
	.section .note.GNU-stack, "", @progbits
