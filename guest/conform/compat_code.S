/* 32-bit and 16-bit code under the 64-bit kernel: far calls to it, and back. */
#include "code.inc"

#define MSR_TSC_ADJUST	0x3b
#define SELECTOR_CODE32 0x28
#define SELECTOR_BASED	0x30
#define SELECTOR_CODE16 0x38

	.macro far_pointer name, offset, selector
	.pushsection .data
\name:	.long \offset
	.word \selector
	.popsection
	.endm

	/* EBP goes into EFLAGS before. */
	.macro flags_from_ebp
	pushfl
	orl %ebp, (%esp)
	popfl
	.endm

	code compat_32
	lcall *compat_32_pointer(%rip)
	ret
	.code32
compat_32_target:
	flags_from_ebp
	cpuid
	point
	movl $0x2f0, %edx
	point
	inb %dx, %al
	point
	outb %al, %dx
	point
	movl (%edi), %eax
	point
	.byte 0x3e, 0x0f, 0xa2	/* cpuid */
	point
	movl $MSR_TSC_ADJUST, %ecx
	point
	rdmsr
	point
	nop
	point
	lret
	.code64
	end_code compat_32
	far_pointer compat_32_pointer, compat_32_target, SELECTOR_CODE32

	code compat_16
	lcall *compat_16_pointer(%rip)
	ret
	.code16
	.globl compat_16_base
compat_16_base:
	flags_from_ebp
	cpuid
	point compat_16_base
	movw $0x2f0, %dx
	point compat_16_base
	inb %dx, %al
	point compat_16_base
	outb %al, %dx
	point compat_16_base
	movl (%edi), %eax
	point compat_16_base
	nop
	point compat_16_base
	lretl
	.code64
	end_code compat_16
	far_pointer compat_16_pointer, 0, SELECTOR_CODE16

	/* An interrupt comes from 32-bit code, too: EAX to the ICR at EDI. */
	code compat_ipi
	lcall *compat_ipi_pointer(%rip)
	point
	ret
	.code32
compat_ipi_target:
	sti
	movl %eax, (%edi)
	point
	nop
	cli
	point
	lret
	.code64
	end_code compat_ipi
	far_pointer compat_ipi_pointer, compat_ipi_target, SELECTOR_CODE32

	/* A fault that a hypervisor raises. */
	code compat_fault
	lcall *compat_fault_pointer(%rip)
	ret
	.code32
compat_fault_target:
	movl $0x4b564dff, %ecx
	point
	rdmsr
	point
	lret
	.code64
	end_code compat_fault
	far_pointer compat_fault_pointer, compat_fault_target, SELECTOR_CODE32

	/*
	 * At the end of a segment of 4 GiB, so that EIP wraps behind the instruction, to where the
	 * segment begins. ESI counts that what is there was executed.
	 */
	.macro wrap_code name, bytes:vararg
	code compat_wrap_\name
	lcall *compat_wrap_\name\()_pointer(%rip)
	point
	ret
	.code32
	.globl compat_wrap_\name\()_base
1:	.byte \bytes
compat_wrap_\name\()_base:
	incl %esi
	nop
	lret
	.code64
	end_code compat_wrap_\name
	.pushsection .data
compat_wrap_\name\()_pointer:
	.long 1b - compat_wrap_\name\()_base
	.word SELECTOR_BASED
	.popsection
	.endm
	wrap_code cpuid, 0x0f, 0xa2
	wrap_code out, 0xee
	wrap_code load, 0x8b, 0x07
	.section .note.GNU-stack, "", @progbits
