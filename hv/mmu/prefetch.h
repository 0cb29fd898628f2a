/*
 * Prefetch: a fault on one page maps some that follow it, too, so that a guest that goes through
 * its memory exits once for all of them. How many is the VM's number, which may change while its
 * vCPUs fault: each fault reads it once, before anything else, and passes it down. The leaves are
 * made in an array of the vCPU's own, as long as the greatest number there can be, and put into the
 * table by compare-exchange; there is no lock. The fault's page itself is mapped first, and whatever
 * becomes of its neighbours.
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

/*
 * Maps up to `number` pages behind gfn, whose leaf of 4 KiB with these flags is *entry: as far as
 * the slot, the table and the entries not in use go. Returns how many. RCU reader, as for the slot.
 */
unsigned prefetch_map(struct prefetch *p, u32 number, const struct slot *slot, gfn_t gfn, u64 *entry,
		      u64 flags);

#endif
