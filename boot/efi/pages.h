/*
 * Memory that the hypervisor is to find: image, modules, boot information. All of it is the
 * loader's (UEFI 2.10, 7.2.3), so RAM once the boot services have ended; the hypervisor takes the
 * image and the modules out of that.
 */
#ifndef NEAP_BOOT_EFI_PAGES_H
#define NEAP_BOOT_EFI_PAGES_H

#include "core/types.h"

#define PAGES_BELOW_4G 0xffffffffull
#define PAGES_ANYWHERE UINT64_MAX

/*
 * Whole pages for size bytes (0 is one page), none of them above the address last; 0: none left.
 * Never below 1 MiB, where the hypervisor starts the other processors.
 */
u64 pages_alloc(u64 size, u64 last) __must_check;

/* Those at this place, for code; false when they are not free. */
bool pages_alloc_at(u64 base, u64 size) __must_check;

/* Gives back all that was allocated: we return to the firmware. */
void pages_free_all(void);

#endif
