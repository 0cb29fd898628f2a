/* The firmware's memory map. Needs no library but boot/regions.c. */
#ifndef NEAP_BOOT_EFI_MEMORY_MAP_H
#define NEAP_BOOT_EFI_MEMORY_MAP_H

#include "boot/boot_info.h"

/* EFI_MEMORY_DESCRIPTOR (UEFI 2.10, 7.2.3); the map's entries may be longer. */
struct efi_memory {
	u32 type, pad;
	u64 base, virt, pages, attributes;
};

/* Puts count entries of stride bytes each in the order of their addresses. */
void memory_map_sort(void *map, size_t count, size_t stride);

/* Replaces info's regions by the sorted map's, as they are once the boot services have ended. */
void memory_map_to_regions(const void *map, size_t count, size_t stride, struct boot_info *info);

/*
 * The lowest multiple of align from min on at which size bytes of free memory lie below limit; 0:
 * none. The map need not be sorted.
 */
u64 memory_map_find(const void *map, size_t count, size_t stride, u64 size, u64 align, u64 min,
		    u64 limit);

#endif
