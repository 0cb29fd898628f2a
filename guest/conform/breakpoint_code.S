/* Hardware breakpoints: on instructions, on data, and on the debug registers themselves. */
#include "code.inc"

	/* The first two points have breakpoints. R10 counts what was executed. */
	.macro break_code name, instruction:vararg
	code \name
	xor %r10d, %r10d
	nop
	point
	\instruction
	point
	inc %r10d
	inc %r10d
	point
	end_code \name
	.endm

	break_code break_nop, nop
	break_code break_cpuid, cpuid
	break_code break_rdmsr, rdmsr
	break_code break_in, inb %dx, %al
	break_code break_out, outb %al, %dx
	break_code break_load, movl (%rdi), %eax
	break_code break_store, movl %eax, (%rdi)
	break_code break_ins, insb

	/* The trap comes behind the access. */
	code break_write
	movl %eax, (%rdi)
	point
	cpuid
	nop
	point
	end_code break_write

	code break_read
	movl (%rdi), %eax
	point
	cpuid
	nop
	point
	end_code break_read

	code break_guard
	cpuid
	point
	mov %db7, %r10
	point
	end_code break_guard

	/* Exits of many kinds, between which the debug registers stay. */
	code break_exits
	cpuid
	inb $0x61, %al
	movl (%rdi), %eax
	mov %cr4, %rbx
	mov %rbx, %cr4
	mov $0x3b, %ecx
	rdmsr
	wrmsr
	outb %al, $0x80
	point
	end_code break_exits
	.section .note.GNU-stack, "", @progbits
