/*
 * Slots: one thread changes them, the others look up, "map" and touch what they find. A grace
 * period is over when each reader has passed its quiescent state; a frame that is touched after it
 * was given back, or a mapping that outlives its slot, is seen, by the poison and by the sanitizer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "hv/slots.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "ptab_fake.h"
#include "shim.h"
#include "tsan.h"

#define PHYS	  (16 * MIB)
#define IDS	  12
#define SPACE	  128 /* guest frames */
#define PAGES_MAX 8
#define LEAST	  64 /* changes */
#define POISON	  (0x0101010101010101ull * SLOT_POISON)

static struct slots slots;
static u64 passed[TSAN_THREADS]; /* quiescent states of each reader */
static u32 over;		 /* readers that are done */
static bool stop;		 /* the changer is */
static u64 mapped[SPACE];	 /* "page tables": a frame's number, 0: none */
static bool used[IDS];		 /* the changer's own */

/* Readers that are done hold nothing. */
static void wait_for_readers(void)
{
	u64 seen[TSAN_THREADS];

	for (unsigned i = 1; i < TSAN_THREADS; i++)
		seen[i] = load_acquire(&passed[i]);
	for (unsigned i = 1; i < TSAN_THREADS; i++) {
		while (load_acquire(&passed[i]) == seen[i] && load_acquire(&over) == 0)
			sched_yield();
	}
}

void rcu_synchronize(void)
{
	wait_for_readers();
}

static int flush(struct slots *s, const struct slot *slot)
{
	TSAN_CHECK(slot_set_find_id(slots_active(s), slot->id) == slot);
	for (u64 g = slot->base.v; g < slot->base.v + slot->pages; g++)
		atomic_xchg(&mapped[g], 0);
	/* Who has it in its "TLB" has read it from there before this. */
	wait_for_readers();
	return 0;
}

static const struct slots_ops ops = { .flush = flush, .log = flush };

/* --- readers --- */

static u64 *word_of(u64 frame)
{
	return phys_to_virt(hfn_to_hpa(HFN(frame)));
}

/* As a fault does: finds the slot and maps the frame; what is there already is left alone. */
static void fault(struct slot_cache *cache, u64 gfn)
{
	struct slot *s, *last;
	u64 none = 0;

	if (!slots_recall(&slots, cache, GFN(gfn), &s))
		s = slots_find(&slots, cache, GFN(gfn));
	/* What was found is remembered, until there is a new generation. */
	TSAN_CHECK(slots_recall(&slots, cache, GFN(gfn), &last)
			   ? last == s
			   : cache->generation != slots_generation(&slots));
	if (!s)
		return;
	TSAN_CHECK(slot_holds(s, GFN(gfn)) && s->pages == s->backing->pages);
	TSAN_CHECK(cache->slot == s && cache->extent->backing == s->backing);
	if (!(s->flags & SLOT_INVALID))
		(void)atomic_cmpxchg(&mapped[gfn], &none, slot_frame(s, GFN(gfn)).v);
}

/* As the processor does: goes where the tables lead. */
static void touch(u64 gfn)
{
	u64 frame = load_acquire(&mapped[gfn]);

	if (frame)
		TSAN_CHECK(READ_ONCE(*word_of(frame)) != POISON);
}

static void look_up(struct tsan_thread *t)
{
	struct slot_set *set = slots_active(&slots);
	struct slot *s = slot_set_find(set, GFN(tsan_random(t, SPACE)));

	if (s)
		TSAN_CHECK(slot_set_find_id(set, s->id) == s);
	s = slot_set_find_id(set, tsan_random(t, IDS));
	if (s)
		TSAN_CHECK(slot_set_find(set, s->base) == s);
}

static void *read_on(struct tsan_thread *t)
{
	struct slot_cache cache = { 0 };

	while (!load_acquire(&stop)) {
		u64 gfn = tsan_random(t, SPACE);

		fault(&cache, gfn);
		touch(gfn);
		look_up(t);
		t->operations++;
		/* Release: all that was found is done with. */
		store_release(&passed[t->id], passed[t->id] + 1);
	}
	return NULL;
}

/* --- the changer --- */

static bool range_is_unmapped(u64 base, u64 pages)
{
	for (u64 g = base; g < base + pages; g++) {
		if (READ_ONCE(mapped[g]) && !slot_set_find(slots_active(&slots), GFN(g)))
			return false;
	}
	return true;
}

static void create(struct tsan_thread *t, u32 id)
{
	const struct slot_spec spec = { .id = id,
					.base = GFN(tsan_random(t, SPACE)),
					.pages = 1 + tsan_random(t, PAGES_MAX) };
	struct slot_backing *b;
	int err;

	TSAN_CHECK(slot_backing_alloc(spec.base, spec.pages, true, &b) == 0);
	err = slots_create(&slots, &spec, b);
	TSAN_CHECK(!err || err == -EEXIST || err == -EINVAL);
	if (err)
		slot_backing_free(b);
	else
		used[id] = true;
}

static void change(struct tsan_thread *t)
{
	u32 id = tsan_random(t, IDS);
	struct slot *s = slot_set_find_id(slots_active(&slots), id);
	u64 base = s ? s->base.v : 0, pages = s ? s->pages : 0;
	int err = 0;

	TSAN_CHECK(!s == !used[id]);
	if (!s)
		create(t, id);
	else if (tsan_random(t, 3) == 0)
		err = slots_set_flags(&slots, id, tsan_random(t, 4));
	else if (tsan_random(t, 2))
		err = slots_move(&slots, id, GFN(tsan_random(t, SPACE)));
	else
		used[id] = slots_delete(&slots, id) != 0;
	TSAN_CHECK(!err || err == -EEXIST || err == -EINVAL);
	TSAN_CHECK(range_is_unmapped(base, pages));
}

static void *work(void *arg)
{
	struct tsan_thread *t = arg;

	if (t->id)
		return read_on(t);
	while (tsan_going_at_least(t, LEAST))
		change(t);
	store_release(&stop, true);
	return NULL;
}

static void test_changes(void **unused)
{
	(void)unused;
	ptab_fake_memory(PHYS);
	slots_init(&slots, GFN(SPACE), &ops);
	assert_true(tsan_run(work) > 100);
	slots_fini(&slots);
	assert_int_equal(frame_stats().free, frame_stats().total);
	ptab_fake_memory_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_changes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
