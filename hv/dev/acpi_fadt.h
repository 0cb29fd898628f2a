/* The fixed ACPI description table: what hv/dev/pm.c is, in ACPI's words. */
#ifndef NEAP_HV_DEV_ACPI_FADT_H
#define NEAP_HV_DEV_ACPI_FADT_H

#include "hv/dev/acpi_writer.h"

/* Appends the FADT; facs and dsdt are guest addresses below 4 GiB. Returns its own address. */
u64 acpi_put_fadt(struct acpi_writer *w, u64 facs, u64 dsdt);

#endif
