/* void halt_for_nmi(const volatile uint32_t *wake): interrupts are off. */
	.text
	.globl halt_for_nmi, halt_for_nmi_begin, halt_for_nmi_end
halt_for_nmi:
halt_for_nmi_begin:
	cmpl $0, (%rdi)
	jne halt_for_nmi_end
	hlt
halt_for_nmi_end:
	ret
	.section .note.GNU-stack, "", @progbits
