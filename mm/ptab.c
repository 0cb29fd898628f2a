#include "mm/ptab.h"

#include <errno.h>

#include "core/panic.h"
#include "mm/frame.h"
#include "mm/ptab_walk.h"

_Static_assert(PAGE_SIZE / sizeof(u64) == PTAB_ENTRIES, "a table fills a frame");

int ptab_init(struct ptab *pt, const struct ptab_fmt *fmt)
{
	pt->fmt = fmt;
	pt->root = frame_alloc_zeroed(0);
	return pt->root.v ? 0 : -ENOMEM;
}

/* Gives a not-present entry a table below it; whoever comes second uses the first one's. */
static int install_table(const struct ptab_fmt *f, u64 *entry, u64 old)
{
	hpa_t t = frame_alloc_zeroed(0);

	if (!t.v)
		return -ENOMEM;
	/* Full barrier: pairs with the acquire loads of every walker; hardware's depend on each
	 * other. */
	if (!atomic_cmpxchg(entry, &old, t.v | f->table_flags))
		frame_free(t, 0);
	return 0;
}

/* Walks down to `level`, making tables on the way. -EEXIST when a leaf is above it. */
static int walk_create(struct ptab *pt, u64 va, unsigned level, u64 **out)
{
	const struct ptab_fmt *f = pt->fmt;
	u64 *table = phys_to_virt(pt->root);

	for (unsigned l = f->levels; l > level;) {
		u64 *entry = &table[ptab_index(va, l)];
		u64 e = load_acquire(entry);

		if (!ptab_is_present(f, e)) {
			int err = install_table(f, entry, e);

			if (err)
				return err;
			/* Look again: it may be another's table, or a leaf that came, or that came
			 * and went. */
			continue;
		}
		if (ptab_is_leaf(f, e, l))
			return -EEXIST;
		table = ptab_table_of(f, e);
		l--;
	}
	*out = &table[ptab_index(va, level)];
	return 0;
}

static unsigned best_level(const struct ptab_fmt *f, u64 va, u64 pa, u64 size)
{
	unsigned level = f->max_leaf_level;

	while (level > 1 &&
	       (!IS_ALIGNED(va | pa, ptab_level_size(level)) || size < ptab_level_size(level)))
		level--;
	return level;
}

int ptab_map(struct ptab *pt, u64 va, hpa_t pa, u64 size, u64 flags)
{
	const struct ptab_fmt *f = pt->fmt;

	if (!IS_ALIGNED(va | pa.v | size, PAGE_SIZE))
		return -EINVAL;
	while (size) {
		unsigned level = best_level(f, va, pa.v, size);
		u64 *entry, old = 0;
		int err = walk_create(pt, va, level, &entry);

		if (err)
			return err;
		if (!atomic_cmpxchg(entry, &old, pa.v | flags | (level > 1 ? f->large : 0)))
			return -EEXIST;
		va += ptab_level_size(level);
		pa.v += ptab_level_size(level);
		size -= ptab_level_size(level);
	}
	return 0;
}

/* One step of ptab_unmap(): handles what decides va; sets how many bytes that was. */
static int unmap_one(struct ptab *pt, u64 va, u64 size, u64 *done)
{
	const struct ptab_fmt *f = pt->fmt;
	u64 *table = phys_to_virt(pt->root);

	for (unsigned l = f->levels; l;) {
		u64 *entry = &table[ptab_index(va, l)], step = ptab_level_size(l);
		u64 e = load_acquire(entry);

		if (!ptab_is_present(f, e)) {
			*done = step - (va & (step - 1));
			return 0;
		}
		if (!ptab_is_leaf(f, e, l)) {
			table = ptab_table_of(f, e);
			l--;
		} else if (IS_ALIGNED(va, step) && size >= step) {
			/* Only this leaf: a table that another CPU has split it into would be lost.
			 */
			if (atomic_cmpxchg(entry, &e, 0)) {
				*done = step;
				return 0;
			}
		} else {
			int err = ptab_split_leaf(f, entry, e, l, 0);

			if (err)
				return err;
		}
		/* A leaf that is no more, or is a table now: look again. */
	}
	return -EINVAL;
}

int ptab_unmap(struct ptab *pt, u64 va, u64 size)
{
	if (!IS_ALIGNED(va | size, PAGE_SIZE))
		return -EINVAL;
	while (size) {
		u64 done;
		int err = unmap_one(pt, va, size, &done);

		if (err)
			return err;
		done = MIN(done, size);
		va += done;
		size -= done;
	}
	return 0;
}

u64 ptab_lookup(const struct ptab *pt, u64 va, unsigned *level)
{
	const struct ptab_fmt *f = pt->fmt;
	const u64 *table = phys_to_virt(pt->root);
	u64 e = 0;

	for (unsigned l = f->levels; l; l--) {
		*level = l;
		e = load_acquire(&table[ptab_index(va, l)]);
		if (!ptab_is_present(f, e) || ptab_is_leaf(f, e, l))
			break;
		table = ptab_table_of(f, e);
	}
	return e;
}

bool ptab_translate(const struct ptab *pt, u64 va, hpa_t *pa)
{
	unsigned level = 1;
	u64 e = ptab_lookup(pt, va, &level);
	u64 mask = ptab_level_size(level) - 1;

	if (!ptab_is_present(pt->fmt, e))
		return false;
	pa->v = (e & pt->fmt->addr_mask & ~mask) | (va & mask);
	return true;
}

struct ptab_table ptab_unlink(struct ptab *pt, u64 va, unsigned level)
{
	const struct ptab_fmt *f = pt->fmt;
	unsigned at = level;
	u64 *entry, e;

	if (level < 2 || level > f->levels)
		return (struct ptab_table){ HPA(0), 0 };
	entry = ptab_find_entry(pt, va, &at);
	e = at == level ? load_acquire(entry) : 0;
	while (ptab_is_present(f, e) && !ptab_is_leaf(f, e, level)) {
		if (atomic_cmpxchg(entry, &e, 0))
			return (struct ptab_table){ HPA(e & f->addr_mask), level - 1 };
	}
	return (struct ptab_table){ HPA(0), 0 };
}

struct ptab_table ptab_unlink_root(struct ptab *pt)
{
	struct ptab_table t = { pt->root, pt->fmt ? pt->fmt->levels : 0 };

	pt->root = HPA(0);
	return t;
}

static void poison(u64 *table)
{
	for (unsigned i = 0; i < PTAB_ENTRIES; i++)
		WRITE_ONCE(table[i], PTAB_POISON);
}

u64 ptab_free(const struct ptab_fmt *f, struct ptab_table t)
{
	u64 *table = phys_to_virt(t.pa), pages = 1;

	for (unsigned i = 0; t.level > 1 && i < PTAB_ENTRIES; i++) {
		if (ptab_is_present(f, table[i]) && !ptab_is_leaf(f, table[i], t.level))
			pages += ptab_free(f, (struct ptab_table){ HPA(table[i] & f->addr_mask),
								   t.level - 1 });
	}
	poison(table);
	frame_free(t.pa, 0);
	return pages;
}

void ptab_destroy(struct ptab *pt)
{
	struct ptab_table root = ptab_unlink_root(pt);

	if (root.pa.v)
		ptab_free(pt->fmt, root);
}
