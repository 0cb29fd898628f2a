/*
 * CPL 3. The code enters at RSI with the flags in R11 and a stack at RDX; whatever exception comes
 * there ends it: the C side goes on at the last point, with the stack of the kernel's.
 */
#include "code.inc"

#define SELECTOR_CODE 0x53
#define SELECTOR_DATA 0x5b

	code user_enter
	mov %rsp, user_stack(%rip)
	pushq $SELECTOR_DATA
	push %rdx
	push %r11
	pushq $SELECTOR_CODE
	push %rsi
	iretq
	point
	end_code user_enter

	.bss
	.balign 8
	.globl user_stack
user_stack:
	.skip 8

	/* What runs there, copied to a page of its own; each ends with UD2. */
	.macro user_piece name, instruction:vararg
	.section .rodata
	.globl user_\name, user_\name\()_end
user_\name:
	\instruction
user_\name\()_end:
	ud2
	.endm
	user_piece cpuid, cpuid
	user_piece load, movl 1(%rdi), %eax
	user_piece rdmsr, rdmsr
	user_piece in, inb $0x61, %al
	user_piece hlt, hlt
	user_piece cr0, mov %cr0, %rax
	user_piece wbinvd, wbinvd
	.section .note.GNU-stack, "", @progbits
