#include "hv/slot_set.h"

#include <errno.h>

#include "core/atomic.h"
#include "mm/heap.h"

static struct slot *slot_of(const struct slot_set *set, struct rb_node *n)
{
	struct slot_node *node = rb_entry(n, struct slot_node, by_gfn);

	return container_of(node - set->index, struct slot, node);
}

void slot_set_init(struct slot_set *set, unsigned index)
{
	*set = (struct slot_set){ .index = index };
	interval_tree_init(&set->by_frame);
}

void slot_set_fini(struct slot_set *set)
{
	for (unsigned i = 0; i < SLOT_CHUNKS; i++)
		heap_free(set->chunk[i]);
	slot_set_init(set, set->index);
}

/* --- the hash by id --- */

static struct slot **bucket_of(struct slot_set *set, u32 id)
{
	u32 hash = id & (SLOT_BUCKETS - 1);

	return &set->chunk[hash / SLOT_CHUNK]->bucket[hash % SLOT_CHUNK];
}

int slot_set_prepare(struct slot_set *set, u32 id)
{
	struct slot_chunk **chunk = &set->chunk[(id & (SLOT_BUCKETS - 1)) / SLOT_CHUNK];

	/* Release: who reads the active set finds no chunk, or an empty one; slot_set_find_id(). */
	if (!*chunk)
		store_release(chunk, heap_alloc(sizeof(**chunk)));
	return *chunk ? 0 : -ENOMEM;
}

struct slot *slot_set_find_id(const struct slot_set *set, u32 id)
{
	u32 hash = id & (SLOT_BUCKETS - 1);
	/* Acquire: pairs with the release in slot_set_prepare(). */
	const struct slot_chunk *chunk = load_acquire(&set->chunk[hash / SLOT_CHUNK]);
	struct slot *s = chunk ? chunk->bucket[hash % SLOT_CHUNK] : NULL;

	while (s && s->id != id)
		s = s->node[set->index].next;
	return s;
}

static void hash_replace(struct slot_set *set, struct slot *from, struct slot *to)
{
	struct slot **link;

	if (from) {
		link = bucket_of(set, from->id);
		while (*link != from)
			link = &(*link)->node[set->index].next;
		*link = from->node[set->index].next;
	}
	if (to) {
		link = bucket_of(set, to->id);
		to->node[set->index].next = *link;
		*link = to;
	}
}

/* --- the tree by guest frame --- */

static void insert_by_gfn(struct slot_set *set, struct slot *slot)
{
	struct rb_node **link = &set->by_gfn.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = slot->base.v < slot_of(set, parent)->base.v ? &parent->left : &parent->right;
	}
	rb_link(&set->by_gfn, &slot->node[set->index].by_gfn, parent, link);
}

static struct slot *slot_before(const struct slot_place *place, const struct slot *slot)
{
	struct rb_node *n;

	if (!place->done)
		return place->before;
	n = rb_prev(&slot->node[place->done->index].by_gfn);
	return n ? slot_of(place->done, n) : NULL;
}

static void place_by_gfn(struct slot_set *set, const struct slot_place *place, struct slot *slot)
{
	struct slot *before = slot_before(place, slot);

	rb_insert_after(&set->by_gfn, &slot->node[set->index].by_gfn,
			before ? &before->node[set->index].by_gfn : NULL);
}

static void gfn_replace(struct slot_set *set, const struct slot_place *place, struct slot *from,
			struct slot *to)
{
	if (from && to && from->base.v == to->base.v) {
		rb_replace(&set->by_gfn, &from->node[set->index].by_gfn,
			   &to->node[set->index].by_gfn);
		return;
	}
	if (from)
		rb_remove(&set->by_gfn, &from->node[set->index].by_gfn);
	if (to && place)
		place_by_gfn(set, place, to);
	else if (to)
		insert_by_gfn(set, to);
}

struct slot *slot_set_search(const struct slot_set *set, gfn_t gfn, struct slot_gap *gap)
{
	struct slot *before = NULL, *behind = NULL;
	struct rb_node *n = set->by_gfn.root;
	u64 from, to;

