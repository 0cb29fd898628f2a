/* Codes of ipi_code.S in the variant for the local APIC's mode, and the registers they want. */
#ifndef CONFORM_IPI_H
#define CONFORM_IPI_H

#include "apic.h"
#include "conform.h"

#define IPI_NMI	   0x400u /* ICR: delivery mode */
#define IPI_ASSERT 0x4000u

#define IPI_DECLARE(name)          \
	CODE_DECLARE(name##_xapic) \
	CODE_DECLARE(name##_x2apic)
#define IPI_CODE(name) (apic_x2apic ? CODE(name##_x2apic) : CODE(name##_xapic))

/* Registers that send FIRST to this processor itself, and then, where the code does so, SECOND. */
struct regs ipi_regs(uint32_t first, uint32_t second);

/* Sends at once. */
void ipi_send(uint32_t icr);

/* A register of the local APIC. */
uint32_t ipi_apic_read(uint32_t reg);

/* Whether VECTOR's bit is set in the 256 bits that begin at register BANK. */
bool ipi_bit(uint32_t bank, unsigned int vector);

#define APIC_TMR 0x180

#endif
