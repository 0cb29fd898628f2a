/*
 * Reads what a loader of the first multiboot left (Multiboot Specification 0.6.96, chapter 3.3)
 * into struct boot_info. iPXE is one, and QEMU's -kernel.
 */
#ifndef NEAP_BOOT_MULTIBOOT1_H
#define NEAP_BOOT_MULTIBOOT1_H

#include "boot/boot_info.h"

/* What the loader leaves in EAX. */
#define MULTIBOOT1_MAGIC 0x2badb002u

#define MULTIBOOT1_MMAP_MAX   (16 * KIB) /* bytes of memory map that are looked at */
#define MULTIBOOT1_STRING_MAX (4 * KIB)	 /* bytes of a string that are looked at */

/*
 * Parses the information at physical address info; physical memory from 0 to size, below which all
 * of it must be, is at memory. Fills all of out but the image's place and entry_tsc, which it
 * leaves alone; there is never an rsdp. What does not fit or makes no sense is left out with a
 * warning. -EINVAL: the information is not in that memory; -ENODATA: no RAM in it. Needs no heap;
 * boot CPU, before anything is allocated.
 *
 * A module's name is the last part of the path that its string begins with, for that is what iPXE
 * and QEMU put there; or the second word's, when that is name=NAME. The command line begins with
 * the path of the hypervisor, but for GRUB 2, and is without it in out.
 */
int multiboot1_parse(const u8 *memory, u64 size, u32 info, struct boot_info *out) __must_check;

#endif
