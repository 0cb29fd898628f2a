#include "arch/x86/acpi.h"

#include <errno.h>
#include <string.h>

#include "arch/x86/acpi_parse.h"
#include "core/log.h"

_Static_assert(ACPI_MAX_SEGMENTS >= 1 && ACPI_MAX_SEGMENTS <= 64, "boards have one, servers a few");

struct acpi_info acpi_info;

/* PCI Firmware Specification 4.1.2: after 8 reserved bytes, entries of 16. */
void acpi_parse_mcfg(const u8 *t, u32 n, struct acpi_info *out)
{
	for (u32 at = 44; at <= n && n - at >= 16; at += 16) {
		struct acpi_segment s = { get_le64(t + at), get_le16(t + at + 8), t[at + 10],
					  t[at + 11] };

		if (!s.base || s.bus_start > s.bus_end)
			log_warn("acpi: MCFG: segment %u damaged, ignored", s.number);
		else if (out->segment_count == ACPI_MAX_SEGMENTS)
			out->segment_lost++;
		else
			out->segment[out->segment_count++] = s;
	}
	if (out->segment_lost)
		log_warn("acpi: MCFG: %u segments beyond the first %u are not used",
			 out->segment_lost, ACPI_MAX_SEGMENTS);
}

/* IA-PC HPET Specification 3.2.4. */
u64 acpi_parse_hpet(const u8 *t, u32 n)
{
	struct acpi_gas g;

	if (n < 40 + ACPI_GAS_SIZE)
		return 0;
	g = acpi_get_gas(t + 40);
	return g.space == ACPI_MEMORY ? g.address : 0;
}

static bool find_s5_in(const char *signature, unsigned index, struct acpi_info *info)
{
	u32 n;
	const u8 *t = acpi_table_find(signature, index, &n);

	return t && acpi_aml_find_s5(t + ACPI_HEADER_SIZE, n - ACPI_HEADER_SIZE, &info->s5_type_a,
				     &info->s5_type_b);
}

/* The soft-off numbers are in the DSDT, rarely in one of the SSDTs. */
static void find_s5(struct acpi_info *info)
{
	info->has_s5 = find_s5_in("DSDT", 0, info);
	for (unsigned i = 0; i < ACPI_MAX_TABLES && !info->has_s5; i++)
		info->has_s5 = find_s5_in("SSDT", i, info);
}

static void read_fixed(struct acpi_info *info)
{
	const struct acpi_fadt *f = &info->fadt;
	u32 n;
	const u8 *t = acpi_table_find("FACP", 0, &n);

	if (!t || !acpi_parse_fadt(t, n, &info->fadt))
		return;
	info->has_fadt = true;
	if (f->dsdt && acpi_tables_add(f->dsdt, "DSDT"))
		return;
	if (f->dsdt_32 && f->dsdt_32 != f->dsdt && !acpi_tables_add(f->dsdt_32, "DSDT"))
		log_warn("acpi: no usable DSDT");
}

static void read_serial(struct acpi_info *info)
{
	u32 n;
	const u8 *t = acpi_table_find("SPCR", 0, &n);

	if (t && acpi_parse_spcr(t, n, &info->serial))
		return;
	t = acpi_table_find("DBG2", 0, &n);
	if (t && !acpi_parse_dbg2(t, n, &info->serial))
		log_debug("acpi: DBG2 names no port that we can use");
}

int acpi_init(hpa_t rsdp)
{
	struct acpi_info *info = &acpi_info;
	const u8 *t;
	u32 n;
	int r;

	memset(info, 0, sizeof(*info));
	r = acpi_tables_init(rsdp, info);
	if (r < 0)
		return r;
	read_fixed(info);
	find_s5(info);
	t = acpi_table_find("APIC", 0, &n);
	if (t) {
		info->has_madt = true;
		acpi_parse_madt(t, n, &info->madt);
	}
	t = acpi_table_find("MCFG", 0, &n);
	if (t)
		acpi_parse_mcfg(t, n, info);
	t = acpi_table_find("HPET", 0, &n);
	if (t)
		info->hpet = acpi_parse_hpet(t, n);
	read_serial(info);
	return 0;
}

static void print_madt(const struct acpi_madt *m)
{
	unsigned enabled = 0;

	for (unsigned i = 0; i < m->cpu_count; i++)
		enabled += m->cpu[i].enabled;
	log_info("acpi: %u processor%s (%u can be added), local APIC at 0x%lx%s", enabled,
		 enabled == 1 ? "" : "s", m->cpu_count - enabled, m->lapic_address,
		 m->has_pics ? ", 8259s" : "");
	for (unsigned i = 0; i < m->ioapic_count; i++)
		log_info("acpi: I/O APIC %u at 0x%x, interrupts from %u", m->ioapic[i].id,
			 m->ioapic[i].address, m->ioapic[i].gsi_base);
	for (unsigned i = 0; i < m->override_count; i++)
		log_debug("acpi: ISA irq %u is interrupt %u, flags 0x%x", m->override[i].isa_irq,
			  m->override[i].gsi, m->override[i].flags);
}

static void print_fadt(const struct acpi_info *info)
{
	const struct acpi_fadt *f = &info->fadt;

	log_info("acpi: FADT revision %u, sci %u, pm1a control %s 0x%lx%s", f->revision, f->sci_irq,
		 f->pm1a_cnt.space == ACPI_IO ? "io" : "mmio", f->pm1a_cnt.address,
		 f->flags & ACPI_FADT_HW_REDUCED ? ", reduced hardware" : "");
	if (info->has_s5)
		log_info("acpi: soft-off is sleep type %u/%u", info->s5_type_a, info->s5_type_b);
	else
		log_info("acpi: no soft-off");
}

/* Without the blanks that fill it up. */
static int oem_id_length(const struct acpi_info *info)
{
	int n = (int)strlen(info->oem_id);

	while (n > 0 && info->oem_id[n - 1] == ' ')
		n--;
	return n;
}

void acpi_print(void)
{
	const struct acpi_info *info = &acpi_info;

	if (!info->present) {
		log_info("acpi: none");
		return;
	}
	log_info("acpi: revision %u by %.*s", info->revision, oem_id_length(info), info->oem_id);
	if (info->has_madt)
		print_madt(&info->madt);
	if (info->has_fadt)
		print_fadt(info);
	for (unsigned i = 0; i < info->segment_count; i++)
		log_info("acpi: pci segment %u, buses %u to %u at 0x%lx", info->segment[i].number,
			 info->segment[i].bus_start, info->segment[i].bus_end,
			 info->segment[i].base);
	if (info->hpet)
		log_info("acpi: hpet at 0x%lx", info->hpet);
	if (info->serial.present)
		log_info("acpi: %s names the serial port at %s 0x%lx", info->serial.source,
			 info->serial.regs.space == ACPI_IO ? "io" : "mmio",
			 info->serial.regs.address);
}
