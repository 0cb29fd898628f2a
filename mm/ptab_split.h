/*
 * Large leaves made small, and small ones made large again, while processors walk the tables; and
 * single bits of leaves. What follows is done by compare-exchange, on any CPU at any time, but for
 * what each function says. The caller sees to the flushing of TLBs.
 */
#ifndef NEAP_MM_PTAB_SPLIT_H
#define NEAP_MM_PTAB_SPLIT_H

#include "mm/ptab.h"

/*
 * Makes small leaves of all large ones in [va, va+size), which begin and end there at the latest,
 * and takes the bits of `clear` out of all leaves there. A table is filled before it is installed:
 * a walk finds the large leaf or 512 small ones. -ENOMEM: some are split, and they and those that
 * were small have lost their bits. va and size are page-aligned.
 */
int ptab_split(struct ptab *pt, u64 va, u64 size, u64 clear) __must_check;

/*
 * Puts a leaf of this level (2 and up), for pa with these flags, in the place of a table, which is
 * the caller's to free. Where there is no table there, nothing is done and .pa is 0. What another
 * CPU changes below meanwhile is lost with the table.
 */
struct ptab_table ptab_merge(struct ptab *pt, u64 va, unsigned level, hpa_t pa,
			     u64 flags) __must_check;

/* Sets bits in the leaf of va, whatever its level. False: nothing is mapped there. */
bool ptab_set_bits(struct ptab *pt, u64 va, u64 bits);

/*
 * The entries of level 1 for va and what follows, to the end of their table: *pages is how many.
 * NULL when there is no such table: then *pages is how many have none. A reader of RCU's, and the
 * entries may be used as long as it is one. An entry is changed by atomic operations only, and bits
 * are set in none that may have become empty.
 */
u64 *ptab_small_leaves(const struct ptab *pt, u64 va, u64 *pages);

#endif
