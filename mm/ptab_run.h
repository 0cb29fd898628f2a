/*
 * What page faults ask of a page table (mm/ptab.h): the largest leaf there is room for, with one
 * walk, and a run of neighbours in the table that the walk ended in. Any number of CPUs at once,
 * without a lock; readers of the table that ptab_free() waits for.
 */
#ifndef NEAP_MM_PTAB_RUN_H
#define NEAP_MM_PTAB_RUN_H

#include "mm/ptab.h"

/*
 * Maps va, not mapped yet, to pa (both of a 4 KiB page), by a leaf of the given level or, where a
 * table stands in its place, of one below: both addresses agree below the size of a leaf of that
 * level, and all of it may be mapped. Returns the leaf's level and its entry in *entry; 0: va is
 * mapped already, by another CPU perhaps; -ENOMEM. Nothing present is changed: no TLB to flush.
 */
int ptab_map_page(struct ptab *pt, u64 va, hpa_t pa, unsigned level, u64 flags,
		  u64 **entry) __must_check;

/* Entries behind this one in its table. */
static inline unsigned ptab_entries_behind(const u64 *entry)
{
	return PTAB_ENTRIES - 1 - ((unsigned)(uintptr_t)entry / sizeof(*entry)) % PTAB_ENTRIES;
}

/*
 * Puts n leaves into the entries behind a 4 KiB page's, up to the first that is in use. Returns how
 * many that were. n: at most as many as ptab_entries_behind().
 */
unsigned ptab_map_behind(u64 *entry, const u64 *leaf, unsigned n);

#endif