	while (n) {
		struct slot *s = slot_of(set, n);

		if (gfn.v < s->base.v) {
			behind = s;
			n = n->left;
		} else if (slot_holds(s, gfn)) {
			return s;
		} else {
			before = s;
			n = n->right;
		}
	}
	from = before ? before->base.v + before->pages : 0;
	to = behind ? behind->base.v : UINT64_MAX;
	*gap = (struct slot_gap){ from, to - from, before };
	return NULL;
}

struct slot *slot_set_find(struct slot_set *set, gfn_t gfn)
{
	struct slot *s = READ_ONCE(set->last_used);
	struct slot_gap gap;

	if (s && slot_holds(s, gfn))
		return s;
	s = slot_set_search(set, gfn, &gap);
	/* Any slot of this set may stand here: readers overwrite each other's. */
	if (s)
		WRITE_ONCE(set->last_used, s);
	return s;
}

struct slot *slot_set_overlap(const struct slot_set *set, gfn_t base, u64 pages,
			      struct slot_gap *gap)
{
	struct slot *s = slot_set_search(set, base, gap);

	if (s || gap->first + gap->pages - base.v >= pages)
		return s;
	return gap->before ? slot_set_next(set, gap->before) : slot_set_first(set);
}

struct slot *slot_set_first(const struct slot_set *set)
{
	struct rb_node *n = rb_first(&set->by_gfn);

	return n ? slot_of(set, n) : NULL;
}

struct slot *slot_set_next(const struct slot_set *set, struct slot *slot)
{
	struct rb_node *n = rb_next(&slot->node[set->index].by_gfn);

	return n ? slot_of(set, n) : NULL;
}

/* --- the tree by host frame --- */

static struct slot_extent *extent_of(const struct slot_set *set, struct interval_node *n)
{
	return n ? container_of(n - set->index, struct slot_extent, node) : NULL;
}

/* Behind the extent that it stands behind in the other set: not one of several, of which that may
 * be another. */
static void place_by_frame(struct slot_set *set, const struct slot_set *done, struct slot_extent *e)
{
	struct slot_extent *before = extent_of(done, interval_tree_before(&e->node[done->index]));

	interval_tree_insert_after(&set->by_frame, &e->node[set->index],
				   before ? &before->node[set->index] : NULL);
}

static void insert_by_frame(struct slot_set *set, const struct slot_place *place, struct slot *slot)
{
	struct slot_backing *b = slot->backing;

	b->slot[set->index] = slot;
	if (place && place->done && b->extents == 1) {
		place_by_frame(set, place->done, &b->extent[0]);
		return;
	}
	for (u64 i = 0; i < b->extents; i++)
		interval_tree_insert(&set->by_frame, &b->extent[i].node[set->index]);
}

static void remove_by_frame(struct slot_set *set, struct slot_backing *b)
{
	b->slot[set->index] = NULL;
	for (u64 i = 0; i < b->extents; i++)
		interval_tree_remove(&set->by_frame, &b->extent[i].node[set->index]);
}

/* A copy has the backing of its original: nothing moves in the tree then. */
static void frame_replace(struct slot_set *set, const struct slot_place *place,
			  const struct slot *from, struct slot *to)
{
	if (!from)
		insert_by_frame(set, place, to);
	else if (!to)
		remove_by_frame(set, from->backing);
	else
		to->backing->slot[set->index] = to;
}

struct slot_extent *slot_set_first_extent(const struct slot_set *set, hfn_t first, hfn_t last)
{
	return extent_of(set, interval_tree_first(&set->by_frame, first.v, last.v));
}

struct slot_extent *slot_set_next_extent(const struct slot_set *set, struct slot_extent *extent,
					 hfn_t first, hfn_t last)
{
	return extent_of(set, interval_tree_next(&extent->node[set->index], first.v, last.v));
}

/* --- all three --- */

void slot_set_replace(struct slot_set *set, const struct slot_place *place, struct slot *from,
		      struct slot *to)
{
	struct slot *expected = from;

	hash_replace(set, from, to);
	gfn_replace(set, place, from, to);
	frame_replace(set, place, from, to);
	/* What the readers of this set left here when it was theirs. */
	if (from)
		(void)atomic_cmpxchg(&set->last_used, &expected, to);
}
