#include "mm/frame.h"

#include <string.h>

#include "core/list.h"
#include "core/panic.h"
#include "core/spinlock.h"
#include "mm/phys.h"

/* One byte per frame: the kind in the upper bits; for heads of blocks, the order in the lower. */
#define STATE_NONE  0x00 /* not ours, or inside a block */
#define STATE_FREE  0x40 /* head of a free block */
#define STATE_USED  0x80 /* head of an allocated block */
#define STATE_ORDER 0x1f

_Static_assert(FRAME_MAX_ORDER <= STATE_ORDER, "an order fits its bits");
_Static_assert(sizeof(struct list) <= PAGE_SIZE, "a list node fits a frame");

/* Guards everything below, and the list nodes in free frames. */
static struct spinlock lock = SPINLOCK_INIT;
static struct list free_blocks[FRAME_MAX_ORDER + 1];
static u8 *state;
static u64 frame_limit;
static struct frame_stats stats;

void frame_init(u8 *states, hfn_t limit)
{
	state = states;
	frame_limit = limit.v;
	memset(&stats, 0, sizeof(stats));
	for (unsigned i = 0; i <= FRAME_MAX_ORDER; i++)
		list_init(&free_blocks[i]);
}

static struct list *block_node(u64 frame)
{
	return phys_to_virt(hfn_to_hpa(HFN(frame)));
}

static void push_free(u64 frame, unsigned order)
{
	state[frame] = (u8)(STATE_FREE | order);
	list_add_tail(&free_blocks[order], block_node(frame));
}

/* Joins the block with its buddy as long as that is free and of the same size, then lists it. */
static void insert_free(u64 frame, unsigned order)
{
	while (order < FRAME_MAX_ORDER) {
		u64 buddy = frame ^ BIT(order);

		if (buddy >= frame_limit || state[buddy] != (STATE_FREE | order))
			break;
		list_remove(block_node(buddy));
		state[buddy] = STATE_NONE;
		state[frame] = STATE_NONE;
		frame = MIN(frame, buddy);
		order++;
	}
	push_free(frame, order);
}

void frame_add(hpa_t base, u64 size)
{
	u64 first = DIV_ROUND_UP(base.v, PAGE_SIZE);
	u64 end = MIN((base.v + size) >> PAGE_SHIFT, frame_limit);

	spin_lock(&lock);
	while (first < end) {
		unsigned order = 0;

		while (order < FRAME_MAX_ORDER && IS_ALIGNED(first, BIT(order + 1)) &&
		       first + BIT(order + 1) <= end)
			order++;
		insert_free(first, order);
		stats.total += BIT(order);
		stats.free += BIT(order);
		first += BIT(order);
	}
	stats.min_free = stats.free;
	spin_unlock(&lock);
}

static u64 take_block(unsigned order)
{
	unsigned o = order;
	u64 frame;

	while (o <= FRAME_MAX_ORDER && list_empty(&free_blocks[o]))
		o++;
	if (o > FRAME_MAX_ORDER)
		return 0;
	frame = virt_to_phys(free_blocks[o].next).v >> PAGE_SHIFT;
	list_remove(free_blocks[o].next);
	while (o > order) {
		o--;
		push_free(frame + BIT(o), o);
	}
	state[frame] = (u8)(STATE_USED | order);
	stats.free -= BIT(order);
	stats.min_free = MIN(stats.min_free, stats.free);
	return frame;
}

hpa_t frame_alloc(unsigned order)
{
	u64 frame;

	if (order > FRAME_MAX_ORDER)
		return HPA(0);
	spin_lock(&lock);
	frame = take_block(order);
	spin_unlock(&lock);
	return hfn_to_hpa(HFN(frame));
}

hpa_t frame_alloc_zeroed(unsigned order)
{
	hpa_t a = frame_alloc(order);

	if (a.v)
		memset(phys_to_virt(a), 0, PAGE_SIZE << order);
	return a;
}

void frame_free(hpa_t base, unsigned order)
{
	u64 frame = hpa_to_hfn(base).v;

	spin_lock(&lock);
	if (!IS_ALIGNED(base.v, PAGE_SIZE) || frame >= frame_limit || order > FRAME_MAX_ORDER ||
	    state[frame] != (STATE_USED | order))
		panic("frame: free of 0x%lx order %u, which is not an allocated block", base.v,
		      order);
	insert_free(frame, order);
	stats.free += BIT(order);
	spin_unlock(&lock);
}

void frame_split(hpa_t base, unsigned from, unsigned to)
{
	u64 frame = hpa_to_hfn(base).v;

	spin_lock(&lock);
	if (frame >= frame_limit || to > from || state[frame] != (STATE_USED | from))
		panic("frame: split of 0x%lx order %u, which is not an allocated block", base.v,
		      from);
	for (u64 i = 0; i < BIT(from); i += BIT(to))
		state[frame + i] = (u8)(STATE_USED | to);
	spin_unlock(&lock);
}

unsigned frame_order(hpa_t base)
{
	u64 frame = hpa_to_hfn(base).v;

	ASSERT(frame < frame_limit && (state[frame] & ~STATE_ORDER) == STATE_USED);
	return state[frame] & STATE_ORDER;
}

struct frame_stats frame_stats(void)
{
	struct frame_stats s;

	spin_lock(&lock);
	s = stats;
	spin_unlock(&lock);
	return s;
}
