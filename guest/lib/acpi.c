#include <string.h>
#include "acpi.h"

#define RSDP_START 0xe0000ul /* ACPI 6.4, 5.2.5.1: without EFI it is here, */
#define RSDP_END   0x100000ul
#define RSDP_STEP  16 /* at multiples of this */

#define ENTRY_LAPIC    0 /* MADT: ACPI 6.4, table 5.21 */
#define ENTRY_OVERRIDE 2
#define ENTRY_X2APIC   9
#define CPU_ENABLED    1u

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
} __attribute__((packed));

struct madt {
	struct acpi_table head;
	uint32_t lapic, flags;
	uint8_t entries[];
};

static const struct rsdp *acpi_rsdp(void)
{
	uintptr_t a;

	for (a = RSDP_START; a < RSDP_END; a += RSDP_STEP)
		if (!memcmp((const void *)a, "RSD PTR ", 8))
			return (const struct rsdp *)a;
	return NULL;
}

/* Entry INDEX of a root table whose entries have SIZE bytes. */
static const struct acpi_table *acpi_entry(const struct acpi_table *root, size_t size, size_t index)
{
	uint64_t address = 0;

	if (sizeof(*root) + (index + 1) * size > root->length)
		return NULL;
	memcpy(&address, (const char *)(root + 1) + index * size, size);
	return (const struct acpi_table *)(uintptr_t)address;
}

const struct acpi_table *acpi_find(const char *signature)
{
	const struct rsdp *rsdp = acpi_rsdp();
	const struct acpi_table *root, *table;
	size_t i, size;

	if (!rsdp)
		return NULL;
	size = rsdp->revision >= 2 ? 8 : 4;
	root = (const struct acpi_table *)(uintptr_t)(size == 8 ? rsdp->xsdt : rsdp->rsdt);
	for (i = 0; (table = acpi_entry(root, size, i)); i++)
		if (!memcmp(table->signature, signature, 4))
			return table;
	return NULL;
}

/* The MADT's entry behind ENTRY, the first for NULL; NULL behind the last. */
static const uint8_t *acpi_madt_next(const uint8_t *entry)
{
	const struct madt *madt = (const struct madt *)(const void *)acpi_find("APIC");
	const uint8_t *end = (const uint8_t *)madt + (madt ? madt->head.length : 0);

	if (!madt)
		return NULL;
	entry = entry ? entry + entry[1] : madt->entries;
	return entry + 2 <= end && entry[1] >= 2 && entry + entry[1] <= end ? entry : NULL;
}

static uint32_t acpi_word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

unsigned int acpi_cpus(uint32_t *ids, unsigned int max)
{
	const uint8_t *e = NULL;
	unsigned int n = 0;

	while ((e = acpi_madt_next(e))) {
		uint32_t id, flags;

		if (e[0] == ENTRY_LAPIC) {
			id = e[3];
			flags = acpi_word(e + 4);
		} else if (e[0] == ENTRY_X2APIC) {
			id = acpi_word(e + 4);
			flags = acpi_word(e + 8);
		} else {
			continue;
		}
		if (!(flags & CPU_ENABLED))
			continue;
		if (n < max)
			ids[n] = id;
		n++;
	}
	return n;
}

unsigned int acpi_irq_pin(unsigned int irq)
{
	const uint8_t *e = NULL;

	while ((e = acpi_madt_next(e)))
		if (e[0] == ENTRY_OVERRIDE && e[2] == 0 && e[3] == irq)
			return acpi_word(e + 4);
	return irq;
}
