/* Instructions that this processor does not have, or only if CPUID says so. */
#include "code.inc"

	.macro instruction_code name, instruction:vararg
	code instruction_\name
	point
	\instruction
	point
	end_code instruction_\name
	.endm

	/* VMX */
	instruction_code vmxon, vmxon (%rdi)
	instruction_code vmxoff, vmxoff
	instruction_code vmclear, vmclear (%rdi)
	instruction_code vmptrld, vmptrld (%rdi)
	instruction_code vmptrst, vmptrst (%rdi)
	instruction_code vmread, vmread %rax, %rbx
	instruction_code vmwrite, vmwrite %rax, %rbx
	instruction_code vmlaunch, vmlaunch
	instruction_code vmresume, vmresume
	instruction_code invept, invept (%rdi), %rax
	instruction_code invvpid, invvpid (%rdi), %rax
	instruction_code vmfunc, vmfunc
	instruction_code getsec, .byte 0x0f, 0x37
	/* SVM */
	instruction_code vmrun, vmrun %rax
	instruction_code vmload, vmload %rax
	instruction_code vmsave, vmsave %rax
	instruction_code stgi, stgi
	instruction_code clgi, clgi
	instruction_code skinit, skinit
	instruction_code invlpga, invlpga %rax, %ecx
	instruction_code rdpru, .byte 0x0f, 0x01, 0xfd
	/* neither */
	instruction_code rsm, rsm
	instruction_code monitor, monitor %rax, %rcx, %rdx
	instruction_code mwait, mwait %rax, %rcx
	instruction_code rdpmc, rdpmc
	instruction_code vmcall, vmcall
	instruction_code vmmcall, vmmcall
	/* by CPUID */
	instruction_code rdtscp, rdtscp
	instruction_code rdpid, rdpid %rax
	instruction_code invpcid, invpcid (%rdi), %rax
	instruction_code rdrand, rdrand %rax
	instruction_code rdseed, rdseed %rax

	code cpuid_only
	cpuid
	point
	end_code cpuid_only
	.section .note.GNU-stack, "", @progbits
