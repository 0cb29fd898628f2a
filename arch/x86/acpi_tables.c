/* From the root pointer to the list of tables. */
#include <errno.h>

#include "arch/x86/acpi_parse.h"
#include "core/log.h"
#include "mm/phys.h"

#define RSDP_SIZE_V1  20
#define RSDP_SIZE_V2  36
#define RSDP_MAX_SIZE 4096
#define PHYS_BITS_MAX 52

_Static_assert(ACPI_MAX_TABLES >= 64 && ACPI_MAX_TABLES <= 1024, "large servers have about 60");
_Static_assert(ACPI_TABLE_MAX_SIZE < UINT32_MAX, "lengths are 32-bit");

struct table {
	const u8 *data;
	u32 size;
};

static struct table tables[ACPI_MAX_TABLES];
static unsigned table_count;

u8 acpi_sum(const u8 *p, size_t n)
{
	u8 sum = 0;

	while (n--)
		sum += *p++;
	return sum;
}

static const u8 *map(u64 address, u64 size)
{
	if (!address || address >= BIT(PHYS_BITS_MAX) || size > BIT(PHYS_BITS_MAX) - address)
		return NULL;
	return phys_map_table(HPA(address), size);
}

/* Maps a whole table and checks its sum. NULL, with a warning, when it is damaged. */
static const u8 *table_map(u64 address, u32 *size)
{
	const u8 *t = map(address, ACPI_HEADER_SIZE);
	char name[5] = "";
	u32 n;

	if (!t) {
		log_warn("acpi: no table can be at 0x%lx, ignored", address);
		return NULL;
	}
	memcpy(name, t, 4);
	n = get_le32(t + 4);
	if (n < ACPI_HEADER_SIZE || n > ACPI_TABLE_MAX_SIZE) {
		log_warn("acpi: table %s at 0x%lx has length %u, ignored", name, address, n);
		return NULL;
	}
	t = map(address, n);
	if (!t) {
		log_warn("acpi: table %s at 0x%lx cannot be mapped, ignored", name, address);
		return NULL;
	}
	if (acpi_sum(t, n)) {
		log_warn("acpi: table %s at 0x%lx has a wrong checksum, ignored", name, address);
		return NULL;
	}
	*size = n;
	return t;
}

static void table_append(const u8 *t, u32 size)
{
	if (table_count == ACPI_MAX_TABLES) {
		log_warn("acpi: more than %u tables, %.4s ignored", ACPI_MAX_TABLES,
			 (const char *)t);
		return;
	}
	tables[table_count++] = (struct table){ t, size };
}

bool acpi_tables_add(u64 address, const char *signature)
{
	u32 size;
	const u8 *t = table_map(address, &size);

	if (!t)
		return false;
	if (memcmp(t, signature, 4)) {
		log_warn("acpi: no %s at 0x%lx, ignored", signature, address);
		return false;
	}
	table_append(t, size);
	return true;
}

/* RSDT and XSDT (5.2.7, 5.2.8): the header, then addresses of 4 or 8 bytes. */
static bool root_walk(u64 address, const char *signature, unsigned entry_size)
{
	u32 size, entry;
	const u8 *root = table_map(address, &size), *t;

	if (!root)
		return false;
	if (memcmp(root, signature, 4)) {
		log_warn("acpi: no %s at 0x%lx", signature, address);
		return false;
	}
	for (u32 at = ACPI_HEADER_SIZE; size - at >= entry_size; at += entry_size) {
		u64 a = entry_size == 8 ? get_le64(root + at) : get_le32(root + at);

		if (!a)
			continue;
		if (table_count == ACPI_MAX_TABLES) {
			log_warn("acpi: more than %u tables, the rest ignored", ACPI_MAX_TABLES);
			break;
		}
		t = table_map(a, &entry);
		if (t)
			table_append(t, entry);
	}
	return true;
}

static bool rsdp_is_valid(const u8 *p)
{
	return !memcmp(p, "RSD PTR ", 8) && !acpi_sum(p, RSDP_SIZE_V1);
}

/* 5.2.5.1: on 16-byte boundaries. */
static u64 rsdp_scan(u64 base, u64 size)
{
	const u8 *p = map(base, size);

	for (u64 at = 0; p && size - at >= RSDP_SIZE_V1; at += 16) {
		if (rsdp_is_valid(p + at))
			return base + at;
	}
	return 0;
}

/* 5.2.5.1: the first KiB of the extended BIOS data area, then the BIOS read-only area. */
static u64 rsdp_search(void)
{
	const u8 *bda = map(0x40e, 2);
	u64 ebda = bda ? (u64)get_le16(bda) << 4 : 0, found = 0;

	if (ebda >= 0x400 && ebda <= 0xa0000 - KIB)
		found = rsdp_scan(ebda, KIB);
	return found ? found : rsdp_scan(0xe0000, 0x20000);
}

/* The XSDT's address, 0 when the pointer has none or that part of it is damaged. */
static u64 rsdp_xsdt(u64 address, const u8 *rsdp)
{
	u32 size;

	if (rsdp[15] < 2)
		return 0;
	rsdp = map(address, RSDP_SIZE_V2);
	if (!rsdp)
		return 0;
	size = get_le32(rsdp + 20);
	if (size < RSDP_SIZE_V2 || size > RSDP_MAX_SIZE)
		return 0;
	rsdp = map(address, size);
	if (!rsdp || acpi_sum(rsdp, size)) {
		log_warn("acpi: RSDP: wrong extended checksum");
		return 0;
	}
	return get_le64(rsdp + 24);
}

int acpi_tables_init(hpa_t rsdp, struct acpi_info *info)
{
	u64 address = rsdp.v ? rsdp.v : rsdp_search(), xsdt;
	const u8 *p = map(address, RSDP_SIZE_V1);

	table_count = 0;
	if (!p)
		return -ENOENT;
	if (!rsdp_is_valid(p)) {
		log_warn("acpi: no valid RSDP at 0x%lx", address);
		return -EINVAL;
	}
	info->revision = p[15];
	memcpy(info->oem_id, p + 9, 6);
	xsdt = rsdp_xsdt(address, p);
	if (!(xsdt && root_walk(xsdt, "XSDT", 8)) && !root_walk(get_le32(p + 16), "RSDT", 4))
		return -EINVAL;
	info->present = true;
	return 0;
}

const void *acpi_table_find(const char *signature, unsigned index, u32 *size)
{
	for (unsigned i = 0; i < table_count; i++) {
		if (memcmp(tables[i].data, signature, 4) || index--)
			continue;
		*size = tables[i].size;
		return tables[i].data;
	}
	return NULL;
}
