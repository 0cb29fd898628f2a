#include "arch/x86/host_ioapic.h"

#include <errno.h>

#include "arch/x86/acpi.h"
#include "arch/x86/pio.h"
#include "core/log.h"
#include "core/percpu.h"
#include "mm/phys.h"

#define REG_VERSION    1
#define REG_ENTRY(pin) (0x10 + 2 * (pin))
#define ENTRY_MASKED   BIT(16)
#define ENTRY_LEVEL    BIT(15)
#define ENTRY_LOW      BIT(13)
#define APIC_ID_ALL    0xff
#define PIC1_DATA      0x21
#define PIC2_DATA      0xa1
#define POLARITY(f)    ((f)&3)
#define TRIGGER(f)     ((f) >> 2 & 3)

static struct {
	volatile u32 *regs; /* index at 0, data at 0x10 */
	u32 gsi_base, pins;
} chips[ACPI_MAX_IOAPICS];
static unsigned chip_count;

static u32 chip_read(unsigned c, u32 reg)
{
	chips[c].regs[0] = reg;
	return chips[c].regs[4];
}

static void chip_write(unsigned c, u32 reg, u32 v)
{
	chips[c].regs[0] = reg;
	chips[c].regs[4] = v;
}

static void add_chip(const struct acpi_ioapic *a)
{
	unsigned c = chip_count;

	chips[c].regs = phys_map_device(HPA(a->address), 0x20);
	if (!chips[c].regs) {
		log_warn("ioapic: no address space for the one at 0x%x", a->address);
		return;
	}
	chips[c].gsi_base = a->gsi_base;
	chips[c].pins = (chip_read(c, REG_VERSION) >> 16 & 0xff) + 1;
	for (u32 pin = 0; pin < chips[c].pins; pin++)
		chip_write(c, REG_ENTRY(pin), (u32)ENTRY_MASKED);
	chip_count++;
}

void host_ioapic_init(void)
{
	outb(PIC1_DATA, 0xff);
	outb(PIC2_DATA, 0xff);
	for (unsigned i = 0; i < acpi_info.madt.ioapic_count; i++)
		add_chip(&acpi_info.madt.ioapic[i]);
}

/* `entry`: vector, polarity and trigger mode. */
static int route(u32 gsi, u32 entry, u8 apic_id)
{
	for (unsigned c = 0; c < chip_count; c++) {
		u32 pin = gsi - chips[c].gsi_base;

		if (pin >= chips[c].pins)
			continue;
		chip_write(c, REG_ENTRY(pin) + 1, (u32)apic_id << 24);
		chip_write(c, REG_ENTRY(pin), entry);
		return 0;
	}
	return -ENODEV;
}

static u32 entry_of(bool level, bool low, u8 vector)
{
	return vector | (level ? (u32)ENTRY_LEVEL : 0) | (low ? (u32)ENTRY_LOW : 0);
}

static int route_isa(u32 irq, u8 vector, u8 apic_id)
{
	for (unsigned i = 0; i < acpi_info.madt.override_count; i++) {
		const struct acpi_override *o = &acpi_info.madt.override[i];

		if (o->isa_irq == irq)
			return route(
				o->gsi,
				entry_of(TRIGGER(o->flags) == 3, POLARITY(o->flags) == 3, vector),
				apic_id);
	}
	return route(irq, entry_of(false, false, vector), apic_id);
}

int host_ioapic_route_gsi(u32 gsi, bool level, bool low, u8 vector)
{
	return route(gsi, entry_of(level, low, vector), (u8)cpu_table[0]->apic_id);
}

int host_ioapic_route_isa(u32 irq, u8 vector)
{
	return route_isa(irq, vector, (u8)cpu_table[0]->apic_id);
}

int host_ioapic_route_isa_to_all(u32 irq, u8 vector)
{
	return route_isa(irq, vector, APIC_ID_ALL);
}
