#include "hv/dev/acpi_tables.h"

#include <errno.h>

#include "hv/dev/acpi_fadt.h"
#include "hv/dev/acpi_madt.h"
#include "hv/dev/acpi_writer.h"

#define FACS_SIZE	   64
#define FACS_VERSION	   2
#define RSDP_REVISION	   2
#define RSDP_V1_SIZE	   20
#define RSDP_CHECKSUM	   8
#define RSDP_CHECKSUM_LONG 32

/* hv/dev/acpi/aml.S */
extern const u8 acpi_dsdt_aml_start[], acpi_dsdt_aml_end[];
extern const u8 acpi_ssdt_com1_aml_start[], acpi_ssdt_com1_aml_end[];

/* What XSDT and RSDT list. */
struct table_list {
	unsigned n;
	u64 at[3]; /* FADT, MADT, SSDT */
};

static u64 put_facs(struct acpi_writer *w)
{
	u64 at;

	acpi_align(w, ACPI_TABLE_ALIGN);
	at = w->at + w->used;
	acpi_put_bytes(w, "FACS", 4);
	acpi_put(w, 4, FACS_SIZE);
	acpi_put_zeros(w, 24);
	acpi_put(w, 1, FACS_VERSION);
	acpi_put_zeros(w, 31);
	return at;
}

/* A table that iasl has finished, checksum and all. */
static u64 put_aml(struct acpi_writer *w, const u8 *start, const u8 *end)
{
	u64 at;

	acpi_align(w, 16);
	at = w->at + w->used;
	acpi_put_bytes(w, start, (size_t)(end - start));
	return at;
}

static u64 put_list(struct acpi_writer *w, const char signature[4], unsigned entry_size,
		    const struct table_list *list)
{
	size_t start = acpi_begin(w, signature, 1);

	for (unsigned i = 0; i < list->n; i++)
		acpi_put(w, entry_size, list->at[i]);
	return acpi_end(w, start);
}

static void put_rsdp(struct acpi_writer *w, u64 rsdt, u64 xsdt)
{
	size_t start = w->used;

	acpi_put_bytes(w, "RSD PTR ", 8);
	acpi_put(w, 1, 0); /* checksum of version 1 */
	acpi_put_bytes(w, "NEAP  ", 6);
	acpi_put(w, 1, RSDP_REVISION);
	acpi_put(w, 4, rsdt);
	acpi_put(w, 4, ACPI_RSDP_SIZE);
	acpi_put(w, 8, xsdt);
	acpi_put(w, 1, 0); /* checksum */
	acpi_put_zeros(w, 3);
	acpi_checksum(w, start, RSDP_V1_SIZE, RSDP_CHECKSUM);
	acpi_checksum(w, start, ACPI_RSDP_SIZE, RSDP_CHECKSUM_LONG);
}

/* All but the RSDP; through *rsdt and *xsdt, what that points to. */
static void put_tables(struct acpi_writer *w, const struct acpi_tables_config *config, u64 *rsdt,
		       u64 *xsdt)
{
	struct table_list list = { 0 };
	u64 facs = put_facs(w);
	u64 dsdt = put_aml(w, acpi_dsdt_aml_start, acpi_dsdt_aml_end);

	list.at[list.n++] = acpi_put_fadt(w, facs, dsdt);
	list.at[list.n++] = acpi_put_madt(w, config->cpus, config->ioapic_id);
	if (config->uart)
		list.at[list.n++] = put_aml(w, acpi_ssdt_com1_aml_start, acpi_ssdt_com1_aml_end);
	*rsdt = put_list(w, "RSDT", 4, &list);
	*xsdt = put_list(w, "XSDT", 8, &list);
}

/* A writer for the tables: a region of their own, or what follows the RSDP in its buffer. */
static struct acpi_writer tables_writer(const struct acpi_tables_config *config, u8 *buf,
					size_t size, gpa_t at)
{
	if (config->tables)
		return (struct acpi_writer){ config->tables, config->tables_size, 0,
					     config->tables_at.v };
	return (struct acpi_writer){ buf, size, ACPI_RSDP_SIZE, at.v };
}

size_t acpi_tables_size(const struct acpi_tables_config *config)
{
	/* The RSDP may come at any multiple of 16: allow for the FACS's alignment after it. */
	size_t slack = config->tables ? 0 : ACPI_TABLE_ALIGN;
	struct acpi_writer w = tables_writer(config, NULL, SIZE_MAX, GPA(0));
	u64 rsdt, xsdt;

	w.buf = NULL;
	put_tables(&w, config, &rsdt, &xsdt);
	return w.used + slack;
}

static bool rsdp_fits(gpa_t at)
{
	return at.v >= ACPI_RSDP_AREA_START && at.v <= ACPI_RSDP_AREA_END - ACPI_RSDP_SIZE &&
	       IS_ALIGNED(at.v, 16);
}

/* XSDT apart, everything points by 32 bits. */
static bool tables_fit(const struct acpi_tables_config *config)
{
	return IS_ALIGNED(config->tables_at.v, ACPI_TABLE_ALIGN) && config->tables_at.v < 4 * GIB &&
	       acpi_tables_size(config) <= 4 * GIB - config->tables_at.v;
}

int acpi_tables_build(const struct acpi_tables_config *config, u8 *buf, size_t size, gpa_t at)
{
	struct acpi_writer rsdp = { buf, size, 0, at.v };
	struct acpi_writer w = tables_writer(config, buf, size, at);
	u64 rsdt, xsdt;

	if (config->cpus == 0 || config->cpus > VM_MAX_CPUS || !rsdp_fits(at))
		return -EINVAL;
	if (config->tables && !tables_fit(config))
		return -EINVAL;
	put_tables(&w, config, &rsdt, &xsdt);
	put_rsdp(&rsdp, rsdt, xsdt);
	return acpi_writer_overflowed(&w) || acpi_writer_overflowed(&rsdp) ? -ENOSPC : 0;
}
