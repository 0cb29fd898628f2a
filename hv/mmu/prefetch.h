/*
 * Prefetch: a fault on one page maps its neighbours, too, so that a guest that goes through its
 * memory, up or down, exits once for all of them. How many is the VM's number, which may change
 * while its vCPUs fault: each fault reads it once, before anything else, and passes it down. The
 * leaves are made in an array of the vCPU's own, as long as the greatest number there can be, and
 * put into the table by compare-exchange; there is no lock. The fault's page itself is mapped
 * first, and whatever becomes of its neighbours.
 */
#ifndef NEAP_HV_MMU_PREFETCH_H
#define NEAP_HV_MMU_PREFETCH_H

#include "hv/slot.h"
#include "mm/ptab_run.h"

#define MAX_PTE_PREFETCH 128
_Static_assert(MAX_PTE_PREFETCH < PTAB_ENTRIES, "more would be beyond the table's end always");

/* A vCPU's, used by its own faults only. */
struct prefetch {
	u64 pages; /* mapped by prefetch so far */
	u64 leaf[MAX_PTE_PREFETCH];
};

/* The VM's number becomes n, for the faults that begin from now on. -EINVAL: above the maximum. Any
 * context. */
int prefetch_set(u32 *number, u64 n) __must_check;

/* Where a fault has mapped a page of 4 KiB. */
struct prefetch_spot {
	const struct slot *slot;
	const struct slot_extent *extent; /* the page's */
	u64 page;			  /* within the slot */
	u64 *entry;			  /* its leaf */
	u64 flags;			  /* of this leaf, and of its neighbours' */
};

/*
 * Maps up to `number` neighbours of a page: those behind it, as far as the slot, the table and the
 * entries not in use go; if these are fewer, the rest before it, likewise. Returns how many. RCU
 * reader, as for the slot.
 */
unsigned prefetch_map(struct prefetch *p, u32 number, const struct prefetch_spot *spot);

#endif
