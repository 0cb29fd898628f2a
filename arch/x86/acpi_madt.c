/* The interrupt controllers (5.2.12 Multiple APIC Description Table). */
#include "arch/x86/acpi_parse.h"
#include "core/log.h"

#define MADT_ENTRIES 44 /* offset of the first entry */

#define CPU_ENABLED	   BIT(0)
#define CPU_ONLINE_CAPABLE BIT(1)

_Static_assert(ACPI_MAX_CPUS <= 4096, "each new entry is compared with all before");
_Static_assert(ACPI_MAX_IOAPICS >= 8 && ACPI_MAX_OVERRIDES >= 16, "16 ISA interrupts, some boards");

/* An entry type, its least length and what to do with it. */
struct entry_kind {
	u8 type, size;
	void (*take)(const u8 *e, struct acpi_madt *m);
};

static void add_cpu(struct acpi_madt *m, u32 apic_id, u32 uid, u32 flags)
{
	if (!(flags & (CPU_ENABLED | CPU_ONLINE_CAPABLE)))
		return;
	/* Some firmware lists a processor both as an APIC and as an x2APIC. */
	for (unsigned i = 0; i < m->cpu_count; i++) {
		if (m->cpu[i].apic_id == apic_id) {
			m->cpu[i].enabled |= (flags & CPU_ENABLED) != 0;
			return;
		}
	}
	if (m->cpu_count == ACPI_MAX_CPUS) {
		m->cpu_lost++;
		return;
	}
	m->cpu[m->cpu_count++] = (struct acpi_cpu){ apic_id, uid, (flags & CPU_ENABLED) != 0 };
}

static void take_lapic(const u8 *e, struct acpi_madt *m)
{
	if (e[3] != 0xff) /* the broadcast address is no processor's */
		add_cpu(m, e[3], e[2], get_le32(e + 4));
}

static void take_x2apic(const u8 *e, struct acpi_madt *m)
{
	if (get_le32(e + 4) != UINT32_MAX)
		add_cpu(m, get_le32(e + 4), get_le32(e + 12), get_le32(e + 8));
}

static void take_ioapic(const u8 *e, struct acpi_madt *m)
{
	struct acpi_ioapic io = { e[2], get_le32(e + 4), get_le32(e + 8) };

	if (!io.address) {
		log_warn("acpi: MADT: I/O APIC %u has no address, ignored", io.id);
		return;
	}
	if (m->ioapic_count == ACPI_MAX_IOAPICS)
		m->ioapic_lost++;
	else
		m->ioapic[m->ioapic_count++] = io;
}

static void take_override(const u8 *e, struct acpi_madt *m)
{
	struct acpi_override o = { e[3], get_le32(e + 4), get_le16(e + 8) };

	if (e[2] != 0 || o.isa_irq > 15) {
		log_warn("acpi: MADT: override of bus %u irq %u, ignored", e[2], e[3]);
		return;
	}
	if (m->override_count == ACPI_MAX_OVERRIDES)
		m->override_lost++;
	else
		m->override[m->override_count++] = o;
}

static void add_nmi(struct acpi_madt *m, u32 uid, u16 flags, u8 lint)
{
	if (lint > 1)
		return;
	if (m->nmi_count == ACPI_MAX_LAPIC_NMIS)
		m->nmi_lost++;
	else
		m->nmi[m->nmi_count++] = (struct acpi_lapic_nmi){ uid, flags, lint };
}

static void take_lapic_nmi(const u8 *e, struct acpi_madt *m)
{
	add_nmi(m, e[2] == 0xff ? ACPI_ALL_CPUS : e[2], get_le16(e + 3), e[5]);
}

static void take_x2apic_nmi(const u8 *e, struct acpi_madt *m)
{
	add_nmi(m, get_le32(e + 4), get_le16(e + 2), e[8]);
}

static void take_lapic_address(const u8 *e, struct acpi_madt *m)
{
	m->lapic_address = get_le64(e + 4);
}

static const struct entry_kind kinds[] = {
	{ 0, 8, take_lapic },	     { 1, 12, take_ioapic },	    { 2, 10, take_override },
	{ 4, 6, take_lapic_nmi },    { 5, 12, take_lapic_address }, { 9, 16, take_x2apic },
	{ 10, 12, take_x2apic_nmi },
};

static void take_entry(const u8 *e, struct acpi_madt *m)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type != e[0])
			continue;
		if (e[1] >= kinds[i].size)
			kinds[i].take(e, m);
		else
			log_warn("acpi: MADT: entry of type %u has length %u, ignored", e[0], e[1]);
	}
}

static void report_lost(const struct acpi_madt *m)
{
	if (m->cpu_lost)
		log_warn("acpi: %u processors beyond the first %u are not used", m->cpu_lost,
			 ACPI_MAX_CPUS);
	if (m->ioapic_lost)
		log_warn("acpi: %u I/O APICs beyond the first %u are not used", m->ioapic_lost,
			 ACPI_MAX_IOAPICS);
	if (m->override_lost || m->nmi_lost)
		log_warn("acpi: MADT: %u overrides and %u NMI entries too many, ignored",
			 m->override_lost, m->nmi_lost);
}

void acpi_parse_madt(const u8 *t, u32 n, struct acpi_madt *m)
{
	u32 at = MADT_ENTRIES;

	if (n < MADT_ENTRIES) {
		log_warn("acpi: MADT: only %u bytes", n);
		return;
	}
	m->lapic_address = get_le32(t + 36);
	m->has_pics = get_le32(t + 40) & 1;
	while (n - at >= 2) {
		u8 size = t[at + 1];

		if (size < 2 || size > n - at) {
			log_warn("acpi: MADT: an entry does not fit, the rest ignored");
			break;
		}
		take_entry(t + at, m);
		at += size;
	}
	report_lost(m);
}
