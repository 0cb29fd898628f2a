#include "hv/dev/acpi_madt.h"

#include "hv/dev/acpi_tables.h"
#include "hv/dev/pm.h"

#define MADT_REVISION  5
#define LAPIC_ADDRESS  0xfee00000u
#define IOAPIC_ADDRESS 0xfec00000u
#define PCAT_COMPAT    1 /* there are 8259s, to be masked by who uses the APICs */
#define CPU_ENABLED    1
#define ALL_CPUS       UINT32_MAX
#define LINT1	       1

/* Structure types (ACPI 6.4, table 5.21). */
enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

/* Interrupt flags (table 5.26). */
#define INTI_CONFORMS	       0x0 /* edge, active high, as ISA */
#define INTI_LEVEL_ACTIVE_HIGH 0xd

static void put_type(struct acpi_writer *w, enum madt_type type, unsigned length)
{
	acpi_put(w, 1, type);
	acpi_put(w, 1, length);
}

static void put_cpu(struct acpi_writer *w, u32 id)
{
	if (id <= ACPI_XAPIC_ID_MAX) {
		put_type(w, MADT_LAPIC, 8);
		acpi_put(w, 1, id); /* processor uid */
		acpi_put(w, 1, id);
		acpi_put(w, 4, CPU_ENABLED);
	} else {
		put_type(w, MADT_X2APIC, 16);
		acpi_put(w, 2, 0);
		acpi_put(w, 4, id);
		acpi_put(w, 4, CPU_ENABLED);
		acpi_put(w, 4, id); /* processor uid */
	}
}

static void put_override(struct acpi_writer *w, u8 irq, u32 gsi, u16 flags)
{
	put_type(w, MADT_OVERRIDE, 10);
	acpi_put(w, 1, 0); /* ISA */
	acpi_put(w, 1, irq);
	acpi_put(w, 4, gsi);
	acpi_put(w, 2, flags);
}

static void put_nmi(struct acpi_writer *w, bool x2apic)
{
	put_type(w, MADT_LAPIC_NMI, 6);
	acpi_put(w, 1, ALL_CPUS);
	acpi_put(w, 2, INTI_CONFORMS);
	acpi_put(w, 1, LINT1);
	if (!x2apic)
		return;
	put_type(w, MADT_X2APIC_NMI, 12);
	acpi_put(w, 2, INTI_CONFORMS);
	acpi_put(w, 4, ALL_CPUS);
	acpi_put(w, 1, LINT1);
	acpi_put_zeros(w, 3);
}

u64 acpi_put_madt(struct acpi_writer *w, unsigned cpus, u8 ioapic_id)
{
	size_t start = acpi_begin(w, "APIC", MADT_REVISION);

	acpi_put(w, 4, LAPIC_ADDRESS);
	acpi_put(w, 4, PCAT_COMPAT);
	for (u32 id = 0; id < cpus; id++)
		put_cpu(w, id);

	put_type(w, MADT_IOAPIC, 12);
	acpi_put(w, 1, ioapic_id);
	acpi_put(w, 1, 0);
	acpi_put(w, 4, IOAPIC_ADDRESS);
	acpi_put(w, 4, 0); /* its first GSI */

	/* The timer is on pin 2, as on every PC since the 8259s took pin 0 for themselves. */
	put_override(w, 0, 2, INTI_CONFORMS);
	put_override(w, PM_SCI_IRQ, PM_SCI_IRQ, INTI_LEVEL_ACTIVE_HIGH);
	put_nmi(w, cpus - 1 > ACPI_XAPIC_ID_MAX);
	return acpi_end(w, start);
}
