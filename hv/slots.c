#include "hv/slots.h"

#include <errno.h>

#include "core/log.h"
#include "mm/heap.h"

void slots_init(struct slots *s, gfn_t end, const struct slots_ops *ops)
{
	*s = (struct slots){ .generation = 1, .end = end.v, .ops = ops };
	for (unsigned i = 0; i < SLOT_SETS; i++)
		slot_set_init(&s->set[i], i);
	s->active = &s->set[0];
}

void slots_fini(struct slots *s)
{
	struct slot_set *set = s->active;
	struct slot *slot;

	while (set && (slot = slot_set_first(set))) {
		slot_set_replace(set, NULL, slot, NULL);
		slot_backing_free(slot->backing);
		dirty_bitmap_free(slot->log);
		heap_free(slot);
	}
	for (unsigned i = 0; set && i < SLOT_SETS; i++)
		slot_set_fini(&s->set[i]);
	s->count = 0;
}

/* --- readers --- */

struct slot *slots_find(struct slots *s, struct slot_cache *c, gfn_t gfn)
{
	/* Before the set is read: the set is of this generation, or a later one. */
	u64 generation = slots_generation(s);
	struct slot *slot;

	if (c->generation != generation)
		*c = (struct slot_cache){ .generation = generation };
	if (c->slot && slot_holds(c->slot, gfn))
		return c->slot;
	if (gfn.v - c->gap.first < c->gap.pages)
		return NULL;
	slot = slot_set_search(slots_active(s), gfn, &c->gap);
	if (slot) {
		c->slot = slot;
		c->extent = &slot->backing->extent[0];
	}
	return slot;
}

/* --- the changer --- */

static int begin_change(struct slots *s)
{
	return atomic_xchg(&s->changing, 1u) ? -EBUSY : 0;
}

static int end_change(struct slots *s, int err)
{
	store_release(&s->changing, 0u);
	return err;
}

static struct slot_set *inactive(struct slots *s)
{
	return &s->set[s->active == &s->set[0]];
}

/* All see the other set from now on; returns when nobody reads the one that was active. */
static void publish(struct slots *s)
{
	rcu_assign_pointer(s->active, inactive(s));
	store_release(&s->generation, s->generation + 1);
	rcu_synchronize();
}

/* The change that the active set has, in the other one. */
static void follow(struct slots *s, struct slot *from, struct slot *to)
{
	const struct slot_place place = { .done = s->active };

	slot_set_replace(inactive(s), &place, from, to);
}

/* One change, in both sets. `from` is in neither of them afterwards, and nobody has it. */
static void change_both(struct slots *s, const struct slot_place *place, struct slot *from,
			struct slot *to)
{
	slot_set_replace(inactive(s), place, from, to);
	publish(s);
	follow(s, from, to);
}

static struct slot *copy_of(const struct slot *slot, gfn_t base, u32 flags)
{
	struct slot *copy = heap_alloc(sizeof(*copy));

	if (!copy)
		return NULL;
	copy->id = slot->id;
	copy->base = base;
	copy->pages = slot->pages;
	copy->flags = flags;
	copy->backing = slot->backing;
	copy->log = slot->log;
	return copy;
}

/* Gives a slot that is in no set its log, if its flags want one. */
static int add_log(struct slot *slot)
{
	if (!(slot->flags & SLOT_DIRTY_LOG))
		return 0;
	slot->log = dirty_bitmap_new(slot->pages);
	return slot->log ? 0 : -ENOMEM;
}

static bool is_range(const struct slots *s, gfn_t base, u64 pages)
{
	return pages && base.v < s->end && pages <= s->end - base.v;
}

static int check_spec(struct slots *s, const struct slot_spec *spec,
		      const struct slot_backing *backing, struct slot_gap *gap)
{
	if (spec->id >> SLOT_ID_BITS || (spec->flags & ~(u32)SLOT_FLAGS) ||
	    !is_range(s, spec->base, spec->pages) || backing->pages != spec->pages)
		return -EINVAL;
	if (slot_set_find_id(s->active, spec->id) ||
	    slot_set_overlap(s->active, spec->base, spec->pages, gap))
		return -EEXIST;
	if (s->count < SLOTS_MAX)
		return 0;
	s->full++;
	return -ENOSPC;
}

