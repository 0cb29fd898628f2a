/* The frame allocator. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "shim.h"

/* For its lock, which a caught panic leaves taken. */
#include "mm/frame.c"

#define LIMIT_FRAMES (4 * GIB / PAGE_SIZE)

static u8 *states;

static int set_up(void **unused)
{
	(void)unused;
	shim_phys_init(4 * GIB);
	states = calloc(1, LIMIT_FRAMES);
	frame_init(states, HFN(LIMIT_FRAMES));
	lock = (struct spinlock)SPINLOCK_INIT;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	free(states);
	shim_phys_fini();
	return 0;
}

static bool free_panics(u64 base, unsigned order)
{
	bool p = SHIM_PANICS(frame_free(HPA(base), order));

	lock = (struct spinlock)SPINLOCK_INIT;
	return p;
}

static bool order_panics(u64 base)
{
	return SHIM_PANICS((void)frame_order(HPA(base)));
}

static unsigned listed(unsigned order)
{
	unsigned n = 0;

	for (struct list *l = free_blocks[order].next; l != &free_blocks[order]; l = l->next)
		n++;
	return n;
}

/* An unaligned range falls into the largest aligned blocks; part frames at its ends are not taken.
 */
static void test_add(void **unused)
{
	(void)unused;
	frame_add(HPA(0x3001), 0xcfff); /* whole frames: 4 to 15 */
	assert_int_equal(frame_stats().total, 12);
	assert_int_equal(frame_stats().free, 12);
	assert_int_equal(frame_stats().min_free, 12);
	assert_int_equal(listed(2), 1);
	assert_int_equal(listed(3), 1);
	assert_int_equal(states[4], STATE_FREE | 2);
	assert_int_equal(states[8], STATE_FREE | 3);
	frame_add(HPA(0x20fff), 0x1000); /* no whole frame in it */
	frame_add(HPA(0x30000), 0);
	assert_int_equal(frame_stats().total, 12);
	/* Beyond the limit nothing is taken. */
	frame_add(HPA(4 * GIB - PAGE_SIZE), 3 * PAGE_SIZE);
	assert_int_equal(frame_stats().total, 13);
	assert_int_equal(states[LIMIT_FRAMES - 1], STATE_FREE);
}

/* Ranges that meet grow together. */
static void test_add_merges(void **unused)
{
	(void)unused;
	frame_add(HPA(0x200000), 0x100000);
	frame_add(HPA(0x300000), 0x100000);
	assert_int_equal(listed(FRAME_ORDER_2M), 1);
	assert_int_equal(frame_alloc(FRAME_ORDER_2M).v, 0x200000);
}

static void test_split_and_merge(void **unused)
{
	hpa_t a[512];

	(void)unused;
	frame_add(HPA(0x200000), 0x200000);
	for (unsigned i = 0; i < 512; i++) {
		a[i] = frame_alloc(0);
		assert_true(a[i].v >= 0x200000 && a[i].v < 0x400000);
		assert_true(IS_ALIGNED(a[i].v, PAGE_SIZE));
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(a[i].v, a[j].v);
	}
	assert_int_equal(frame_alloc(0).v, 0);
	assert_int_equal(frame_stats().free, 0);
	for (unsigned i = 0; i < 512; i += 2)
		frame_free(a[i], 0);
	assert_int_equal(frame_stats().free, 256);
	for (unsigned i = 1; i < 512; i += 2)
		frame_free(a[i], 0);
	assert_int_equal(listed(FRAME_ORDER_2M), 1);
	for (unsigned o = 0; o < FRAME_ORDER_2M; o++)
		assert_int_equal(listed(o), 0);
	assert_int_equal(frame_stats().min_free, 0);
	assert_int_equal(frame_alloc(FRAME_ORDER_2M).v, 0x200000);
}

/* Two free blocks of one size that are neighbours but not buddies stay apart. */
static void test_not_buddies(void **unused)
{
	(void)unused;
	frame_add(HPA(0x1000), 0x1000);
	frame_add(HPA(0x2000), 0x1000);
	assert_int_equal(listed(0), 2);
	assert_int_equal(frame_alloc(1).v, 0);
	/* The buddy of frame 4 is split: it does not merge with a part of it. */
	frame_add(HPA(0x4000), 0x4000);
	assert_int_equal(listed(2), 1);
	hpa_t head = frame_alloc(1);
	assert_int_equal(head.v, 0x4000);
	hpa_t last = frame_alloc(1);
	assert_int_equal(last.v, 0x6000);
	frame_free(head, 1);
	assert_int_equal(listed(1), 1);
	frame_free(last, 1);
	assert_int_equal(listed(2), 1);
}

