/*
 * Loading a kernel by the Multiboot Specification, version 0.6.96 (multiboot 1). Private to
 * hv/load.
 */
#ifndef NEAP_HV_LOAD_MULTIBOOT_H
#define NEAP_HV_LOAD_MULTIBOOT_H

#include "hv/load/job.h"

#define MULTIBOOT_MAGIC	       0x1badb002
#define MULTIBOOT_LOADER_MAGIC 0x2badb002 /* in EAX at the entry */
#define MULTIBOOT_SEARCH       8192	  /* the header is within so many bytes */

/* Flags of the header; of the lower 16 a loader must know every one that is set. */
#define MULTIBOOT_PAGE_ALIGN 0x00000001
#define MULTIBOOT_MEMORY     0x00000002
#define MULTIBOOT_VIDEO	     0x00000004
#define MULTIBOOT_KNOWN	     0x00000007
#define MULTIBOOT_REQUIRED   0x0000ffff
#define MULTIBOOT_ADDRESSES  0x00010000 /* the header says where to load; no ELF */

struct multiboot_header {
	u32 offset; /* in the file */
	u32 flags;
	/* With MULTIBOOT_ADDRESSES; physical. */
	u32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* Finds the header; false when there is none. */
bool multiboot_find_header(const struct load_source *kernel, struct multiboot_header *out);

/* load_guest() for a kernel with that header. Errors as there. */
int multiboot_load(struct load_job *job, const struct multiboot_header *header,
		   struct start_state *out) __must_check;

#endif
