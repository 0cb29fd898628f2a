/* The information a multiboot kernel is given at its entry. Private to hv/load. */
#ifndef NEAP_HV_LOAD_MULTIBOOT_INFO_H
#define NEAP_HV_LOAD_MULTIBOOT_INFO_H

#include "hv/load/elf32.h"

struct multiboot_modules {
	unsigned count;
	u32 start[VM_MODULE_MAX], end[VM_MODULE_MAX]; /* guest-physical, the end exclusive */
};

/* Flags of the information: which of its fields are valid. */
#define MBI_MEMORY	0x001
#define MBI_CMDLINE	0x004
#define MBI_MODULES	0x008
#define MBI_ELF		0x020
#define MBI_MMAP	0x040
#define MBI_LOADER_NAME 0x200

/* Offsets of its fields, 32-bit each. */
#define MBI_FLAGS	 0
#define MBI_MEM_LOWER	 4 /* KiB */
#define MBI_MEM_UPPER	 8 /* KiB */
#define MBI_CMDLINE_ADDR 16
#define MBI_MODS_COUNT	 20
#define MBI_MODS_ADDR	 24
#define MBI_ELF_NUM	 28
#define MBI_ELF_SIZE	 32
#define MBI_ELF_ADDR	 36
#define MBI_ELF_SHNDX	 40
#define MBI_MMAP_LENGTH	 44
#define MBI_MMAP_ADDR	 48
#define MBI_NAME_ADDR	 64
#define MBI_SIZE	 116

#define MBI_MMAP_ENTRY 24 /* the size field, which does not count itself, and 20 bytes */
#define MBI_MODULE     16

/*
 * Builds the information, what it points to, and a GDT in one block of guest memory that nothing
 * else uses; sets EBX and the GDT in out. The information has memory sizes, command line, modules,
 * ELF sections if there are, memory map and loader name; no boot device, drives, BIOS configuration
 * table, APM, VBE or frame buffer, which the VM has not. Errors (logged) as load_guest().
 */
int multiboot_write_info(struct load_job *job, const struct elf32_sections *sections,
			 const struct multiboot_modules *mods,
			 struct start_state *out) __must_check;

#endif
