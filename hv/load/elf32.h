/* 32-bit x86 ELF files (System V ABI, chapters 4 and 5). Private to hv/load. */
#ifndef NEAP_HV_LOAD_ELF32_H
#define NEAP_HV_LOAD_ELF32_H

#include "hv/load/job.h"

#define ELF_MAGIC     0x464c457f /* 0x7f "ELF" */
#define ELF_CLASS     4
#define ELF_CLASS32   1
#define ELF_CLASS64   2
#define ELF_IDENT_END 16

/* File header: offsets of 16-bit fields but where it says 32. */
#define ELF32_TYPE	0x10
#define ELF32_MACHINE	0x12
#define ELF32_ENTRY	0x18 /* 32 */
#define ELF32_PHOFF	0x1c /* 32 */
#define ELF32_SHOFF	0x20 /* 32 */
#define ELF32_PHENTSIZE 0x2a
#define ELF32_PHNUM	0x2c
#define ELF32_SHENTSIZE 0x2e
#define ELF32_SHNUM	0x30
#define ELF32_SHSTRNDX	0x32
#define ELF32_HEADER	0x34
#define ELF_TYPE_EXEC	2
#define ELF_MACHINE_386 3

/* Program header, all 32-bit. */
#define ELF32_P_TYPE   0x00
#define ELF32_P_OFFSET 0x04
#define ELF32_P_VADDR  0x08
#define ELF32_P_PADDR  0x0c
#define ELF32_P_FILESZ 0x10
#define ELF32_P_MEMSZ  0x14
#define ELF32_PHDR     0x20
#define ELF_PT_LOAD    1

/* Section header, all 32-bit. */
#define ELF32_S_TYPE   0x04
#define ELF32_S_FLAGS  0x08
#define ELF32_S_ADDR   0x0c
#define ELF32_S_OFFSET 0x10
#define ELF32_S_SIZE   0x14
#define ELF32_SHDR     0x28
#define ELF_SHT_NULL   0
#define ELF_SHT_NOBITS 8
#define ELF_SHF_ALLOC  2

/* The section headers as loaded, for the guest; num 0: none. */
struct elf32_sections {
	u32 num, entry_size, addr, names_index;
};

/* Whether it begins as an ELF file does, of whatever class. */
bool elf_is_file(const struct load_source *src);

/*
 * Copies the kernel's segments to their physical addresses, zeroes what the file leaves open, and
 * gives the physical entry address. Errors (logged) as load_guest().
 */
int elf32_load_segments(struct load_job *job, u32 *entry) __must_check;

/*
 * Loads the section headers and those sections no segment holds: symbols and strings; their
 * addresses are put into the copies of the headers. Without (usable) ones num is 0, with a warning
 * where the file is at fault or memory short. After the segments. -EFAULT, -ENOMEM as load_guest().
 */
int elf32_load_sections(struct load_job *job, struct elf32_sections *out) __must_check;

#endif
