/* The multiple APIC description table: processors, the I/O APIC, and how ISA's IRQs reach it. */
#ifndef NEAP_HV_DEV_ACPI_MADT_H
#define NEAP_HV_DEV_ACPI_MADT_H

#include "hv/dev/acpi_writer.h"

/* Appends the MADT for CPUs with APIC ids 0 to cpus - 1. Returns its guest address. */
u64 acpi_put_madt(struct acpi_writer *w, unsigned cpus, u8 ioapic_id);

#endif
