/* String I/O. R11 goes into RFLAGS before. */
#include "code.inc"

	.macro string_code name, instruction:vararg
	code string_\name
	pushfq
	or %r11, (%rsp)
	popfq
	\instruction
	point
	end_code string_\name
	.endm

	string_code outsw, rep outsw
	string_code insb, rep insb
	string_code insw, rep insw
	string_code insl, rep insl
	string_code insb_32, addr32 rep insb
	string_code outsw_fs, rep outsw %fs:(%rsi), %dx
	.section .note.GNU-stack, "", @progbits
