/* What the firmware's ACPI tables say of processors and interrupts (ACPI 6.4, chapter 5). */
#ifndef GUEST_ACPI_H
#define GUEST_ACPI_H

#include <stddef.h>
#include <stdint.h>

/* The head of each table. */
struct acpi_table {
	char signature[4];
	uint32_t length; /* of all of it */
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
};

/* Looks for the root pointer, then for the table with that signature; NULL without one. */
const struct acpi_table *acpi_find(const char *signature);

/*
 * The APIC ids of the processors that the MADT calls enabled, local APIC and x2APIC entries alike,
 * in its order: at most MAX into IDS. Returns how many there are; 0 without the table.
 */
unsigned int acpi_cpus(uint32_t *ids, unsigned int max);

/* The pin of the I/O APIC that an ISA interrupt is wired to: its own number unless overridden. */
unsigned int acpi_irq_pin(unsigned int irq);

#endif
