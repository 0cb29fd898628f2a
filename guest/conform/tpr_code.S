/* CR8 is RBX. */
#include "code.inc"

	code tpr_write
	point
	mov %rbx, %cr8
	point
	end_code tpr_write
	.section .note.GNU-stack, "", @progbits
