/*
 * The frame allocator: blocks of all orders, stamped on every page, verified, split and given back.
 * A block that two have at once carries the wrong stamp; one that is lost is missing at the end.
 */
#include "torture.h"

#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/phys.h"

#define SLOTS	    32
#define ORDER_MAX   10
#define ORDER_BIG   5 /* from here on blocks are rarer */
#define WORDS	    (PAGE_SIZE / sizeof(u64))
#define FAULT_AFTER 50

struct slot {
	hpa_t base; /* 0: none */
	unsigned order;
	u64 stamp;
};

static struct slot *slots; /* SLOTS for each CPU */
static u64 free_before;

static u64 *page_of(const struct slot *s, u64 page)
{
	return phys_to_virt(HPA(s->base.v + page * PAGE_SIZE));
}

static void stamp(const struct slot *s)
{
	for (u64 page = 0; page < BIT(s->order); page++) {
		u64 *p = page_of(s, page);

		p[0] = p[WORDS / 2] = p[WORDS - 1] = s->stamp + page;
	}
}

static void verify(const struct slot *s)
{
	for (u64 page = 0; page < BIT(s->order); page++) {
		const u64 *p = page_of(s, page);

		for (unsigned i = 0; i < WORDS; i += WORDS / 2 - (i != 0))
			TORTURE_CHECK(p[i] == s->stamp + page,
				      "frame 0x%lx of a block of order %u: word %u is 0x%lx, not "
				      "0x%lx",
				      s->base.v / PAGE_SIZE + page, s->order, i, p[i],
				      s->stamp + page);
	}
}

static unsigned random_order(struct torture_worker *w)
{
	u32 kind = torture_random(w, 64);

	if (kind < 48)
		return torture_random(w, 3);
	return torture_random(w, kind == 63 ? ORDER_MAX + 1 : ORDER_BIG);
}

static void check_zero(const struct slot *s)
{
	for (u64 page = 0; page < BIT(s->order); page++) {
		const u64 *p = page_of(s, page);

		for (unsigned i = 0; i < WORDS; i++)
			TORTURE_CHECK(!p[i], "a zeroed frame has 0x%lx at word %u", p[i], i);
	}
}

static void take(struct torture_worker *w, struct slot *s)
{
	bool zeroed;

	s->order = random_order(w);
	zeroed = s->order < ORDER_BIG && torture_random(w, 8) == 0;
	s->base = zeroed ? frame_alloc_zeroed(s->order) : frame_alloc(s->order);
	if (!s->base.v)
		return;
	TORTURE_CHECK(IS_ALIGNED(s->base.v, PAGE_SIZE << s->order), "0x%lx is not of order %u",
		      s->base.v, s->order);
	TORTURE_CHECK(frame_order(s->base) == s->order, "0x%lx has order %u, not %u", s->base.v,
		      frame_order(s->base), s->order);
	if (zeroed)
		check_zero(s);
	s->stamp = (u64)(w->cpu + 1) << 48 | w->operations << 16;
	stamp(s);
}

static void give_back(struct torture_worker *w, struct slot *s)
{
	unsigned to = s->order;

	verify(s);
	if (s->order < ORDER_BIG && torture_random(w, 4) == 0) {
		to = torture_random(w, s->order + 1);
		frame_split(s->base, s->order, to);
	}
	for (u64 page = 0; page < BIT(s->order); page += BIT(to))
		frame_free(HPA(s->base.v + page * PAGE_SIZE), to);
	s->base = HPA(0);
}

/*
 * As if the allocator had given away blocks of the next CPU's for a second time. Not all of a
 * stamp: in a block that has just been freed the first words are the allocator's.
 */
static void make_fault(struct torture_worker *w)
{
	const struct slot *theirs = &slots[(w->cpu + 1) % cpu_count() * SLOTS];

	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot s = theirs[i];

		for (u64 page = 0; s.base.v && page < BIT(s.order); page++)
			page_of(&s, page)[WORDS / 2] = w->operations;
	}
}

static void begin(void)
{
	slots = torture_alloc(cpu_count() * SLOTS * sizeof(*slots));
	free_before = torture_free_frames();
}

static void work(struct torture_worker *w)
{
	struct slot *mine = &slots[w->cpu * SLOTS];
	bool fault = w->cpu == 0 && torture_fault("frame");

	while (torture_going(w)) {
		struct slot *s = &mine[torture_random(w, SLOTS)];

		if (s->base.v)
			give_back(w, s);
		else
			take(w, s);
		if (fault && w->operations % FAULT_AFTER == 0)
			make_fault(w);
	}
	for (unsigned i = 0; i < SLOTS; i++) {
		if (mine[i].base.v)
			give_back(w, &mine[i]);
	}
}

static void end(void)
{
	TORTURE_CHECK(torture_free_frames() == free_before, "%lu frames were free, now %lu",
		      free_before, torture_free_frames());
	heap_free(slots);
}

const struct torture_part part_frame = { "frame", begin, work, end };
