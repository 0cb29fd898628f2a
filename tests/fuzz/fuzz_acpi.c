/*
 * The ACPI reader on made-up firmware. The first byte chooses: the input is memory as it is, from
 * the root pointer on; or a list of tables (a byte for the kind, two for the length, contents) for
 * which we build root and checksums, so that the fuzzer gets at what is inside of them.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/x86/acpi_parse.h"
#include "core/panic.h"
#include "mm/phys.h"
#include "shim.h"

#define BASE	   0x10000ull
#define MEMORY	   0x20000ull
#define ROOT_AT	   0x40
#define TABLES_AT  0x800
#define MAPPED_MAX 1024

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static u8 memory[MEMORY];
static void *mapped[MAPPED_MAX];
static unsigned mapped_count;

/* A copy of exactly that size, so that the sanitizer sees a read beyond what was asked for. */
const void *phys_map_table(hpa_t base, u64 size)
{
	void *copy;

	if (base.v < BASE || base.v - BASE > MEMORY || size > MEMORY - (base.v - BASE) || !size ||
	    mapped_count == MAPPED_MAX)
		return NULL;
	copy = malloc(size);
	ASSERT(copy);
	memcpy(copy, memory + (base.v - BASE), size);
	mapped[mapped_count++] = copy;
	return copy;
}

static void unmap_all(void)
{
	while (mapped_count)
		free(mapped[--mapped_count]);
}

static void put32(u8 *p, u32 v)
{
	memcpy(p, &v, 4);
}

static void put64(u8 *p, u64 v)
{
	memcpy(p, &v, 8);
}

static void seal(u8 *t, u32 n)
{
	t[9] = 0;
	t[9] = (u8)-acpi_sum(t, n);
}

static const char *const kinds[] = {
	"FACP", "APIC", "MCFG", "SPCR", "DBG2", "HPET", "SSDT", "DSDT"
};

/* One table from the input; returns how much of it was used. */
static size_t build_table(const u8 *data, size_t n, u8 *to, u32 *size)
{
	size_t body = MIN((size_t)(data[1] | data[2] << 8), n - 3);

	*size = ACPI_HEADER_SIZE + (u32)body;
	memset(to, 0, ACPI_HEADER_SIZE);
	memcpy(to, kinds[data[0] % ARRAY_SIZE(kinds)], 4);
	put32(to + 4, *size);
	to[8] = data[0] / ARRAY_SIZE(kinds);
	memcpy(to + ACPI_HEADER_SIZE, data + 3, body);
	return body + 3;
}

static void build(const u8 *data, size_t n)
{
	u32 at = TABLES_AT, entries = 0, size, dsdt = 0;
	u8 *root = memory + ROOT_AT;

	while (n >= 3 && entries < 200 && at + n + ACPI_HEADER_SIZE < MEMORY) {
		u8 *t = memory + at;
		size_t used = build_table(data, n, t, &size);

		if (!memcmp(t, "DSDT", 4))
			dsdt = (u32)BASE + at;
		else
			put64(root + ACPI_HEADER_SIZE + 8 * entries++, BASE + at);
		if (!memcmp(t, "FACP", 4) && size >= 148 && dsdt)
			put64(t + 140, dsdt);
		seal(t, size);
		data += used;
		n -= used;
		at += size;
	}
	memcpy(root, "XSDT", 4);
	put32(root + 4, ACPI_HEADER_SIZE + 8 * entries);
	seal(root, ACPI_HEADER_SIZE + 8 * entries);
	memcpy(memory, "RSD PTR ", 8);
	memory[15] = 2;
	put32(memory + 20, 36);
	put64(memory + 24, BASE + ROOT_AT);
	memory[8] = (u8)-acpi_sum(memory, 20);
	memory[32] = (u8)-acpi_sum(memory, 36);
}

static void check(void)
{
	const struct acpi_info *i = &acpi_info;

	ASSERT(i->madt.cpu_count <= ACPI_MAX_CPUS && i->madt.ioapic_count <= ACPI_MAX_IOAPICS);
	ASSERT(i->madt.override_count <= ACPI_MAX_OVERRIDES);
	ASSERT(i->madt.nmi_count <= ACPI_MAX_LAPIC_NMIS && i->segment_count <= ACPI_MAX_SEGMENTS);
	ASSERT(!i->has_s5 || (i->s5_type_a <= 7 && i->s5_type_b <= 7));
	for (unsigned n = 0; n < i->madt.override_count; n++)
		ASSERT(i->madt.override[n].isa_irq < 16);
	ASSERT(!i->serial.present || i->serial.regs.address);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	if (!n)
		return 0;
	memset(memory, 0, sizeof(memory));
	shim_log_reset();
	if (data[0] & 1)
		build(data + 1, n - 1);
	else
		memcpy(memory, data + 1, MIN(n - 1, MEMORY));
	if (acpi_init(HPA(BASE)) == 0)
		acpi_print();
	check();
	unmap_all();
	return 0;
}
