#include "boot/regions.h"

#include "core/log.h"

_Static_assert(BOOT_MAX_REGIONS >= 64, "EFI maps have a hundred entries before joining");

/* UEFI Specification 2.10, 7.2.3: EFI_MEMORY_TYPE. */
enum efi_type {
	EFI_LOADER_CODE = 1,
	EFI_LOADER_DATA = 2,
	EFI_BOOT_CODE = 3,
	EFI_BOOT_DATA = 4,
	EFI_CONVENTIONAL = 7,
	EFI_UNUSABLE = 8,
	EFI_ACPI_RECLAIM = 9,
	EFI_ACPI_NVS = 10,
};

static struct boot_region *smallest_ram(struct boot_info *info)
{
	struct boot_region *best = NULL;

	for (unsigned i = 0; i < info->region_count; i++) {
		struct boot_region *r = &info->region[i];

		if (r->type == BOOT_RAM && (!best || r->size < best->size))
			best = r;
	}
	return best;
}

static bool join_last(struct boot_info *info, u64 base, u64 size, enum boot_region_type type)
{
	struct boot_region *last;

	if (!info->region_count)
		return false;
	last = &info->region[info->region_count - 1];
	if (last->type != type || last->base + last->size != base)
		return false;
	last->size += size;
	return true;
}

bool boot_add_region(struct boot_info *info, u64 base, u64 size, enum boot_region_type type)
{
	struct boot_region *place;

	/* So that the end, base + size, can be computed everywhere. */
	if (size > UINT64_MAX - base)
		size = UINT64_MAX - base;
	if (!size || join_last(info, base, size, type))
		return true;
	if (info->region_count < BOOT_MAX_REGIONS) {
		info->region[info->region_count++] = (struct boot_region){ base, size, type };
		return true;
	}
	place = type == BOOT_RAM ? NULL : smallest_ram(info);
	log_warn("boot: more than %u memory regions, %s at 0x%lx left out", BOOT_MAX_REGIONS,
		 place ? "RAM" : "one", place ? place->base : base);
	if (place)
		*place = (struct boot_region){ base, size, type };
	return false;
}

static enum boot_region_type efi_region_type(u32 type, bool boot_services)
{
	switch (type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_CONVENTIONAL:
		return BOOT_RAM;
	case EFI_BOOT_CODE:
	case EFI_BOOT_DATA:
		return boot_services ? BOOT_RESERVED : BOOT_RAM;
	case EFI_UNUSABLE:
		return BOOT_BAD;
	case EFI_ACPI_RECLAIM:
		return BOOT_ACPI_RECLAIM;
	case EFI_ACPI_NVS:
		return BOOT_ACPI_NVS;
	default:
		return BOOT_RESERVED;
	}
}

bool boot_add_efi_region(struct boot_info *info, u32 efi_type, u64 base, u64 pages,
			 bool boot_services)
{
	u64 size = pages > UINT64_MAX >> PAGE_SHIFT ? UINT64_MAX : pages << PAGE_SHIFT;

	return boot_add_region(info, base, size, efi_region_type(efi_type, boot_services));
}
