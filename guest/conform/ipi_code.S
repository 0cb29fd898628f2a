/*
 * Interrupts and NMIs that the code sends to itself: everything twice, once for each way to reach
 * the local APIC. xAPIC: RDI is the ICR's address, x2APIC: ECX the ICR's MSR; EDX:EAX what goes
 * there, R8D and R9D a second such word of EAX.
 */
#include "code.inc"

#define NAME(name) name##_xapic
#define SEND	   movl %eax, (%rdi)
#include "ipi_code.inc"
#undef NAME
#undef SEND

#define NAME(name) name##_x2apic
#define SEND	   wrmsr
#include "ipi_code.inc"

	/* NMIs come from elsewhere. */
	code nmi_hlt
	hlt
	point
	end_code nmi_hlt

	/* The gate of NMI: its IRET is stepped by the guest itself. */
	.text
	.globl nmi_gate_step, nmi_gate_bad, nmi_gate_bad_iret
nmi_gate_step:
	cpuid
	step_on
	iretq

	/* The gate of NMI: an IRET that faults. */
nmi_gate_bad:
	movl $0x7ff8, 8(%rsp)
nmi_gate_bad_iret:
	iretq
	.section .note.GNU-stack, "", @progbits
