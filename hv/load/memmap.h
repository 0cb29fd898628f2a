/*
 * The guest's physical address space: where its RAM is and what the memory map it is given says.
 * The same for every guest with that much memory, whatever its kernel.
 *
 *   0         - 0x9fc00     RAM
 *   0x9fc00   - 0xa0000     reserved, the place of the BIOS's extended data area; RAM behind it
 *   0xa0000   - 0xe0000     nothing (display memory and option ROMs of a PC)
 *   0xe0000   - 1 MiB       reserved, RAM behind it: RSDP and other tables found by search
 *   1 MiB     - low_end     RAM; the top MEMMAP_ACPI_SIZE of it holds the ACPI tables
 *   low_end   - 4 GiB       nothing: devices
 *   4 GiB     -             what memory did not fit below MEMMAP_LOW_MAX
 *
 * Addresses count as memory from 0 on, so the 256 KiB at 0xa0000 are lost as they are on a PC.
 * With less than MEMMAP_ACPI_MIN memory the tables go behind the RSDP, below 1 MiB.
 */
#ifndef NEAP_HV_LOAD_MEMMAP_H
#define NEAP_HV_LOAD_MEMMAP_H

#include "core/types.h"

#define MEMMAP_EBDA_BASE 0x9fc00ull
#define MEMMAP_VGA_BASE	 0xa0000ull
#define MEMMAP_BIOS_BASE 0xe0000ull
#define MEMMAP_LOW_MAX	 (3 * GIB) /* RAM below 4 GiB ends here at the latest */
#define MEMMAP_HIGH_BASE (4 * GIB)
#define MEMMAP_ACPI_SIZE (1 * MIB)  /* for ACPI tables, at the top of low RAM */
#define MEMMAP_ACPI_MIN	 (16 * MIB) /* smallest memory of which that much is taken */
#define MEMMAP_ENTRY_MAX 6
#define MEMMAP_RAM_MAX	 3

/* The numbers are those of both E820 (ACPI 6.4 15.3) and multiboot memory maps. */
enum memmap_type {
	MEMMAP_RAM = 1,
	MEMMAP_RESERVED = 2,
	MEMMAP_ACPI = 3, /* tables; the guest may use it as RAM once it has read them */
};

struct memmap_entry {
	u64 base, size; /* bytes */
	enum memmap_type type;
};

struct memmap_area {
	gpa_t base;
	u64 size; /* bytes */
};

struct guest_memmap {
	u64 low_end; /* first address above the RAM below 4 GiB */
	/* What the guest is told: in order of address, disjoint. */
	unsigned count;
	struct memmap_entry entry[MEMMAP_ENTRY_MAX];
	/* What must have RAM behind it: whole pages, in order, disjoint. */
	unsigned ram_count;
	struct memmap_area ram[MEMMAP_RAM_MAX];
	/* Free for whoever builds the ACPI tables, both RAM-backed and page-aligned. */
	struct memmap_area acpi_rsdp_area, acpi_table_area;
	gpa_t rsdp; /* the RSDP's address for loaders to pass on; 0: none */
};

/*
 * Lays out `memory` bytes; rsdp is set to the start of acpi_rsdp_area. -EINVAL when memory is not
 * a multiple of PAGE_SIZE or not within VM_MIN_MEMORY to VM_MAX_MEMORY. Any context.
 */
int guest_memmap_init(struct guest_memmap *map, u64 memory) __must_check;

#endif
