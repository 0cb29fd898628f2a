/*
 * Which boot modules a manifest names, for a loader that has to find them itself. Needs nothing but
 * string.h; hv/manifest.c is the parser that says what is wrong.
 */
#ifndef NEAP_BOOT_EFI_MANIFEST_NAMES_H
#define NEAP_BOOT_EFI_MANIFEST_NAMES_H

#include "boot/boot_info.h"

#define MANIFEST_MODULE_NAME "manifest"

/* The manifest is a module, too. */
#define MANIFEST_NAMES_MAX (BOOT_MAX_MODULES - 1)

struct manifest_names {
	unsigned count;
	bool more; /* than MANIFEST_NAMES_MAX */
	char name[MANIFEST_NAMES_MAX][BOOT_NAME_MAX];
};

/*
 * Fills out with the first word of each kernel, initrd and module line in n bytes of text (not
 * trusted), each once, in the text's order. What is no name of a module, or is too long for one, is
 * skipped, and so is the manifest's own.
 */
void manifest_names_scan(const char *text, size_t n, struct manifest_names *out);

#endif
