/*
 * A VM's memory slots: two sets over one copy of the slots. Readers use the active set; a change is
 * made in the other one, published, and made once more in the set that was active when its readers
 * have left. Guests run all the while.
 *
 * Readers: any context that RCU calls a reader, such as an exit's handler from one entry of the
 * guest to the next. They take no lock. Slots and sets found must not be used beyond that.
 */
#ifndef NEAP_HV_SLOTS_H
#define NEAP_HV_SLOTS_H

#include "core/rcu.h"
#include "hv/slot_set.h"

struct slots;

struct slots_ops {
	/*
	 * Removes what is mapped of a slot, which is in the active set, and waits until no
	 * processor has it in its TLBs. The changer's context; may wait. -ETIMEDOUT: one may
	 * have it still; the slot's frames are not given back then.
	 */
	int (*flush)(struct slots *slots, const struct slot *slot);
	/*
	 * A slot, which is in the active set, has a log now, or has none any more: what is mapped
	 * of it is made to fit. Likewise. -ENOMEM: it cannot have one.
	 */
	int (*log)(struct slots *slots, const struct slot *slot);
};

struct slots {
	struct slot_set *active; /* by RCU */
	/*
	 * One more for each set published: what was found under an older one may be gone. Written
	 * behind `active`; who reads it first, finds a set that is no older.
	 */
	u64 generation;
	struct slot_set set[SLOT_SETS];
	const struct slots_ops *ops;
	u64 end;      /* first guest frame that no slot may have */
	u32 count;    /* of slots; changer's */
	u32 changing; /* atomic: a change is under way */
	u64 full;     /* times that SLOTS_MAX was hit */
};

/* What a vCPU has found last: a slot, and the gap that its devices lie in. Its own thread's. */
struct slot_cache {
	u64 generation; /* of what is here; no generation is 0 */
	struct slot *slot;
	const struct slot_extent *extent; /* of slot's backing, if there is a slot */
	struct slot_gap gap;
};

/* An empty pair of sets for guest frames below `end`. */
void slots_init(struct slots *s, gfn_t end, const struct slots_ops *ops);

/* Frees all slots and their backings. Nobody uses them, no TLB has them. */
void slots_fini(struct slots *s);

struct slot_spec {
	u32 id; /* SLOT_ID_BITS */
	u32 flags;
	gfn_t base;
	u64 pages;
};

/*
 * Changes, each by a worker, which waits for grace periods; one at a time: -EBUSY when another is
 * under way. -EINVAL: no such id, range or flags can be. On error nothing has changed.
 *
 * Create: the backing, with as many pages, becomes the slot's (on success). -EEXIST: the id is
 * taken, or a page of the range; -ENOSPC: SLOTS_MAX; -ENOMEM.
 */
int slots_create(struct slots *s, const struct slot_spec *spec,
		 struct slot_backing *backing) __must_check;

/*
 * -ENOENT: no such id; -EEXIST: another slot has a page there; -ENOMEM. -ETIMEDOUT, here and below:
 * done, but a processor may go on using what was mapped.
 */
int slots_move(struct slots *s, u32 id, gfn_t base) __must_check;

/* -ENOENT, -ENOMEM; -ETIMEDOUT: its frames are lost. Else they are free when this returns, unless
 * another slot shares them. */
int slots_delete(struct slots *s, u32 id) __must_check;

/* -ENOENT, -ENOMEM, -ETIMEDOUT. A log that is switched on says of no page that it was written.
 * Afterwards nothing is mapped in a way that the new flags do not allow. */
int slots_set_flags(struct slots *s, u32 id, u32 flags) __must_check;

/* The set to read. Readers. */
static force_inline struct slot_set *slots_active(const struct slots *s)
{
	return rcu_dereference(s->active);
}

/* What is read from a set after this is no older. Readers. */
static force_inline u64 slots_generation(const struct slots *s)
{
	/* Acquire: pairs with the release when a set is published. */
	return load_acquire(&s->generation);
}

/* True: *slot has gfn, or NULL: no slot has, as the vCPU's cache tells. False says nothing, and
 * *slot is NULL, too. Readers. */
static force_inline bool slots_recall(const struct slots *s, const struct slot_cache *c, gfn_t gfn,
				      struct slot **slot)
{
	*slot = NULL;
	if (unlikely(c->generation != slots_generation(s)))
		return false;
	if (c->slot && slot_holds(c->slot, gfn)) {
		*slot = c->slot;
		return true;
	}
	return gfn.v - c->gap.first < c->gap.pages;
}

/* The slot that has gfn, or NULL, by way of a vCPU's cache. Readers. */
struct slot *slots_find(struct slots *s, struct slot_cache *c, gfn_t gfn);

#endif
