/*
 * Reads what a multiboot2 loader left (Multiboot2 Specification 2.0, chapter 3.6) into struct
 * boot_info.
 */
#ifndef NEAP_BOOT_MULTIBOOT2_H
#define NEAP_BOOT_MULTIBOOT2_H

#include "boot/boot_info.h"

/* What the loader leaves in EAX. */
#define MULTIBOOT2_MAGIC 0x36d76289u

/*
 * Parses the block at info, of which max bytes may be read and whose physical address is
 * info_phys. Fills all of out but the image's place and entry_tsc, which it leaves alone. When the
 * loader passes a copy of the ACPI root pointer, rsdp is the copy's address in the block, which
 * then is added to the regions as BOOT_RESERVED: reserved regions win over RAM below them.
 * What does not fit or makes no sense is left out with a warning. -EINVAL: not an intact list of
 * tags; -ENODATA: no RAM in it. Needs no heap; boot CPU, at any time.
 */
int multiboot2_parse(const void *info, size_t max, u64 info_phys,
		     struct boot_info *out) __must_check;

#endif
