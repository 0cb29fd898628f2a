#include "mm/ptab_run.h"

#include "mm/frame.h"

u64 ptab_make_table(const struct ptab_fmt *f, u64 *entry, u64 e)
{
	hpa_t t = frame_alloc_zeroed(0);

	if (!t.v)
		return 0;
	/* Full barrier: pairs with the acquire loads of every walker; hardware's depend on each
	 * other. */
	if (atomic_cmpxchg(entry, &e, t.v | f->table_flags))
		return t.v | f->table_flags;
	frame_free(t, 0);
	return e;
}

unsigned ptab_unused_behind(const u64 *entry, unsigned n)
{
	unsigned i = 0;

	while (i < n && !READ_ONCE(entry[1 + i]))
		i++;
	return i;
}

unsigned ptab_unused_before(const u64 *entry, unsigned n)
{
	unsigned i = 0;

	while (i < n && !READ_ONCE(*(entry - 1 - i)))
		i++;
	return i;
}

static bool install(u64 *entry, u64 leaf)
{
	u64 unused = 0;

	/* Full barrier, as in ptab_map_page(). */
	return atomic_cmpxchg(entry, &unused, leaf);
}

unsigned ptab_map_behind(u64 *entry, const u64 *leaf, unsigned n)
{
	unsigned i = 0;

	while (i < n && install(entry + 1 + i, leaf[i]))
		i++;
	return i;
}

unsigned ptab_map_before(u64 *entry, const u64 *leaf, unsigned n)
{
	unsigned i = 0;

	while (i < n && install(entry - 1 - i, leaf[n - 1 - i]))
		i++;
	return i;
}
