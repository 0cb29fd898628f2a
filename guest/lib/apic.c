#include "apic.h"
#include "x86.h"

bool apic_x2apic;

void apic_write(uint32_t reg, uint32_t value)
{
	if (apic_x2apic)
		wrmsr(APIC_MSR(reg), value);
	else
		mmio_write32(APIC_BASE + reg, value);
}

uint32_t apic_read(uint32_t reg)
{
	return apic_x2apic ? (uint32_t)rdmsr(APIC_MSR(reg)) : mmio_read32(APIC_BASE + reg);
}

uint32_t apic_id(void)
{
	uint32_t id = apic_read(APIC_ID);

	return apic_x2apic ? id : id >> 24;
}

void apic_send(uint32_t command, uint32_t destination)
{
	if (apic_x2apic) {
		wrmsr(APIC_MSR(APIC_ICR), (uint64_t)destination << 32 | command);
	} else {
		mmio_write32(APIC_BASE + APIC_ICR_HIGH, destination << 24);
		mmio_write32(APIC_BASE + APIC_ICR, command);
	}
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_enable(void)
{
	apic_x2apic = rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
	apic_write(APIC_SPURIOUS, APIC_ENABLED);
}

bool apic_enable_x2apic(void)
{
	if (!(cpuid(1, 0).ecx & 1u << 21))
		return false;
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_enable();
	return true;
}

void pic_init(uint16_t mask)
{
	/* ICW1..ICW4 of the 8259A datasheet: edge, cascade on IRQ 2, 8086 mode */
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(PIC_MASTER_DATA, PIC_VECTOR);
	outb(PIC_SLAVE_DATA, PIC_VECTOR + 8);
	outb(PIC_MASTER_DATA, 4);
	outb(PIC_SLAVE_DATA, 2);
	outb(PIC_MASTER_DATA, 1);
	outb(PIC_SLAVE_DATA, 1);
	outb(PIC_MASTER_DATA, (uint8_t)mask);
	outb(PIC_SLAVE_DATA, (uint8_t)(mask >> 8));
}

void pic_eoi(void)
{
	outb(0x20, 0x20);
}
