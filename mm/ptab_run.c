#include "mm/ptab_run.h"

#include <errno.h>

#include "core/atomic.h"
#include "mm/frame.h"
#include "mm/phys.h"

/* As ptab.c does, out of the way of those that find their table. *e: what the entry holds then. */
static __attribute__((noinline)) int make_table(const struct ptab_fmt *f, u64 *entry, u64 *e)
{
	hpa_t t = frame_alloc_zeroed(0);

	if (!t.v)
		return -ENOMEM;
	/* Full barrier: pairs with the acquire loads of every walker; hardware's depend on each
	 * other. */
	if (atomic_cmpxchg(entry, e, t.v | f->table_flags))
		*e = t.v | f->table_flags;
	else
		frame_free(t, 0);
	return 0;
}

int ptab_map_page(struct ptab *pt, u64 va, hpa_t pa, unsigned level, u64 flags, u64 **out)
{
	const struct ptab_fmt *f = pt->fmt;
	unsigned l = f->levels, shift = PAGE_SHIFT + 9 * (l - 1);
	u64 *entry = (u64 *)phys_to_virt(pt->root) + (va >> shift) % PTAB_ENTRIES;
	u64 e = load_acquire(entry);

	for (;;) {
		if (likely(e & f->present)) {
			if (l == 1 || (e & f->large))
				return 0;
			shift -= 9;
			l--;
			entry = (u64 *)phys_to_virt(HPA(e & f->addr_mask)) +
				(va >> shift) % PTAB_ENTRIES;
			e = load_acquire(entry);
		} else if (l <= level) {
			u64 leaf = ALIGN_DOWN(pa.v, ptab_level_size(l)) | flags |
				   (l > 1 ? f->large : 0);

			/* Full barrier: what the page holds was there before. What came first
			 * stays: look at it. */
			if (likely(atomic_cmpxchg(entry, &e, leaf))) {
				*out = entry;
				return (int)l;
			}
		} else if (make_table(f, entry, &e)) {
			return -ENOMEM;
		}
	}
}

unsigned ptab_map_behind(u64 *entry, const u64 *leaf, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		u64 free = 0;

		/* Full barrier, as above. */
		if (!atomic_cmpxchg(&entry[1 + i], &free, leaf[i]))
			break;
	}
	return i;
}
