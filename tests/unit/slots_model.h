/*
 * Slots against a naive model, for the unit test and the fuzzer: an array in which everything is
 * searched. Whoever includes this supplies rcu_synchronize(), which calls model_published().
 */
#ifndef NEAP_TESTS_SLOTS_MODEL_H
#define NEAP_TESTS_SLOTS_MODEL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/slots.h"
#include "ptab_fake.h"

#define MODEL_IDS   24	/* the second half: ids with the same hash as those of the first */
#define MODEL_SPACE 256 /* guest frames */
#define MODEL_PHYS  (16 * MIB)

#define MODEL_CHECK(cond)                                                                  \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                           \
		}                                                                          \
	} while (0)

struct model_slot {
	bool used;
	u64 base, pages;
	u32 flags;
	u64 tag; /* what stands in its first word */
};

static struct slots model_slots;
static struct model_slot model[MODEL_IDS];
static u64 model_tags;
static unsigned model_published_count, model_flushes;
static int model_changing = -1; /* index of the slot that a change is about */
static u32 model_last_flushed;	/* flags */
static struct slot_cache model_cache;

static u32 model_id(unsigned i)
{
	return i < MODEL_IDS / 2 ? i * 3 : (i - MODEL_IDS / 2) * 3 + SLOT_BUCKETS;
}

/* The model's answer; -1: none. */
static int model_find(u64 gfn)
{
	for (int i = 0; i < MODEL_IDS; i++) {
		if (model[i].used && gfn - model[i].base < model[i].pages)
			return i;
	}
	return -1;
}

static bool model_meets(int except, u64 base, u64 pages)
{
	for (int i = 0; i < MODEL_IDS; i++) {
		if (i != except && model[i].used && base < model[i].base + model[i].pages &&
		    model[i].base < base + pages)
			return true;
	}
	return false;
}

static u64 *model_word(const struct slot *s, u64 gfn)
{
	return phys_to_virt(hfn_to_hpa(slot_frame(s, GFN(gfn))));
}

static void model_check_slot(const struct slot_set *set, const struct slot *s, int i)
{
	MODEL_CHECK(s->id == model_id((unsigned)i));
	MODEL_CHECK(slot_set_find_id(set, s->id) == s);
	MODEL_CHECK(s->backing->slot[set->index] == s);
	MODEL_CHECK(s->backing->pages == s->pages && s->pages == model[i].pages);
	MODEL_CHECK(*model_word(s, s->base.v) == model[i].tag);
	if (i == model_changing)
		return;
	MODEL_CHECK(s->base.v == model[i].base && s->flags == model[i].flags);
}

/* Each slot in order, none twice, all of the model's there but for the one that changes. */
static void model_check_set(const struct slot_set *set)
{
	struct slot *s = slot_set_first(set);
	u64 end = 0;
	int n = 0, used = 0;

	for (; s; s = slot_set_next(set, s), n++) {
		int i = (int)(s->id % SLOT_BUCKETS / 3);

		i += s->id >= SLOT_BUCKETS ? MODEL_IDS / 2 : 0;
		MODEL_CHECK(s->base.v >= end);
		end = s->base.v + s->pages;
		model_check_slot(set, s, i);
	}
	for (int i = 0; i < MODEL_IDS; i++)
		used += model[i].used && i != model_changing;
	MODEL_CHECK(n == used || (model_changing >= 0 && n == used + 1));
}

/* The reverse map: every page of every slot, by its host frame, and nothing else. */
static void model_check_frames(const struct slot_set *set)
{
	u64 pages = 0, expected = 0;
	struct slot_extent *e = slot_set_first_extent(set, HFN(0), HFN(UINT64_MAX));

	for (; e; e = slot_set_next_extent(set, e, HFN(0), HFN(UINT64_MAX))) {
		const struct slot *s = e->backing->slot[set->index];

		MODEL_CHECK(s && slot_frame(s, GFN(s->base.v + e->page)).v == e->frame.v);
		pages += e->pages;
	}
	for (int i = 0; i < MODEL_IDS; i++)
		expected += model[i].used ? model[i].pages : 0;
	MODEL_CHECK(pages == expected);
}

/* The cache knows that no slot is there. */
static inline bool model_in_gap(gfn_t gfn)
{
	struct slot *slot;

	return slots_recall(&model_slots, &model_cache, gfn, &slot) && !slot;
}

