#include "hv/slot_backing.h"

#include <errno.h>
#include <string.h>

#include "core/atomic.h"
#include "core/sched.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/phys.h"

#define BLOCK_ORDER(b) ((unsigned)((b) & (PAGE_SIZE - 1)))
#define BLOCK_BASE(b)  ((b) & ~(PAGE_SIZE - 1))
_Static_assert(FRAME_MAX_ORDER < PAGE_SIZE, "an order fits below a block's address");

/* The largest block that guest-physical alignment and what is left allow. */
static unsigned block_order(u64 gfn, u64 pages)
{
	unsigned order = FRAME_ORDER_2M;

	while ((gfn & ((1ull << order) - 1)) || pages < 1ull << order)
		order--;
	return order;
}

static u64 count_blocks(u64 gfn, u64 pages)
{
	u64 n = 0, block;

	for (; pages; n++) {
		unsigned order = block_order(gfn, pages);

		/* All of those in the middle at once. */
		block = order == FRAME_ORDER_2M ? ALIGN_DOWN(pages, 1ull << order) : 1ull << order;
		n += (block >> order) - 1;
		gfn += block;
		pages -= block;
	}
	return n;
}

/* --- frames --- */

static struct slot_frames *frames_new(u64 blocks)
{
	struct slot_frames *f = heap_alloc(sizeof(*f) + blocks * sizeof(f->block[0]));

	if (f)
		f->users = 1;
	return f;
}

static void free_block(const struct slot_frames *f, u64 block)
{
	hpa_t base = HPA(BLOCK_BASE(block));
	unsigned order = BLOCK_ORDER(block);

	if (f->poison)
		memset(phys_to_virt(base), SLOT_POISON, PAGE_SIZE << order);
	frame_free(base, order);
	if (order == FRAME_ORDER_2M)
		sched_pause();
}

static void frames_put(struct slot_frames *f)
{
	/* Full barrier: what others did with the frames is over for them. */
	if (!f || atomic_fetch_add(&f->users, (u32)-1) != 1)
		return;
	for (u64 i = 0; i < f->blocks; i++)
		free_block(f, f->block[i]);
	heap_free(f);
}

/* Cleared in steps, so that other work of this CPU does not wait for all of it. */
static void add_block(struct slot_frames *f, u64 base, unsigned order)
{
	memset(phys_to_virt(HPA(base)), 0, PAGE_SIZE << order);
	f->block[f->blocks++] = base | order;
	if (order == FRAME_ORDER_2M)
		sched_pause();
}

/*
 * A whole aligned GiB gets a GiB of host memory in one piece, if there is one, so that one leaf can
 * map it; it is freed in blocks like the rest.
 */
static bool add_gib(struct slot_frames *f, u64 gfn, u64 pages)
{
	hpa_t a;

	if ((gfn & ((1ull << FRAME_ORDER_1G) - 1)) || pages < 1ull << FRAME_ORDER_1G)
		return false;
	a = frame_alloc(FRAME_ORDER_1G);
	if (!a.v)
		return false;
	frame_split(a, FRAME_ORDER_1G, FRAME_ORDER_2M);
	for (u64 i = 0; i < GIB; i += PAGE_SIZE << FRAME_ORDER_2M)
		add_block(f, a.v + i, FRAME_ORDER_2M);
	return true;
}

static int add_blocks(struct slot_frames *f, u64 gfn, u64 pages)
{
	while (pages) {
		unsigned order = FRAME_ORDER_1G;

		if (!add_gib(f, gfn, pages)) {
			hpa_t a;

			order = block_order(gfn, pages);
			a = frame_alloc(order);
			if (!a.v)
				return -ENOMEM;
			add_block(f, a.v, order);
		}
		gfn += 1ull << order;
		pages -= 1ull << order;
	}
	return 0;
}

u64 slot_frames_pages(const struct slot_frames *f)
{
	u64 pages = 0;

	for (u64 i = 0; i < f->blocks; i++)
		pages += 1ull << BLOCK_ORDER(f->block[i]);
	return pages;
}

/* --- backings --- */

static struct slot_backing *backing_new(u64 pages, u64 extents)
{
	struct slot_backing *b = heap_alloc(sizeof(*b) + extents * sizeof(b->extent[0]));

