/*
 * The ACPI tables of a guest: RSDP, XSDT and RSDT, FADT, FACS, DSDT, MADT, and an SSDT for the
 * serial port. Built once, when the VM is, into buffers that are then copied to the guest.
 */
#ifndef NEAP_HV_DEV_ACPI_TABLES_H
#define NEAP_HV_DEV_ACPI_TABLES_H

#include "core/types.h"
#include "hv/config.h"

#define ACPI_RSDP_SIZE 36
/* Software without EFI looks for the RSDP here (ACPI 6.4, 5.2.5.1), at multiples of 16. */
#define ACPI_RSDP_AREA_START 0xe0000
#define ACPI_RSDP_AREA_END   0x100000
/* Address and buffer of the tables: the strictest of them, the FACS, wants 64. */
#define ACPI_TABLE_ALIGN 64

/* Local APIC ids up to here get the short MADT entry; 255 is a broadcast in its 8 bits. */
#define ACPI_XAPIC_ID_MAX 254

struct acpi_tables_config {
	unsigned cpus; /* 1 to VM_MAX_CPUS, with APIC ids 0, 1, 2, ... */
	u8 ioapic_id;
	bool uart; /* describe the serial port at 0x3f8 */
	/*
	 * Where all tables but the RSDP go: tables_size bytes at `tables`, to be copied to the
	 * guest's tables_at, a multiple of ACPI_TABLE_ALIGN; they end below 4 GiB. With tables
	 * NULL they follow the RSDP in its buffer.
	 */
	u8 *tables;
	size_t tables_size;
	gpa_t tables_at;
};

/*
 * Bytes the tables take at tables_at; with tables NULL, RSDP and tables together. For a valid
 * number of CPUs.
 */
size_t acpi_tables_size(const struct acpi_tables_config *config);

/*
 * Builds them: the RSDP at the start of buf, which has size bytes and is to be copied to the
 * guest's `at`, in the area above. -EINVAL: cpus or an address out of range; -ENOSPC: a buffer is
 * too small. Boot or worker context (it writes up to 100 KiB); no lock.
 */
int acpi_tables_build(const struct acpi_tables_config *config, u8 *buf, size_t size,
		      gpa_t at) __must_check;

#endif
