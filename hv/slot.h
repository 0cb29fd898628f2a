/*
 * A memory slot: a range of guest-physical pages and the host frames behind it. Two copies of one
 * slot never stand in a set at once; what they have in common is the backing.
 *
 * All is written before the slot is published in a set and not changed after that, but for the
 * nodes, of which each belongs to one of the two sets: hv/slots.c changes those of a set that
 * nobody reads. Readers hold a slot from rcu_dereference() of the set to their quiescent state.
 */
#ifndef NEAP_HV_SLOT_H
#define NEAP_HV_SLOT_H

#include "core/rbtree.h"
#include "hv/dirty_bitmap.h"
#include "hv/slot_backing.h"

#define SLOT_READ_ONLY BIT(0) /* the guest's writes are ignored, as a ROM does */
#define SLOT_DIRTY_LOG BIT(1) /* writes are to be recorded */
#define SLOT_FLAGS     (SLOT_READ_ONLY | SLOT_DIRTY_LOG) /* those a caller may give */
/* About to go, or to move: nothing may be mapped from it, and what is mapped is being removed. */
#define SLOT_INVALID BIT(31)

/* What one of the two sets keeps in a slot. */
struct slot_node {
	struct rb_node by_gfn;
	struct slot *next; /* with the same hash of the id */
};

struct slot {
	struct slot_node node[SLOT_SETS];
	gfn_t base;
	u64 pages;
	u32 id, flags;
	struct slot_backing *backing; /* shared by the copies of a slot */
	struct dirty_bitmap *log;     /* the same; NULL without SLOT_DIRTY_LOG */
};

/* Whether that frame is in it. Fixed for a copy that was published. */
static force_inline bool slot_holds(const struct slot *slot, gfn_t gfn)
{
	return gfn.v - slot->base.v < slot->pages;
}

/* The host frame behind a page of the slot. */
static inline hfn_t slot_frame(const struct slot *slot, gfn_t gfn)
{
	u64 page = gfn.v - slot->base.v;
	const struct slot_extent *e = slot_backing_find(slot->backing, page);

	return HFN(e->frame.v + (page - e->page));
}

#endif
