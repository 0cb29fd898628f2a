/* What the files of the page-table walker have in common: an entry, read by its format. */
#ifndef NEAP_MM_PTAB_WALK_H
#define NEAP_MM_PTAB_WALK_H

#include "core/atomic.h"
#include "mm/phys.h"
#include "mm/ptab.h"

/* Of the entry for va in a table of that level, 1 being the lowest. */
static inline unsigned ptab_index(u64 va, unsigned level)
{
	return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) & (PTAB_ENTRIES - 1);
}

/* What an entry is, by its format; level 1 has leaves only. */
static inline bool ptab_is_present(const struct ptab_fmt *f, u64 e)
{
	return (e & f->present) != 0;
}

/* Of an entry that is present. */
static inline bool ptab_is_leaf(const struct ptab_fmt *f, u64 e, unsigned level)
{
	return level == 1 || (e & f->large);
}

/* The table that an entry which is present and no leaf points to. */
static inline u64 *ptab_table_of(const struct ptab_fmt *f, u64 e)
{
	return phys_to_virt(HPA(e & f->addr_mask));
}

/*
 * The entry that decides va: that of a level, or one above that has no table. Its level is in
 * *level, which says how far to go before.
 */
static inline u64 *ptab_find_entry(const struct ptab *pt, u64 va, unsigned *level)
{
	const struct ptab_fmt *f = pt->fmt;
	u64 *entry = (u64 *)phys_to_virt(pt->root) + ptab_index(va, f->levels);
	unsigned l = f->levels;

	while (l > *level) {
		/* Acquire: pairs with the barrier of who installed the table. */
		u64 e = load_acquire(entry);

		if (!ptab_is_present(f, e) || ptab_is_leaf(f, e, l))
			break;
		entry = ptab_table_of(f, e) + ptab_index(va, --l);
	}
	*level = l;
	return entry;
}

/*
 * Replaces a large leaf, read as `old`, by a table of leaves that say the same, less the bits of
 * `clear`. When the leaf has changed meanwhile nothing is done. -ENOMEM.
 */
int ptab_split_leaf(const struct ptab_fmt *fmt, u64 *entry, u64 old, unsigned level,
		    u64 clear) __must_check;

#endif