static void test_every_order(void **unused)
{
	(void)unused;
	frame_add(HPA(GIB), 2 * GIB);
	assert_int_equal(listed(FRAME_MAX_ORDER), 2);
	for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++) {
		hpa_t a = frame_alloc(o);

		assert_int_not_equal(a.v, 0);
		assert_true(IS_ALIGNED(a.v, PAGE_SIZE << o));
		assert_int_equal(frame_order(a), o);
		assert_int_equal(frame_stats().free, 2 * GIB / PAGE_SIZE - BIT(o));
		frame_free(a, o);
		assert_int_equal(listed(FRAME_MAX_ORDER), 2);
	}
	assert_int_equal(frame_alloc(FRAME_MAX_ORDER + 1).v, 0);
	assert_int_equal(frame_stats().min_free, GIB / PAGE_SIZE);
}

static void test_exhaustion(void **unused)
{
	hpa_t a, b;

	(void)unused;
	assert_int_equal(frame_alloc(0).v, 0);
	frame_add(HPA(0x200000), 0x200000);
	a = frame_alloc(0);
	assert_int_equal(frame_alloc(FRAME_ORDER_2M).v, 0);
	assert_int_equal(frame_alloc_zeroed(FRAME_ORDER_2M).v, 0);
	b = frame_alloc(FRAME_ORDER_2M - 1);
	assert_int_not_equal(b.v, 0);
	frame_free(a, 0);
	frame_free(b, FRAME_ORDER_2M - 1);
	assert_int_equal(frame_alloc(FRAME_ORDER_2M).v, 0x200000);
}

static void test_zeroed(void **unused)
{
	hpa_t a;
	u8 *p;

	(void)unused;
	frame_add(HPA(0x200000), 0x10000);
	a = frame_alloc(4);
	memset(phys_to_virt(a), 0xa5, 0x10000);
	frame_free(a, 4);
	a = frame_alloc_zeroed(4);
	p = phys_to_virt(a);
	for (unsigned i = 0; i < 0x10000; i++)
		assert_int_equal(p[i], 0);
}

static void test_bad_free(void **unused)
{
	hpa_t a;

	(void)unused;
	frame_add(HPA(0x200000), 0x200000);
	a = frame_alloc(3);
	assert_true(free_panics(a.v, 2)); /* another size */
	assert_non_null(strstr(shim_panic_text(), "0x200000"));
	assert_true(free_panics(a.v + PAGE_SIZE, 0)); /* inside */
	assert_true(free_panics(a.v + 1, 3));
	assert_true(free_panics(a.v + 8 * PAGE_SIZE, 3)); /* free */
	assert_true(free_panics(0x100000, 0));		  /* not ours */
	assert_true(free_panics(4 * GIB, 0));		  /* beyond */
	assert_true(free_panics(a.v, FRAME_MAX_ORDER + 1));
	assert_true(order_panics(a.v + PAGE_SIZE));
	assert_true(order_panics(4 * GIB));
	assert_false(free_panics(a.v, 3));
	assert_true(free_panics(a.v, 3)); /* twice */
	assert_true(order_panics(a.v));
	assert_int_equal(frame_stats().free, 512);
}

/* Random use: blocks never overlap, and all memory comes together in the end. */
static void test_random(void **unused)
{
	enum { SLOTS = 200 };
	struct {
		hpa_t a;
		unsigned order;
	} slot[SLOTS] = { 0 };
	u64 used = 0;

	(void)unused;
	srand(1);
	frame_add(HPA(GIB), 16 * MIB);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned s = (unsigned)rand() % SLOTS, o = (unsigned)rand() % 8;
		u64 *p;

		if (slot[s].a.v) {
			p = phys_to_virt(slot[s].a);
			/* First and last word are as they were filled. */
			assert_int_equal(p[0], s);
			assert_int_equal(p[(512u << slot[s].order) - 1], s);
			frame_free(slot[s].a, slot[s].order);
			used -= BIT(slot[s].order);
			slot[s].a = HPA(0);
			continue;
		}
		slot[s].a = frame_alloc(o);
		slot[s].order = o;
		if (!slot[s].a.v)
			continue;
		used += BIT(o);
		p = phys_to_virt(slot[s].a);
		p[0] = p[(512u << o) - 1] = s;
		assert_int_equal(frame_stats().free, 16 * MIB / PAGE_SIZE - used);
	}
	for (unsigned s = 0; s < SLOTS; s++) {
		if (slot[s].a.v)
			frame_free(slot[s].a, slot[s].order);
	}
	assert_int_equal(listed(FRAME_ORDER_2M + 3), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_add),	     T(test_add_merges),  T(test_split_and_merge),
		T(test_not_buddies), T(test_every_order), T(test_exhaustion),
		T(test_zeroed),	     T(test_bad_free),	  T(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
