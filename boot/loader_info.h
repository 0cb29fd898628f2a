/* What both multiboot parsers do with what they find. */
#ifndef NEAP_BOOT_LOADER_INFO_H
#define NEAP_BOOT_LOADER_INFO_H

#include "boot/boot_info.h"

/* Empties all but the image's place and entry_tsc. */
void loader_info_clear(struct boot_info *info);

/* Copies a string that ends after n bytes at the latest. False: cut to fit into room. */
bool loader_copy_string(char *to, size_t room, const u8 *from, size_t n);

/* The command line, with a warning when it is cut. */
void loader_take_cmdline(struct boot_info *info, const u8 *from, size_t n);

/* Length of the word at s, which ends after n bytes at the latest. */
size_t loader_word_length(const u8 *s, size_t n);

/*
 * Adds a module from start up to end; its name is n bytes long. What does not fit or makes no sense
 * is left out or cut with a warning, which calls it by its number. False: the list is full.
 */
bool loader_add_module(struct boot_info *info, unsigned number, u64 start, u64 end, const u8 *name,
		       size_t n);

/* A type in a memory map, which are ACPI's in both specifications. */
enum boot_region_type loader_region_type(u32 type);

/* Whether the memory map has any RAM. */
bool loader_info_has_ram(const struct boot_info *info);

#endif
