/* The local APIC, in both of its modes. */
#include <string.h>
#include "ipi.h"

uint32_t ipi_apic_read(uint32_t reg)
{
	if (apic_x2apic)
		return (uint32_t)rdmsr(APIC_MSR(reg));
	return mmio_read32(APIC_BASE + reg);
}

/* Where the ICR's destination is this processor. */
static uint32_t ipi_destination(void)
{
	uint32_t id = ipi_apic_read(APIC_ID);

	if (!apic_x2apic)
		mmio_write32(APIC_BASE + APIC_ICR_HIGH, id);
	return id;
}

struct regs ipi_regs(uint32_t first, uint32_t second)
{
	struct regs r;

	memset(&r, 0, sizeof(r));
	r.rax = first;
	r.r8 = second;
	r.rdx = ipi_destination();
	r.rcx = APIC_MSR(APIC_ICR);
	r.rdi = APIC_BASE + APIC_ICR;
	r.rsi = IOAPIC_BASE;
	return r;
}

void ipi_send(uint32_t icr)
{
	uint64_t destination = ipi_destination();

	if (apic_x2apic)
		wrmsr(APIC_MSR(APIC_ICR), destination << 32 | icr);
	else
		mmio_write32(APIC_BASE + APIC_ICR, icr);
}

bool ipi_bit(uint32_t bank, unsigned int vector)
{
	return ipi_apic_read(bank + vector / 32 * 0x10) >> vector % 32 & 1;
}
