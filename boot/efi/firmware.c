#include "boot/efi/firmware.h"

#include <string.h>

#include "boot/efi/console.h"
#include "boot/efi/memory_map.h"

/* What the map may grow by, through our own allocations and the firmware's events. */
#define MAP_SPARE_ENTRIES 32
#define EXIT_TRIES	  8
#define LIMIT_4G	  (4 * GIB)

_Static_assert(sizeof(struct efi_memory) == sizeof(EFI_MEMORY_DESCRIPTOR), "the same structure");
_Static_assert(offsetof(struct efi_memory, pages) == offsetof(EFI_MEMORY_DESCRIPTOR, NumberOfPages),
	       "the same structure");
_Static_assert(EXIT_TRIES >= 2, "the first try may come to nothing");

struct map {
	EFI_MEMORY_DESCRIPTOR *entry;
	UINTN room, size, stride, key; /* room, size and stride in bytes */
};

static const EFI_GUID acpi_20_guid = ACPI_20_TABLE_GUID;
static const EFI_GUID acpi_10_guid = ACPI_TABLE_GUID;

static hpa_t find_table(const EFI_GUID *guid)
{
	for (UINTN i = 0; i < efi_system->NumberOfTableEntries; i++) {
		const EFI_CONFIGURATION_TABLE *t = &efi_system->ConfigurationTable[i];

		if (memcmp(&t->VendorGuid, guid, sizeof(*guid)) == 0)
			return HPA((u64)t->VendorTable);
	}
	return HPA(0);
}

hpa_t firmware_rsdp(void)
{
	hpa_t rsdp = find_table(&acpi_20_guid);

	return rsdp.v ? rsdp : find_table(&acpi_10_guid);
}

static EFI_STATUS get_map(struct map *m)
{
	UINT32 version;

	m->size = m->room;
	return efi_system->BootServices->GetMemoryMap(&m->size, m->entry, &m->key, &m->stride,
						      &version);
}

/* A buffer that the map fits in, with what the allocation of the buffer itself adds to it. */
static EFI_STATUS alloc_map(struct map *m)
{
	EFI_STATUS status;

	memset(m, 0, sizeof(*m));
	status = get_map(m);
	if (status != EFI_BUFFER_TOO_SMALL)
		return EFI_ERROR(status) ? status : EFI_DEVICE_ERROR;
	m->room = m->size + MAP_SPARE_ENTRIES * m->stride;
	return efi_system->BootServices->AllocatePool(EfiLoaderData, m->room, (void **)&m->entry);
}

u64 firmware_find_memory(u64 size, u64 align, u64 min)
{
	struct map m;
	u64 at = 0;

	if (EFI_ERROR(alloc_map(&m)))
		return 0;
	if (!EFI_ERROR(get_map(&m)))
		at = memory_map_find(m.entry, m.size / m.stride, m.stride, size, align, min,
				     LIMIT_4G);
	(void)efi_system->BootServices->FreePool(m.entry);
	return at;
}

static void use_map(const struct map *m, struct boot_info *info)
{
	memory_map_sort(m->entry, m->size / m->stride, m->stride);
	memory_map_to_regions(m->entry, m->size / m->stride, m->stride, info);
}

/* While it still can be said: a map with more regions than there is room for. */
static EFI_STATUS rehearse(struct map *m, struct boot_info *info)
{
	EFI_STATUS status = alloc_map(m);

	if (!EFI_ERROR(status))
		status = get_map(m);
	if (EFI_ERROR(status))
		log_error("memory map: %s", efi_status_text(status));
	else
		use_map(m, info);
	return status;
}

EFI_STATUS firmware_exit(struct boot_info *info)
{
	struct map m;
	EFI_STATUS status = rehearse(&m, info);

	if (EFI_ERROR(status))
		return status;
	console_silence();
	/* The map is stale, and the try fails, when some event changed it meanwhile. */
	for (unsigned i = 0; i < EXIT_TRIES; i++) {
		status = get_map(&m);
		if (EFI_ERROR(status))
			return status;
		status = efi_system->BootServices->ExitBootServices(efi_image, m.key);
		if (!EFI_ERROR(status)) {
			use_map(&m, info);
			return EFI_SUCCESS;
		}
	}
	return status;
}
