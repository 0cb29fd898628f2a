/* Descriptor and page tables in guest memory, for the state a guest starts in. */
#ifndef NEAP_HV_LOAD_TABLES_H
#define NEAP_HV_LOAD_TABLES_H

#include "core/types.h"
#include "hv/start_state.h"

struct vm;

#define START_GDT_SIZE 32 /* null, unused, START_CS, START_DS */

/* One PML4, one page-directory-pointer table and a directory for each GiB of the first four. */
#define START_PAGING_SIZE (6 * PAGE_SIZE)

/* The table for that mode as bytes, for a loader that puts it into a larger block. */
void start_gdt_fill(u8 gdt[START_GDT_SIZE], enum start_mode mode);

/*
 * Writes page tables that map the first 4 GiB to themselves with 2 MiB pages, writable, to
 * START_PAGING_SIZE bytes of guest memory at the page-aligned gpa, which is the CR3 value.
 * -ENOMEM: no buffer; -EFAULT: no RAM there.
 */
int start_paging_write(struct vm *vm, gpa_t gpa) __must_check;

#endif