static void model_check_lookup(u64 gfn)
{
	struct slot_set *set = slots_active(&model_slots);
	struct slot *cached = slots_find(&model_slots, &model_cache, GFN(gfn));
	int i = model_find(gfn);
	struct slot_gap gap;

	MODEL_CHECK(cached == slot_set_find(set, GFN(gfn)));
	MODEL_CHECK(cached == slot_set_search(set, GFN(gfn), &gap));
	MODEL_CHECK((i < 0) == !cached);
	if (cached) {
		MODEL_CHECK(cached->id == model_id((unsigned)i));
		return;
	}
	MODEL_CHECK(model_in_gap(GFN(gfn)));
	for (u64 g = 0; g < MODEL_SPACE; g++)
		MODEL_CHECK(g - gap.first >= gap.pages || model_find(g) < 0);
}

/* Between two changes. Both sets say what the model does. */
static void model_check(void)
{
	model_changing = -1;
	for (unsigned i = 0; i < SLOT_SETS; i++) {
		model_check_set(&model_slots.set[i]);
		model_check_frames(&model_slots.set[i]);
	}
}

/* From rcu_synchronize(): what is published is whole; a slot about to go is there and invalid. */
static void model_published(void)
{
	model_published_count++;
	model_check_set(slots_active(&model_slots));
}

static int model_flush(struct slots *s, const struct slot *slot)
{
	struct slot_set *set = slots_active(s);

	/* That of the set everybody sees, not the one it replaced. */
	MODEL_CHECK(slot_set_find_id(set, slot->id) == slot);
	MODEL_CHECK(slot_set_find(set, slot->base) == slot);
	model_last_flushed = slot->flags;
	model_flushes++;
	return 0;
}

static const struct slots_ops model_ops = { .flush = model_flush, .log = model_flush };

static void model_init(void)
{
	ptab_fake_memory(MODEL_PHYS);
	memset(model, 0, sizeof(model));
	model_cache = (struct slot_cache){ 0 };
	slots_init(&model_slots, GFN(MODEL_SPACE), &model_ops);
}

static void model_fini(void)
{
	slots_fini(&model_slots);
	MODEL_CHECK(frame_stats().free == frame_stats().total);
	ptab_fake_memory_end();
}

static bool model_range_ok(u64 base, u64 pages)
{
	return pages && base < MODEL_SPACE && pages <= MODEL_SPACE - base;
}

static void model_create(unsigned i, u64 base, u64 pages, u32 flags)
{
	const struct slot_spec spec = { model_id(i), flags, GFN(base), pages };
	struct slot_backing *b;
	int err, expected = 0;

	if (!pages || slot_backing_alloc(GFN(base), pages, true, &b))
		return;
	if (!model_range_ok(base, pages) || (flags & ~(u32)SLOT_FLAGS))
		expected = -EINVAL;
	else if (model[i].used || model_meets(-1, base, pages))
		expected = -EEXIST;
	if (!expected) {
		model_changing = (int)i;
		model[i] = (struct model_slot){ true, base, pages, flags, ++model_tags };
		*(u64 *)phys_to_virt(hfn_to_hpa(b->extent[0].frame)) = model_tags;
	}
	err = slots_create(&model_slots, &spec, b);
	MODEL_CHECK(err == expected);
	if (err)
		slot_backing_free(b);
}

static void model_move(unsigned i, u64 base)
{
	int expected = 0;

	if (!model[i].used)
		expected = -ENOENT;
	else if (!model_range_ok(base, model[i].pages))
		expected = -EINVAL;
	else if (model_meets((int)i, base, model[i].pages))
		expected = -EEXIST;
	model_changing = (int)i;
	model_last_flushed = SLOT_INVALID;
	MODEL_CHECK(slots_move(&model_slots, model_id(i), GFN(base)) == expected);
	MODEL_CHECK(model_last_flushed & SLOT_INVALID);
	if (!expected)
		model[i].base = base;
}

static void model_delete(unsigned i)
{
	int expected = model[i].used ? 0 : -ENOENT;
	u64 free_before = frame_stats().free, pages = model[i].used ? model[i].pages : 0;

	model_changing = (int)i;
	model_last_flushed = SLOT_INVALID;
	MODEL_CHECK(slots_delete(&model_slots, model_id(i)) == expected);
	MODEL_CHECK(model_last_flushed & SLOT_INVALID);
	model[i].used = false;
	MODEL_CHECK(frame_stats().free == free_before + pages);
}

static void model_set_flags(unsigned i, u32 flags)
{
	int expected = 0;

	if (flags & ~(u32)SLOT_FLAGS)
		expected = -EINVAL;
	else if (!model[i].used)
		expected = -ENOENT;
	model_changing = (int)i;
	MODEL_CHECK(slots_set_flags(&model_slots, model_id(i), flags) == expected);
	if (!expected)
		model[i].flags = flags;
}

#endif
