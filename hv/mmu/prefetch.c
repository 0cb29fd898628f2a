#include "hv/mmu/prefetch.h"

#include <errno.h>

#include "core/atomic.h"
#include "hv/config.h"

_Static_assert(VM_PREFETCH_DEFAULT <= MAX_PTE_PREFETCH,
	       "the default is a number that may be asked for");

int prefetch_set(u32 *number, u64 n)
{
	if (n > MAX_PTE_PREFETCH)
		return -EINVAL;
	/* No order is needed: whatever number a fault finds is one it may use. */
	WRITE_ONCE(*number, (u32)n);
	return 0;
}

/* The leaves of n pages of the slot from `page` on. e: an extent nearby, of the fault's page. */
static void fill(u64 *leaf, const struct slot_extent *e, u64 page, unsigned n, u64 flags)
{
	unsigned i = 0;

	if (page - e->page >= e->pages)
		e = slot_backing_find(e->backing, page);
	for (; i < n; e++) {
		u64 skip = page + i - e->page, next = ((e->frame.v + skip) << PAGE_SHIFT) | flags;
		unsigned stop = (unsigned)MIN((u64)n, i + (e->pages - skip));

		for (; i < stop; i++, next += PAGE_SIZE)
			leaf[i] = next;
	}
}

static unsigned map_behind(u64 *leaf, unsigned n, const struct prefetch_spot *s)
{
	n = (unsigned)MIN((u64)n, s->slot->pages - s->page - 1);
	n = MIN(n, PTAB_ENTRIES - 1 - ptab_entries_before(s->entry));
	n = ptab_unused_behind(s->entry, n);
	if (!n)
		return 0;
	fill(leaf, s->extent, s->page + 1, n, s->flags);
	return ptab_map_behind(s->entry, leaf, n);
}

static unsigned map_before(u64 *leaf, unsigned n, const struct prefetch_spot *s)
{
	n = (unsigned)MIN((u64)n, s->page);
	n = MIN(n, ptab_entries_before(s->entry));
	n = ptab_unused_before(s->entry, n);
	if (!n)
		return 0;
	fill(leaf, s->extent, s->page - n, n, s->flags);
	return ptab_map_before(s->entry, leaf, n);
}

unsigned prefetch_map(struct prefetch *p, u32 number, const struct prefetch_spot *spot)
{
	unsigned n = map_behind(p->leaf, number, spot);

	if (n < number)
		n += map_before(p->leaf, number - n, spot);
	p->pages += n;
	return n;
}
