#include "mm/ptab_split.h"

#include <errno.h>

#include "core/panic.h"
#include "mm/frame.h"
#include "mm/ptab_walk.h"

int ptab_split_leaf(const struct ptab_fmt *f, u64 *entry, u64 old, unsigned level, u64 clear)
{
	u64 *table, step;
	hpa_t t;

	ASSERT(level > 1);
	step = ptab_level_size(level - 1);
	t = frame_alloc(0);
	if (!t.v)
		return -ENOMEM;
	table = phys_to_virt(t);
	for (unsigned i = 0; i < PTAB_ENTRIES; i++)
		table[i] = (old & ~(clear | (level == 2 ? f->large : 0))) + i * step;
	/* Full barrier: filled, then installed; pairs with the acquire loads of every walker. A
	 * processor that sets a bit of the leaf just now makes this fail. */
	if (!atomic_cmpxchg(entry, &old, t.v | f->table_flags))
		frame_free(t, 0);
	return 0;
}

/* From the leaf of level 1 at va to the end of its table or of the range: bytes done. */
static u64 clear_leaves(u64 *entry, u64 va, u64 size, u64 clear)
{
	u64 pages = MIN((u64)PTAB_ENTRIES - ptab_index(va, 1), size >> PAGE_SHIFT);

	for (u64 i = 0; i < pages; i++) {
		if (READ_ONCE(entry[i]) & clear)
			atomic_fetch_and(&entry[i], ~clear);
	}
	return pages << PAGE_SHIFT;
}

int ptab_split(struct ptab *pt, u64 va, u64 size, u64 clear)
{
	while (size) {
		unsigned level = 1;
		u64 *entry = ptab_find_entry(pt, va, &level), e = load_acquire(entry);
		u64 step = ptab_level_size(level), done = step - (va & (step - 1));

		if (level == 1) {
			done = clear_leaves(entry, va, size, clear);
		} else if (ptab_is_present(pt->fmt, e)) {
			/* What is there now, a table perhaps of another's, is looked at again. */
			int err = ptab_is_leaf(pt->fmt, e, level)
					  ? ptab_split_leaf(pt->fmt, entry, e, level, clear)
					  : 0;

			if (err)
				return err;
			continue;
		}
		done = MIN(done, size);
		va += done;
		size -= done;
	}
	return 0;
}

struct ptab_table ptab_merge(struct ptab *pt, u64 va, unsigned level, hpa_t pa, u64 flags)
{
	const struct ptab_fmt *f = pt->fmt;
	unsigned at = level;
	u64 *entry = ptab_find_entry(pt, va, &at), e = load_acquire(entry);

	ASSERT(level > 1 && level <= f->max_leaf_level);
	ASSERT(IS_ALIGNED(pa.v, ptab_level_size(level)));
	if (at != level)
		return (struct ptab_table){ HPA(0), 0 };
	while (ptab_is_present(f, e) && !ptab_is_leaf(f, e, level)) {
		if (atomic_cmpxchg(entry, &e, pa.v | flags | f->large))
			return (struct ptab_table){ HPA(e & f->addr_mask), level - 1 };
	}
	return (struct ptab_table){ HPA(0), 0 };
}

bool ptab_set_bits(struct ptab *pt, u64 va, u64 bits)
{
	unsigned level;
	u64 *entry, e;

	do {
		level = 1;
		entry = ptab_find_entry(pt, va, &level);
		e = load_acquire(entry);
		if (!ptab_is_present(pt->fmt, e))
			return false;
		/* It may have been split, or taken away, and is looked up again then. */
	} while (!ptab_is_leaf(pt->fmt, e, level) || !atomic_cmpxchg(entry, &e, e | bits));
	return true;
}

u64 *ptab_small_leaves(const struct ptab *pt, u64 va, u64 *pages)
{
	unsigned level = 1;
	u64 *entry = ptab_find_entry(pt, va, &level), step = ptab_level_size(level);

	if (level == 1) {
		*pages = PTAB_ENTRIES - ptab_index(va, 1);
		return entry;
	}
	*pages = (step - (va & (step - 1))) >> PAGE_SHIFT;
	return NULL;
}
