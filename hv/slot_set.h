/*
 * A set of slots: a red-black tree by guest frame, an interval tree over the host frames behind
 * them, and a hash by id. Sets come in twos (hv/slots.h): one is read by everybody and changed by
 * nobody, the other is changed by one worker and read by nobody. Every function is O(log n).
 */
#ifndef NEAP_HV_SLOT_SET_H
#define NEAP_HV_SLOT_SET_H

#include "hv/slot.h"

/* As many as KVM has: guests and scripts that know one limit need not learn another. */
#define SLOTS_MAX    32764u
#define SLOT_ID_BITS 16
/*
 * Buckets come in chunks, made with the first slot in them. There is one for each two ids: a chain
 * has two slots at most, whoever chooses the ids.
 */
#define SLOT_BUCKETS 32768u
#define SLOT_CHUNK   128u
#define SLOT_CHUNKS  (SLOT_BUCKETS / SLOT_CHUNK)
_Static_assert(SLOT_BUCKETS % SLOT_CHUNK == 0, "chunks fill the table");
_Static_assert((SLOT_BUCKETS & (SLOT_BUCKETS - 1)) == 0, "the hash is a mask");
_Static_assert(1u << SLOT_ID_BITS == 2 * SLOT_BUCKETS, "two ids to a bucket");
_Static_assert(SLOTS_MAX < 1u << SLOT_ID_BITS, "as many slots as there may be have an id each");

struct slot_chunk {
	struct slot *bucket[SLOT_CHUNK];
};

struct slot_set {
	unsigned index; /* which node of each slot is this set's */
	struct rb_tree by_gfn;
	struct interval_tree by_frame;
	struct slot_chunk *chunk[SLOT_CHUNKS];
	struct slot *last_used; /* a hint for readers, who write it as well: any slot of this set */
};

/* Frames without a slot between two slots (or an end of the address space). */
struct slot_gap {
	u64 first, pages;
	struct slot *before; /* the slot that ends in front of it; NULL: none */
};

/* Where a slot that is added stands, as far as that is known already. */
struct slot_place {
	const struct slot_set *done; /* the other set, which has it and differs in nothing else */
	struct slot *before;	     /* without `done`: the slot in front, NULL: none */
};

/* An empty one; index 0 or 1: which of a slot's nodes belong to it. */
void slot_set_init(struct slot_set *set, unsigned index);

/* Frees the chunks. */
void slot_set_fini(struct slot_set *set);

/* Makes room for an id. -ENOMEM. The set's writer. */
int slot_set_prepare(struct slot_set *set, u32 id) __must_check;

/*
 * Puts `to` where `from` is; without `from`, adds it (its id prepared, its range free); without
 * `to`, removes it. Both have the same id and backing. place: NULL, or what need not be searched
 * for. The set's writer.
 */
void slot_set_replace(struct slot_set *set, const struct slot_place *place, struct slot *from,
		      struct slot *to);

/* The slot that has gfn; NULL: none, and *gap is where it lies. Readers or the writer. */
struct slot *slot_set_search(const struct slot_set *set, gfn_t gfn, struct slot_gap *gap);

/* The same by way of the slot that was found last. Readers. */
struct slot *slot_set_find(struct slot_set *set, gfn_t gfn);

/* The slot with an id, or NULL. Readers or the writer. */
struct slot *slot_set_find_id(const struct slot_set *set, u32 id);

/* The first slot, by guest frame, that has a page in [base, base + pages); NULL: none, and *gap is
 * where they lie. */
struct slot *slot_set_overlap(const struct slot_set *set, gfn_t base, u64 pages,
			      struct slot_gap *gap);

/* Slots in order of their guest frames; NULL at the end. */
struct slot *slot_set_first(const struct slot_set *set);
struct slot *slot_set_next(const struct slot_set *set, struct slot *slot);

/*
 * The extents that have one of the host frames [first, last], by ascending frame;
 * extent->backing->slot[set->index] is the slot. NULL at the end.
 */
struct slot_extent *slot_set_first_extent(const struct slot_set *set, hfn_t first, hfn_t last);
struct slot_extent *slot_set_next_extent(const struct slot_set *set, struct slot_extent *extent,
					 hfn_t first, hfn_t last);

#endif
