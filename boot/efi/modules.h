/* The manifest, what it names, and the command line: from a source into the boot information. */
#ifndef NEAP_BOOT_EFI_MODULES_H
#define NEAP_BOOT_EFI_MODULES_H

#include "boot/boot_info.h"
#include "boot/efi/source.h"

/*
 * Looks for a manifest in count sources in turn, and loads it and all files that it names, from its
 * directory, as info's modules. What is missing is said and left out, so EFI_SUCCESS may leave
 * none. Anything else: a file is there and cannot be read, or there is no memory; said as well.
 */
EFI_STATUS modules_load(struct source *const *source, unsigned count, struct boot_info *info);

/* The file with the command line, from the first place that has one; else info's stays as it is. */
void modules_load_cmdline(struct source *const *source, unsigned count, struct boot_info *info);

#endif
