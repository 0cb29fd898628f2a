#include "hv/mmu/prefetch.h"

#include <errno.h>

#include "core/atomic.h"

int prefetch_set(u32 *number, u64 n)
{
	if (n > MAX_PTE_PREFETCH)
		return -EINVAL;
	/* No order is needed: whatever number a fault finds is one it may use. */
	WRITE_ONCE(*number, (u32)n);
	return 0;
}

/* The leaves of n pages of the slot from `page` on. */
static void fill(u64 *leaf, const struct slot_backing *b, u64 page, unsigned n, u64 flags)
{
	const struct slot_extent *e = slot_backing_find(b, page);
	unsigned i = 0;

	while (i < n) {
		u64 skip = page + i - e->page;
		unsigned stop = (unsigned)MIN((u64)n, i + (e->pages - skip));
		u64 next = ((e->frame.v + skip) << PAGE_SHIFT) | flags;

		for (; i < stop; i++, next += PAGE_SIZE)
			leaf[i] = next;
		e++;
	}
}

unsigned prefetch_map(struct prefetch *p, u32 number, const struct slot *slot, gfn_t gfn, u64 *entry,
		      u64 flags)
{
	u64 page = gfn.v - slot->base.v + 1, n = MIN((u64)number, slot->pages - page);

	n = MIN(n, (u64)ptab_entries_behind(entry));
	/* A hint only: who faults between two pages that are there has nothing to make. */
	if (!n || READ_ONCE(entry[1]))
		return 0;
	fill(p->leaf, slot->backing, page, (unsigned)n, flags);
	n = ptab_map_behind(entry, p->leaf, (unsigned)n);
	p->pages += n;
	return (unsigned)n;
}
