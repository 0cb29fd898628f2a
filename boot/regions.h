/* Building the list of memory regions in struct boot_info. */
#ifndef NEAP_BOOT_REGIONS_H
#define NEAP_BOOT_REGIONS_H

#include "boot/boot_info.h"

/*
 * Adds a region, joined to the last one where it continues that. A region that wraps is cut; when
 * the list is full RAM is given up, never a reservation: the smallest region of RAM makes room for
 * one. False when something was left out (already logged).
 */
bool boot_add_region(struct boot_info *info, u64 base, u64 size, enum boot_region_type type);

/* The same for an entry of an EFI memory map. boot_services: they still run, and own memory. */
bool boot_add_efi_region(struct boot_info *info, u32 efi_type, u64 base, u64 pages,
			 bool boot_services);

#endif
