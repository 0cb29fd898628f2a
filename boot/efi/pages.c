#include "boot/efi/pages.h"

#include "boot/boot_info.h"
#include "boot/efi/efi_lib.h"

/* Modules, a command line that is only read, image and boot information, and failed attempts. */
#define RANGES_MAX (BOOT_MAX_MODULES + 16)
#define LOW_MIB	   MIB

_Static_assert(RANGES_MAX >= BOOT_MAX_MODULES + 3, "all of a full load fit");

static struct {
	EFI_PHYSICAL_ADDRESS base;
	UINTN pages;
} range[RANGES_MAX];
static unsigned range_count;

static bool allocate(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, u64 size,
		     EFI_PHYSICAL_ADDRESS *base)
{
	UINTN pages = size ? DIV_ROUND_UP(size, PAGE_SIZE) : 1;

	if (range_count == RANGES_MAX || size > UINT64_MAX - PAGE_SIZE ||
	    EFI_ERROR(efi_system->BootServices->AllocatePages(how, type, pages, base)))
		return false;
	range[range_count].base = *base;
	range[range_count++].pages = pages;
	return true;
}

u64 pages_alloc(u64 size, u64 last)
{
	EFI_PHYSICAL_ADDRESS base = last;

	if (!allocate(AllocateMaxAddress, EfiLoaderData, size, &base))
		return 0;
	return base >= LOW_MIB ? base : 0;
}

/* Firmware may forbid execution from loader data (UEFI 2.10, 4.6.4). */
bool pages_alloc_at(u64 base, u64 size)
{
	return allocate(AllocateAddress, EfiLoaderCode, size, &base);
}

void pages_free_all(void)
{
	while (range_count) {
		range_count--;
		(void)efi_system->BootServices->FreePages(range[range_count].base,
							  range[range_count].pages);
	}
}
