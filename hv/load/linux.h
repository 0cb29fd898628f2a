/* Loading a Linux kernel by its 64-bit boot protocol. Private to hv/load. */
#ifndef NEAP_HV_LOAD_LINUX_H
#define NEAP_HV_LOAD_LINUX_H

#include "hv/load/job.h"

/*
 * Where the loader's own tables go, all in the RAM below the EBDA, which neither a kernel nor an
 * initrd is loaded to. Linux copies or replaces each of them before it uses that memory.
 */
#define LINUX_ZERO_PAGE_AT 0x10000
#define LINUX_GDT_AT	   0x11000
#define LINUX_CMDLINE_AT   0x12000
#define LINUX_PAGING_AT	   0x20000

/* Fields of the zero page that are not in the setup header. */
#define LINUX_ZP_RSDP	      0x070
#define LINUX_ZP_E820_COUNT   0x1e8
#define LINUX_ZP_E820	      0x2d0
#define LINUX_ZP_E820_ENTRY   20
#define LINUX_ZP_LOADER_OTHER 0xff /* type_of_loader: none of the registered ones */

/* load_guest() for an image that linux_is_image() accepts. Errors as there. */
int linux_load(struct load_job *job, struct start_state *out) __must_check;

#endif
