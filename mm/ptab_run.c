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

unsigned ptab_map_behind(u64 *entry, const u64 *leaf, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		u64 unused = 0;

		/* Full barrier, as in ptab_map_page(). */
		if (!atomic_cmpxchg(&entry[1 + i], &unused, leaf[i]))
			break;
	}
	return i;
}
