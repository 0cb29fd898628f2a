/* Slots: each change by itself, the most there can be, and long runs against a naive model. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "slots_model.h"

#define STEPS 150000

static u64 seed = 0x2545f4914f6cdd1dull;
static bool quiet; /* the model says nothing of these slots */

void rcu_synchronize(void)
{
	if (!quiet)
		model_published();
}

static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

static int set_up(void **unused)
{
	(void)unused;
	quiet = false;
	model_init();
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	model_fini();
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

/* --- the model --- */

static void random_change(void)
{
	unsigned i = rnd(MODEL_IDS);

	switch (rnd(8)) {
	case 0 ... 2:
		model_create(i, rnd(MODEL_SPACE + 2), 1 + rnd(rnd(8) ? 12 : MODEL_SPACE + 2),
			     rnd(16) ? rnd(4) : 1u << rnd(32));
		break;
	case 3 ... 4:
		model_move(i, rnd(4) ? rnd(MODEL_SPACE + 2) : model[i].base + rnd(5) - 2);
		break;
	case 5:
		model_delete(i);
		break;
	default:
		model_set_flags(i, rnd(16) ? rnd(4) : 1u << rnd(32));
		break;
	}
}

static void test_random(void **unused)
{
	(void)unused;
	for (unsigned step = 0; step < STEPS; step++) {
		random_change();
		model_check_lookup(rnd(MODEL_SPACE));
		model_check_lookup(rnd(MODEL_SPACE));
		if (step % 8 == 0)
			model_check();
	}
	for (u64 g = 0; g < MODEL_SPACE; g++)
		model_check_lookup(g);
	model_check();
}

/* --- what each change does, in order --- */

static void test_steps(void **unused)
{
	(void)unused;
	model_create(0, 10, 4, 0);
	assert_int_equal(model_published_count, 1);
	assert_int_equal(model_slots.generation, 2);
	model_flushes = model_published_count = 0;
	model_move(0, 12); /* into its own old range, in part */
	assert_int_equal(model_published_count, 2);
	assert_int_equal(model_flushes, 1);
	model_check();
	model_set_flags(0, SLOT_READ_ONLY);
	assert_int_equal(model_published_count, 3);
	assert_int_equal(model_last_flushed, SLOT_READ_ONLY);
	model_set_flags(0, SLOT_READ_ONLY); /* nothing new */
	model_move(0, 12);
	assert_int_equal(model_published_count, 3);
	model_delete(0);
	assert_int_equal(model_published_count, 5);
	assert_int_equal(model_slots.count, 0);
	model_published_count = 0;
}

static void test_one_at_a_time(void **unused)
{
	(void)unused;
	model_create(0, 0, 1, 0);
	model_slots.changing = 1;
	assert_int_equal(slots_move(&model_slots, 0, GFN(9)), -EBUSY);
	assert_int_equal(slots_delete(&model_slots, 0), -EBUSY);
	assert_int_equal(slots_set_flags(&model_slots, 0, 1), -EBUSY);
	assert_int_equal(slots_create(&model_slots, &(struct slot_spec){ 0 }, NULL), -EBUSY);
	model_slots.changing = 0;
	model_check();
}

/* Each allocation fails once: nothing changes, nothing is lost. */
static void test_no_memory(void **unused)
{
	const struct slot_spec spec = { .id = 500, .base = GFN(100), .pages = 1 };
	struct slot_backing *b;
	int err = -ENOMEM;

	(void)unused;
	model_create(0, 0, 2, 0);
	for (unsigned n = 1; n <= 2; n++) {
		shim_heap_fail_after(n);
		assert_int_equal(slots_move(&model_slots, 0, GFN(9)), -ENOMEM);
		model_check();
	}
	shim_heap_fail_after(1);
	assert_int_equal(slots_delete(&model_slots, 0), -ENOMEM);
	shim_heap_fail_after(1);
	assert_int_equal(slots_set_flags(&model_slots, 0, 1), -ENOMEM);
	model_check();
	assert_int_equal(slot_backing_alloc(spec.base, 1, false, &b), 0);
	/* The first chunk, the second one, the slot: a chunk that was made stays. */
	for (unsigned n = 1; n <= 3; n++) {
		shim_heap_fail_after(MIN(n, 2u));
		err = slots_create(&model_slots, &spec, b);
		assert_int_equal(err, -ENOMEM);
		model_check();
	}
	shim_heap_fail_after(0);
	slot_backing_free(b);
}

/* A processor that does not answer: the frames stay away from the allocator. */
static int flush_fails(struct slots *s, const struct slot *slot)
{
	(void)s;
	(void)slot;
	return -ETIMEDOUT;
}

static void test_flush_fails(void **unused)
{
	static const struct slots_ops failing = { .flush = flush_fails };
	struct slot_backing *b;
	u64 free_before;

	(void)unused;
	model_create(0, 0, 2, 0);
	b = slot_set_find_id(slots_active(&model_slots), 0)->backing;
	model_slots.ops = &failing;
	free_before = frame_stats().free;
	model_changing = 0;
	assert_int_equal(slots_delete(&model_slots, 0), -ETIMEDOUT);
	assert_null(slot_set_find_id(slots_active(&model_slots), 0));
	assert_int_equal(frame_stats().free, free_before);
	slot_backing_free(b); /* for the test's own balance */
	model[0].used = false;
}

/* --- caches --- */

static void test_caches(void **unused)
{
	struct slot_set *set;
	struct slot *s, *recalled;

	(void)unused;
	model_create(0, 10, 4, 0);
	model_create(1, 20, 4, 0);
	set = slots_active(&model_slots);
	assert_false(model_in_gap(GFN(15))); /* nothing known yet */
	assert_null(slots_find(&model_slots, &model_cache, GFN(15)));
	assert_true(model_in_gap(GFN(14)));
	assert_true(model_in_gap(GFN(19)));
	assert_false(model_in_gap(GFN(13)));
	assert_false(model_in_gap(GFN(20)));
	s = slots_find(&model_slots, &model_cache, GFN(22));
	assert_ptr_equal(model_cache.slot, s);
	assert_ptr_equal(model_cache.extent->backing, s->backing);
	assert_true(slots_recall(&model_slots, &model_cache, GFN(23), &recalled));
	assert_ptr_equal(recalled, s);
	assert_false(slots_recall(&model_slots, &model_cache, GFN(24), &recalled));
	assert_null(recalled);
	assert_true(model_in_gap(GFN(15))); /* both are kept */
	assert_ptr_equal(slot_set_find(set, GFN(22)), s);
	assert_ptr_equal(set->last_used, s);
	/* The set that had it as its last one has its successor in the end. */
	model_set_flags(1, SLOT_DIRTY_LOG);
	assert_ptr_equal(set->last_used, slot_set_find_id(set, model_id(1)));
	assert_false(model_in_gap(GFN(15)));
	assert_ptr_equal(slots_find(&model_slots, &model_cache, GFN(22)), set->last_used);
	model_delete(1);
	assert_null(set->last_used);
	assert_null(slots_find(&model_slots, &model_cache, GFN(22)));
	assert_true(model_in_gap(GFN(~0ull >> 13)));
}

/* --- backings --- */

static void check_extents(const struct slot_backing *b)
{
	u64 page = 0;

	for (u64 i = 0; i < b->extents; i++) {
		assert_int_equal(b->extent[i].page, page);
		page += b->extent[i].pages;
	}
	assert_int_equal(page, b->pages);
	for (u64 p = 0; p < b->pages; p++)
		assert_true(p - slot_backing_find(b, p)->page < slot_backing_find(b, p)->pages);
}

static void test_share(void **unused)
{
	u64 free_before = frame_stats().free;
	struct slot_backing *b, *part;
	hpa_t hole[8];

	(void)unused;
	/* Scattered frames: 0xe0 is aligned to 32 pages, 0x100 to 256. */
	for (unsigned i = 0; i < ARRAY_SIZE(hole); i++)
		hole[i] = frame_alloc(5);
	for (unsigned i = 0; i < ARRAY_SIZE(hole); i += 2)
		frame_free(hole[i], 5);
	assert_int_equal(slot_backing_alloc(GFN(0xe0), 0x123, false, &b), 0);
	check_extents(b);
	assert_true(b->extents > 1);
	assert_int_equal(slot_backing_share(b, 0x123, 1, &part), -EINVAL);
	assert_int_equal(slot_backing_share(b, 0x122, 2, &part), -EINVAL);
	assert_int_equal(slot_backing_share(b, 3, 0, &part), -EINVAL);
	assert_int_equal(slot_backing_share(b, UINT64_MAX, 1, &part), -EINVAL);
	assert_int_equal(slot_backing_share(b, 0x1f, 0x102, &part), 0);
	check_extents(part);
	for (u64 p = 0; p < part->pages; p++) {
		const struct slot_extent *x = slot_backing_find(part, p);
		const struct slot_extent *y = slot_backing_find(b, p + 0x1f);

		assert_int_equal(x->frame.v + p - x->page, y->frame.v + p + 0x1f - y->page);
	}
	slot_backing_free(b);
	assert_true(frame_stats().free < free_before - 4 * 32);
	slot_backing_free(part);
	for (unsigned i = 1; i < ARRAY_SIZE(hole); i += 2)
		frame_free(hole[i], 5);
	assert_int_equal(frame_stats().free, free_before);
}

static void test_fill(void **unused)
{
	u64 free_before = frame_stats().free;
	struct slot_backing *b;

	(void)unused;
	for (unsigned n = 1; n <= 2; n++) {
		shim_heap_fail_after(n);
		assert_int_equal(slot_backing_fill(3, 0xff, &b), -ENOMEM);
		assert_int_equal(frame_stats().free, free_before);
	}
	shim_heap_fail_after(0);
	assert_int_equal(slot_backing_fill(3, 0xff, &b), 0);
	check_extents(b);
	assert_int_equal(frame_stats().free, free_before - 1);
	assert_int_equal(b->extent[0].frame.v, b->extent[2].frame.v);
	assert_int_equal(*(u32 *)phys_to_virt(hfn_to_hpa(b->extent[0].frame)), 0xffffffff);
	slot_backing_free(b);
	slot_backing_free(NULL);
}

static void test_poison(void **unused)
{
	struct slot_backing *b;
	const u8 *page;

	(void)unused;
	assert_int_equal(slot_backing_alloc(GFN(0), 1, true, &b), 0);
	page = phys_to_virt(hfn_to_hpa(b->extent[0].frame));
	assert_int_equal(page[PAGE_SIZE - 1], 0);
	slot_backing_free(b);
	assert_int_equal(page[PAGE_SIZE - 1], SLOT_POISON);
	assert_int_equal(slot_backing_alloc(GFN(0), MODEL_PHYS / PAGE_SIZE, true, &b), -ENOMEM);
}

/* --- the most there can be --- */

static void test_most(void **unused)
{
	struct slot_backing *all, *b;
	struct slot_spec spec = { 0 };
	struct slot *s;

	(void)unused;
	quiet = true;
	slots_fini(&model_slots);
	slots_init(&model_slots, GFN(4 * SLOTS_MAX), &model_ops);
	assert_int_equal(slot_backing_alloc(GFN(0), 1, false, &all), 0);
	for (u32 i = 0; i < SLOTS_MAX; i++) {
		/* Neighbours in the hash, and every bucket that is used twice. */
		spec = (struct slot_spec){ .id = i & 1 ? i / 2 + SLOT_BUCKETS : i / 2,
					   .base = GFN(i * 4),
					   .pages = 1 };
		assert_int_equal(slot_backing_share(all, 0, 1, &b), 0);
		assert_int_equal(slots_create(&model_slots, &spec, b), 0);
	}
	assert_int_equal(slot_backing_share(all, 0, 1, &b), 0);
	spec.id = (1u << SLOT_ID_BITS) - 1;
	spec.base = GFN(2);
	assert_int_equal(model_slots.full, 0);
	assert_int_equal(slots_create(&model_slots, &spec, b), -ENOSPC);
	assert_int_equal(model_slots.full, 1);
	for (u32 i = 0; i < SLOTS_MAX; i++) {
		s = slot_set_find(slots_active(&model_slots), GFN(i * 4));
		assert_non_null(s);
		assert_ptr_equal(slot_set_find_id(slots_active(&model_slots), s->id), s);
		assert_null(slots_find(&model_slots, &model_cache, GFN(i * 4 + 1)));
	}
	/* One goes, one comes. */
	assert_int_equal(slots_delete(&model_slots, 77), 0);
	assert_int_equal(slots_create(&model_slots, &spec, b), 0);
	assert_int_equal(model_slots.count, SLOTS_MAX);
	spec.id++;
	assert_int_equal(slots_create(&model_slots, &spec, b), -EINVAL);
	slot_backing_free(all);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_steps),	T(test_random),	     T(test_one_at_a_time), T(test_no_memory),
		T(test_caches), T(test_share),	     T(test_fill),	    T(test_poison),
		T(test_most),	T(test_flush_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
