/*
 * What page faults ask of a page table (mm/ptab.h): the largest leaf there is room for, with one
 * walk, and a run of neighbours in the table that the walk ended in. Any number of CPUs at once,
 * without a lock; readers of the table that ptab_free() waits for.
 */
#ifndef NEAP_MM_PTAB_RUN_H
#define NEAP_MM_PTAB_RUN_H

#include <errno.h>

#include "core/atomic.h"
#include "mm/phys.h"
#include "mm/ptab.h"

/* log2 of what an entry of a level spans. */
static force_inline unsigned ptab_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * (level - 1);
}

/* The entry for va in a table whose entries map 1 << shift bytes each. */
static force_inline u64 *ptab_entry(hpa_t table, u64 va, unsigned shift)
{
	return (u64 *)phys_to_virt(table) + (va >> shift) % PTAB_ENTRIES;
}

/* For ptab_map_page(): gives an entry that holds e, not present, a table. Returns what it holds
 * then, that table or another CPU's work; 0: no memory. */
u64 ptab_make_table(const struct ptab_fmt *f, u64 *entry, u64 e);

/*
 * Maps the page of va, not mapped yet, to the page at pa, by a leaf of 1 << max bytes or, where a
 * table stands in its place, by a smaller one. Both addresses agree below 1 << max, and all of that
 * may be mapped. Returns log2 of the leaf's size, with its entry in *out; 0: va is mapped already,
 * by another CPU perhaps; -ENOMEM. Nothing present is changed: no TLB to flush.
 */
static force_inline __must_check int ptab_map_page(const struct ptab *pt, u64 va, hpa_t pa,
						   unsigned max, u64 flags, u64 **out)
{
	const struct ptab_fmt *f = pt->fmt;
	const u64 present = f->present, large = f->large, addr_mask = f->addr_mask;
	unsigned shift = ptab_shift(f->levels);
	u64 *entry = ptab_entry(pt->root, va, shift), e = load_acquire(entry);

	for (;;) {
		while (likely(shift > max)) {
			if (unlikely(!(e & present))) {
				e = ptab_make_table(f, entry, e);
				if (!e)
					return -ENOMEM;
				continue;
			}
			if (unlikely(e & large))
				return 0;
			shift -= 9;
			entry = ptab_entry(HPA(e & addr_mask), va, shift);
			e = load_acquire(entry);
		}
		if (likely(!(e & present))) {
			u64 leaf = (pa.v >> shift << shift) | flags;

			if (shift > PAGE_SHIFT)
				leaf |= large;
			/* Full barrier: what the page holds was there before. */
			if (likely(atomic_cmpxchg(entry, &e, leaf))) {
				*out = entry;
				return (int)shift;
			}
			/* Another CPU was first: look at what it has made. */
		} else if (shift == PAGE_SHIFT || (e & large)) {
			return 0;
		} else {
			max -= 9;
		}
	}
}

/* Entries before this one in its table; behind it there are PTAB_ENTRIES - 1 less as many. */
static inline unsigned ptab_entries_before(const u64 *entry)
{
	return (unsigned)((uintptr_t)entry / sizeof(*entry)) % PTAB_ENTRIES;
}

/*
 * How many of the n entries behind this one are unused, up to the first that is not; the same
 * before it. n: not beyond its table. A moment old, as others map, too.
 */
unsigned ptab_unused_behind(const u64 *entry, unsigned n);
unsigned ptab_unused_before(const u64 *entry, unsigned n);

/*
 * Puts n leaves of 4 KiB into the entries behind this one, leaf[0] next to it; or before it,
 * leaf[n - 1] next to it: up to the first entry that is in use. Returns how many that were.
 */
unsigned ptab_map_behind(u64 *entry, const u64 *leaf, unsigned n);
unsigned ptab_map_before(u64 *entry, const u64 *leaf, unsigned n);

#endif
