/*
 * Faults: threads map pages of one slot, and what follows them, all in the same tables; one of them
 * changes the number of pages to prefetch and takes mappings out again. A page is mapped to its own
 * frame or not at all, and a fault ends with its page mapped, unless it is taken out again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "hv/mmu/prefetch.h"
#include "ptab_fake.h"
#include "shim.h"
#include "tsan.h"

#define PHYS  (32 * MIB)
#define FLAGS 0x77ull
#define BASE  (510ull << PAGE_SHIFT) /* in the last entries of the first table */
#define PAGES 1100u		     /* in four tables */
#define LEAST 64		     /* faults of a thread */

static const struct ptab_fmt fmt = { PTAB_FAKE_FORMAT, .max_leaf_level = 2 };
static struct ptab pt;
static struct slot slot;
static u32 number; /* as a VM's */
static struct prefetch buffers[TSAN_THREADS];
static bool removing; /* leaves are taken out meanwhile; fixed while threads run */

static u64 leaf_of(u64 page)
{
	return hfn_to_hpa(slot_frame(&slot, GFN(slot.base.v + page))).v | FLAGS;
}

/* As tdp_fault() does. */
static void fault(struct tsan_thread *t, u64 page)
{
	u64 va = BASE + (page << PAGE_SHIFT), e;
	u32 n = READ_ONCE(number);
	struct prefetch_spot spot = { .slot = &slot, .page = page, .flags = FLAGS };
	unsigned level = 0;
	hfn_t frame;
	int shift;

	TSAN_CHECK(n <= MAX_PTE_PREFETCH);
	frame = slot_frame(&slot, GFN(va >> PAGE_SHIFT));
	shift = ptab_map_page(&pt, va, hfn_to_hpa(frame), PAGE_SHIFT, FLAGS, &spot.entry);
	TSAN_CHECK(shift == 0 || shift == PAGE_SHIFT);
	spot.extent = slot_backing_find(slot.backing, page);
	if (shift)
		TSAN_CHECK(prefetch_map(&buffers[t->id], n, &spot) <= n);
	e = ptab_lookup(&pt, va, &level);
	TSAN_CHECK(level == 1 && (e == leaf_of(page) || (!e && removing)));
}

static void *work(void *arg)
{
	struct tsan_thread *t = arg;

	while (tsan_going_at_least(t, LEAST)) {
		fault(t, tsan_random(t, PAGES));
		if (t->id == 0)
			TSAN_CHECK(!prefetch_set(&number, tsan_random(t, MAX_PTE_PREFETCH + 1)));
		if (removing && t->id == 0 && tsan_random(t, 8) == 0)
			TSAN_CHECK(!ptab_unmap(&pt, BASE, (u64)PAGES << PAGE_SHIFT));
	}
	return NULL;
}

static void test_faults(void **unused)
{
	(void)unused;
	ptab_fake_memory(PHYS);
	slot = (struct slot){ .base = GFN(BASE >> PAGE_SHIFT), .pages = PAGES };
	assert_int_equal(slot_backing_alloc(slot.base, PAGES, false, &slot.backing), 0);
	assert_int_equal(ptab_init(&pt, &fmt), 0);
	removing = true;
	assert_true(tsan_run(work) > 100);
	assert_int_equal(ptab_unmap(&pt, BASE, (u64)PAGES << PAGE_SHIFT), 0);
	removing = false;
	assert_true(tsan_run(work) > 100);
	/* Nothing is where no page is. */
	for (u64 va = 0; va < BASE; va += PAGE_SIZE)
		assert_int_equal(ptab_lookup(&pt, va, &(unsigned){ 0 }), 0);
	for (u64 i = PAGES; i < PAGES + 2 * PTAB_ENTRIES; i++)
		assert_int_equal(ptab_lookup(&pt, BASE + i * PAGE_SIZE, &(unsigned){ 0 }), 0);
	slot_backing_free(slot.backing);
	ptab_destroy(&pt);
	assert_int_equal(frame_stats().free, frame_stats().total);
	ptab_fake_memory_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_faults) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
