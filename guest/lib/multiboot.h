/* What the multiboot 1 loader handed over (Multiboot Specification 0.6.96, section 3.3). */
#ifndef GUEST_MULTIBOOT_H
#define GUEST_MULTIBOOT_H

#include <stdbool.h>
#include <stdint.h>

#define MULTIBOOT_LOADED  0x2badb002 /* in eax at the entry */
#define MULTIBOOT_MEMORY  (1u << 0)  /* bits of multiboot_info.flags */
#define MULTIBOOT_CMDLINE (1u << 2)
#define MULTIBOOT_MODULES (1u << 3)
#define MULTIBOOT_MMAP	  (1u << 6)

#define MULTIBOOT_AVAILABLE 1 /* multiboot_mmap.type */

struct multiboot_info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper; /* KiB, from 0 and from 1 MiB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
};

struct multiboot_module {
	uint32_t start, end, string, reserved; /* end: first byte behind it */
};

struct multiboot_mmap {
	uint32_t size; /* of the rest of the entry */
	uint64_t addr, len;
	uint32_t type;
} __attribute__((packed));

extern const struct multiboot_info *multiboot_info;

/* Takes over INFO. False if MAGIC is not MULTIBOOT_LOADED. */
bool multiboot_init(uint32_t magic, const struct multiboot_info *info);

/* The command line, "" without one. */
const char *multiboot_cmdline(void);

/* Module INDEX, NULL behind the last. */
const struct multiboot_module *multiboot_module(unsigned int index);

/* The module's string, "" without one. */
const char *multiboot_module_string(const struct multiboot_module *module);

/*
 * The memory map's entry behind ENTRY, the first for NULL; NULL behind the last. A loader that
 * gives only mem_upper makes a map of one entry.
 */
const struct multiboot_mmap *multiboot_mmap_next(const struct multiboot_mmap *entry);

/* End of the highest available memory that begins below LIMIT; 0 if there is none. */
uint64_t multiboot_ram_end(uint64_t limit);

#endif
