#include "hv/load/memmap.h"

#include <errno.h>
#include <string.h>

#include "core/panic.h"
#include "hv/config.h"

_Static_assert(VM_MIN_MEMORY >= MIB, "the tables below 1 MiB need RAM behind them");
_Static_assert(MEMMAP_ACPI_MIN > MIB + MEMMAP_ACPI_SIZE, "RAM above 1 MiB is left");
_Static_assert(MEMMAP_LOW_MAX < MEMMAP_HIGH_BASE, "devices need room below 4 GiB");
_Static_assert(MEMMAP_HIGH_BASE <= UINT64_MAX - VM_MAX_MEMORY, "the top address must not wrap");

static void add_entry(struct guest_memmap *map, u64 base, u64 end, enum memmap_type type)
{
	if (base == end)
		return;
	ASSERT(base < end && map->count < MEMMAP_ENTRY_MAX);
	map->entry[map->count++] = (struct memmap_entry){ base, end - base, type };
}

static void add_ram(struct guest_memmap *map, u64 base, u64 end)
{
	if (base == end)
		return;
	ASSERT(base < end && map->ram_count < MEMMAP_RAM_MAX);
	map->ram[map->ram_count++] = (struct memmap_area){ GPA(base), end - base };
}

/* Returns where usable RAM below 4 GiB ends. */
static u64 place_acpi(struct guest_memmap *map, u64 memory)
{
	u64 tables = MEMMAP_BIOS_BASE + PAGE_SIZE;

	map->acpi_rsdp_area = (struct memmap_area){ GPA(MEMMAP_BIOS_BASE), PAGE_SIZE };
	map->rsdp = map->acpi_rsdp_area.base;
	if (memory < MEMMAP_ACPI_MIN) {
		map->acpi_table_area = (struct memmap_area){ GPA(tables), MIB - tables };
		return map->low_end;
	}
	tables = map->low_end - MEMMAP_ACPI_SIZE;
	map->acpi_table_area = (struct memmap_area){ GPA(tables), MEMMAP_ACPI_SIZE };
	return tables;
}

int guest_memmap_init(struct guest_memmap *map, u64 memory)
{
	u64 usable, high;

	if (memory < VM_MIN_MEMORY || memory > VM_MAX_MEMORY || !IS_ALIGNED(memory, PAGE_SIZE))
		return -EINVAL;

	memset(map, 0, sizeof(*map));
	map->low_end = MIN(memory, MEMMAP_LOW_MAX);
	high = memory - map->low_end;
	usable = place_acpi(map, memory);

	add_entry(map, 0, MEMMAP_EBDA_BASE, MEMMAP_RAM);
	add_entry(map, MEMMAP_EBDA_BASE, MEMMAP_VGA_BASE, MEMMAP_RESERVED);
	add_entry(map, MEMMAP_BIOS_BASE, MIB, MEMMAP_RESERVED);
	add_entry(map, MIB, usable, MEMMAP_RAM);
	add_entry(map, usable, map->low_end, MEMMAP_ACPI);
	add_entry(map, MEMMAP_HIGH_BASE, MEMMAP_HIGH_BASE + high, MEMMAP_RAM);

	add_ram(map, 0, MEMMAP_VGA_BASE);
	add_ram(map, MEMMAP_BIOS_BASE, map->low_end);
	add_ram(map, MEMMAP_HIGH_BASE, MEMMAP_HIGH_BASE + high);
	return 0;
}