static int create(struct slots *s, const struct slot_spec *spec, struct slot_backing *backing)
{
	struct slot_gap gap = { 0 };
	int err = check_spec(s, spec, backing, &gap);
	/* Both sets hold the same slots before a change. */
	const struct slot_place place = { .before = gap.before };
	struct slot *slot;

	for (unsigned i = 0; !err && i < SLOT_SETS; i++)
		err = slot_set_prepare(&s->set[i], spec->id);
	if (err)
		return err;
	slot = heap_alloc(sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	slot->id = spec->id;
	slot->base = spec->base;
	slot->pages = spec->pages;
	slot->flags = spec->flags;
	slot->backing = backing;
	if (add_log(slot)) {
		heap_free(slot);
		return -ENOMEM;
	}
	change_both(s, &place, NULL, slot);
	s->count++;
	return 0;
}

int slots_create(struct slots *s, const struct slot_spec *spec, struct slot_backing *backing)
{
	int err = begin_change(s);

	return err ? err : end_change(s, create(s, spec, backing));
}

/*
 * `from` goes, and `to` comes in its place (NULL: nothing), somewhere else. First an invalid copy
 * takes its place: when that is published and the readers of the set before it are gone, nobody can
 * map anything of the slot any more. Then what is mapped is removed, of the slot that is active
 * now: the copy. The set that has been inactive since holds `from` still.
 */
static int take_away(struct slots *s, struct slot *from, struct slot *invalid, struct slot *to)
{
	int err;

	slot_set_replace(inactive(s), NULL, from, invalid);
	publish(s);
	err = s->ops->flush(s, invalid);
	slot_set_replace(inactive(s), NULL, from, to);
	publish(s);
	follow(s, invalid, to);
	return err;
}

static int move(struct slots *s, u32 id, gfn_t base)
{
	struct slot *from = slot_set_find_id(s->active, id), *invalid, *to, *other;
	struct slot_gap gap;
	int err = -ENOMEM;

	if (!from)
		return -ENOENT;
	if (!is_range(s, base, from->pages))
		return -EINVAL;
	if (base.v == from->base.v)
		return 0;
	/* The range may be in part its own: the first slot there that is another one counts. */
	other = slot_set_overlap(s->active, base, from->pages, &gap);
	if (other == from)
		other = slot_set_next(s->active, from);
	if (other && other != from && other->base.v < base.v + from->pages)
		return -EEXIST;
	invalid = copy_of(from, from->base, from->flags | SLOT_INVALID);
	to = copy_of(from, base, from->flags);
	if (invalid && to) {
		err = take_away(s, from, invalid, to);
		to = from;
	}
	/* All went well: the original. If not: what could be had. */
	heap_free(to);
	heap_free(invalid);
	return err;
}

int slots_move(struct slots *s, u32 id, gfn_t base)
{
	int err = begin_change(s);

	return err ? err : end_change(s, move(s, id, base));
}

static int delete (struct slots *s, u32 id)
{
	struct slot *from = slot_set_find_id(s->active, id), *invalid;
	int err;

	if (!from)
		return -ENOENT;
	invalid = copy_of(from, from->base, from->flags | SLOT_INVALID);
	if (!invalid)
		return -ENOMEM;
	err = take_away(s, from, invalid, NULL);
	s->count--;
	if (!err)
		slot_backing_free(from->backing);
	dirty_bitmap_free(from->log);
	heap_free(from);
	heap_free(invalid);
	return err;
}

int slots_delete(struct slots *s, u32 id)
{
	int err = begin_change(s);

	return err ? err : end_change(s, delete (s, id));
}

/* Nobody has the slot, but for what a copy of it may have in common with it. */
static void free_copy(struct slot *slot, bool with_log)
{
	if (with_log)
		dirty_bitmap_free(slot->log);
	heap_free(slot);
}

/* `to`, a copy of `from` with other flags, takes its place. -ENOMEM: it does not. */
static int change_flags(struct slots *s, struct slot *from, struct slot *to)
{
	bool log_only = (from->flags ^ to->flags) == SLOT_DIRTY_LOG;
	int err;

	change_both(s, NULL, from, to);
	/* Who knew the old flags has mapped what it was to map: the next faults map by the new. */
	err = log_only ? s->ops->log(s, to) : s->ops->flush(s, to);
	if (err != -ENOMEM)
		return err;
	change_both(s, NULL, to, from);
	/* What was mapped for the log is made to fit again. */
	if (s->ops->log(s, from))
		log_warn("slots: slot %u is as it was, but a CPU may not have seen it", from->id);
	return -ENOMEM;
}

static int set_flags(struct slots *s, u32 id, u32 flags)
{
	struct slot *from = slot_set_find_id(s->active, id), *to;
	bool switched;
	int err;

	if (flags & ~(u32)SLOT_FLAGS)
		return -EINVAL;
	if (!from)
		return -ENOENT;
	if (from->flags == flags)
		return 0;
	to = copy_of(from, from->base, flags);
	if (!to)
		return -ENOMEM;
	switched = (from->flags ^ flags) & SLOT_DIRTY_LOG;
	if (switched)
		to->log = NULL;
	err = switched ? add_log(to) : 0;
	if (!err)
		err = change_flags(s, from, to);
	free_copy(err == -ENOMEM ? to : from, switched);
	return err;
}

int slots_set_flags(struct slots *s, u32 id, u32 flags)
{
	int err = begin_change(s);

	return err ? err : end_change(s, set_flags(s, id, flags));
}