	if (b)
		b->pages = pages;
	return b;
}

/* Extents are added in order; the array is long enough. */
static void add_extent(struct slot_backing *b, u64 page, u64 pages, u64 frame)
{
	struct slot_extent *e = &b->extent[b->extents++];

	e->page = page;
	e->pages = pages;
	e->frame = HFN(frame);
	e->backing = b;
	for (unsigned i = 0; i < SLOT_SETS; i++) {
		e->node[i].first = frame;
		e->node[i].last = frame + pages - 1;
	}
}

/* Runs of blocks that follow each other in host memory: the first such run from block *i on. */
static u64 take_run(const struct slot_frames *f, u64 *i)
{
	u64 end = BLOCK_BASE(f->block[*i]), start = end;

	do {
		end += PAGE_SIZE << BLOCK_ORDER(f->block[*i]);
	} while (++*i < f->blocks && BLOCK_BASE(f->block[*i]) == end);
	return (end - start) >> PAGE_SHIFT;
}

static struct slot_backing *backing_of(struct slot_frames *f, u64 pages)
{
	struct slot_backing *b;
	u64 extents = 0, page = 0;

	for (u64 i = 0; i < f->blocks; extents++)
		(void)take_run(f, &i);
	b = backing_new(pages, extents);
	if (!b)
		return NULL;
	b->frames = f;
	for (u64 i = 0; i < f->blocks;) {
		u64 frame = BLOCK_BASE(f->block[i]) >> PAGE_SHIFT, n = take_run(f, &i);

		add_extent(b, page, n, frame);
		page += n;
	}
	return b;
}

int slot_backing_alloc(gfn_t base, u64 pages, bool poison, struct slot_backing **out)
{
	struct slot_frames *f = frames_new(count_blocks(base.v, pages));

	if (!f)
		return -ENOMEM;
	f->poison = poison;
	*out = add_blocks(f, base.v, pages) ? NULL : backing_of(f, pages);
	if (*out)
		return 0;
	frames_put(f);
	return -ENOMEM;
}

int slot_backing_fill(u64 pages, u8 byte, struct slot_backing **out)
{
	struct slot_frames *f = frames_new(1);
	struct slot_backing *b = backing_new(pages, pages);
	hpa_t a = frame_alloc(0);

	if (!f || !b || !a.v) {
		if (a.v)
			frame_free(a, 0);
		heap_free(b);
		heap_free(f);
		return -ENOMEM;
	}
	memset(phys_to_virt(a), byte, PAGE_SIZE);
	f->block[f->blocks++] = a.v;
	b->frames = f;
	for (u64 i = 0; i < pages; i++)
		add_extent(b, i, 1, a.v >> PAGE_SHIFT);
	*out = b;
	return 0;
}

int slot_backing_share(const struct slot_backing *of, u64 page, u64 pages,
		       struct slot_backing **out)
{
	const struct slot_extent *e, *last;
	struct slot_backing *b;

	if (!pages || page >= of->pages || pages > of->pages - page)
		return -EINVAL;
	e = slot_backing_find(of, page);
	last = page + pages <= e->page + e->pages ? e : slot_backing_find(of, page + pages - 1);
	b = backing_new(pages, (u64)(last - e) + 1);
	if (!b)
		return -ENOMEM;
	b->frames = of->frames;
	atomic_fetch_add(&b->frames->users, 1);
	for (; e <= last; e++) {
		u64 from = MAX(e->page, page), to = MIN(e->page + e->pages, page + pages);

		add_extent(b, from - page, to - from, e->frame.v + (from - e->page));
	}
	*out = b;
	return 0;
}

void slot_backing_free(struct slot_backing *b)
{
	if (b)
		frames_put(b->frames);
	heap_free(b);
}

const struct slot_extent *slot_backing_find(const struct slot_backing *b, u64 page)
{
	u64 low = 0, high = b->extents;

	/* Invariant: extent[low] begins at page or before it, extent[high] (if any) behind it. */
	while (high - low > 1) {
		u64 middle = low + (high - low) / 2;

		if (b->extent[middle].page <= page)
			low = middle;
		else
			high = middle;
	}
	return &b->extent[low];
}
