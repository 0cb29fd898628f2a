/* The host's memory: frames, heap and page tables, each by several threads at once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mm/heap.h"
#include "ptab_fake.h"
#include "shim.h"
#include "tsan.h"

#define PHYS	  (64 * MIB)
#define SLOTS	  16
#define ORDERS	  5
#define BOXES	  32
#define BYTES_MAX 5000
#define PAGES	  512
#define REGIONS	  64 /* of 2 MiB */
#define OPS	  16 /* in each */

static u64 free_before;

static int set_up(void **unused)
{
	(void)unused;
	ptab_fake_memory(PHYS);
	free_before = frame_stats().free;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	assert_int_equal(frame_stats().free, free_before);
	ptab_fake_memory_end();
	return 0;
}

/* --- frames --- */

static void *use_frames(void *arg)
{
	struct tsan_thread *t = arg;
	hpa_t block[SLOTS] = { 0 };
	unsigned order[SLOTS];

	while (tsan_going(t)) {
		u32 i = tsan_random(t, SLOTS);

		if (block[i].v) {
			TSAN_CHECK(frame_order(block[i]) == order[i]);
			TSAN_CHECK(*(u64 *)phys_to_virt(block[i]) == (t->id << 8 | i));
			frame_free(block[i], order[i]);
			block[i].v = 0;
			continue;
		}
		order[i] = tsan_random(t, ORDERS);
		block[i] = frame_alloc(order[i]);
		if (block[i].v)
			*(u64 *)phys_to_virt(block[i]) = t->id << 8 | i;
		TSAN_CHECK(frame_stats().free <= free_before);
	}
	for (u32 i = 0; i < SLOTS; i++) {
		if (block[i].v)
			frame_free(block[i], order[i]);
	}
	return NULL;
}

static void test_frames(void **unused)
{
	(void)unused;
	assert_true(tsan_run(use_frames) > 100);
}

/* --- heap --- */

static u32 *boxes[BOXES];

static void *use_heap(void *arg)
{
	struct tsan_thread *t = arg;

	while (tsan_going(t)) {
		u32 size = sizeof(u32) + tsan_random(t, BYTES_MAX), last = size / sizeof(u32) - 1;
		u32 *o = heap_alloc(size);

		if (o) {
			TSAN_CHECK(!o[0] && !o[last]);
			o[last] = ~last;
			o[0] = last ? last : ~0u;
		}
		o = atomic_xchg(&boxes[tsan_random(t, BOXES)], o);
		if (o)
			TSAN_CHECK(o[0] == ~0u || o[o[0]] == ~o[0]);
		heap_free(o);
	}
	return NULL;
}

static void test_heap(void **unused)
{
	(void)unused;
	assert_true(tsan_run(use_heap) > 100);
	for (unsigned i = 0; i < BOXES; i++) {
		heap_free(boxes[i]);
		boxes[i] = NULL;
	}
}

/* --- page tables --- */

static const struct ptab_fmt format = { PTAB_FAKE_FORMAT, .max_leaf_level = 3 };
static struct ptab table;

/* Large leaves come and go in places where others want a table; one that is there stays. */
static void churn(struct tsan_thread *t, u64 region)
{
	for (unsigned i = 0; i < OPS; i++, t->operations++) {
		u64 va = region * (2 * MIB), size = 2 * MIB;
		hpa_t pa;
		int err;

		if (tsan_random(t, OPS) == 0) {
			va += tsan_random(t, PAGES) * PAGE_SIZE;
			size = PAGE_SIZE;
		}
		if (tsan_random(t, 2))
			err = ptab_map(&table, va, HPA(va), size, 7);
		else
			err = ptab_unmap(&table, va, size);
		TSAN_CHECK(!err || err == -EEXIST);
		TSAN_CHECK(!ptab_translate(&table, va, &pa) || pa.v == va);
	}
}

static void *use_ptab(void *arg)
{
	struct tsan_thread *t = arg;

	do {
		if (t->id == 0)
			TSAN_CHECK(ptab_init(&table, &format) == 0);
		tsan_meet(t);
		for (u64 region = 0; region < REGIONS; region++)
			churn(t, region);
		tsan_meet(t);
		if (t->id == 0)
			ptab_destroy(&table);
	} while (tsan_meet(t));
	return NULL;
}

/* What a walk that takes an empty entry for a table would write to. */
static bool frame_0_is_clean(void)
{
	const u64 *p = phys_to_virt(HPA(0));

	for (unsigned i = 0; i < PTAB_ENTRIES; i++) {
		if (p[i])
			return false;
	}
	return true;
}

static void test_ptab(void **unused)
{
	(void)unused;
	assert_true(tsan_run(use_ptab) > 100);
	assert_true(frame_0_is_clean());
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_frames), T(test_heap), T(test_ptab) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
