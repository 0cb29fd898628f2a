/* The hypervisor's ELF file, put where it is to run. Needs nothing but string.h. */
#ifndef NEAP_BOOT_EFI_ELF_IMAGE_H
#define NEAP_BOOT_EFI_ELF_IMAGE_H

#include "core/types.h"

/* Where the file's segments want to be, in physical addresses. */
struct elf_span {
	u64 base, size; /* bytes; bss included */
};

/*
 * Looks at all headers. -ENOEXEC: not a 64-bit x86 executable with loadable segments, or one that
 * goes beyond the file or wraps.
 */
int elf_image_span(const u8 *elf, size_t n, struct elf_span *out) __must_check;

/* Copies the segments of a file that elf_image_span() liked to span->size bytes at to; the rest of
 * these becomes zero. */
void elf_image_copy(const u8 *elf, const struct elf_span *span, u8 *to);

#endif
