/*
 * The VP indexes of a VM: the numbers by which Hyper-V hypercalls name its vCPUs, and which vCPU
 * (position in the vCPU table) has which. As long as every vCPU's index is its position there is no
 * map at all. Else there is one table, published as a whole: a look-up is one load either way, and
 * costs the same with 2 vCPUs as with 4096. Readers are software in exit handlers, as RCU calls
 * them (core/rcu.h, the first question): the table before is freed when they are past.
 */
#ifndef NEAP_HV_HYPERV_VP_INDEX_H
#define NEAP_HV_HYPERV_VP_INDEX_H

#include "core/rcu.h"
#include "core/spinlock.h"
#include "hv/config.h"

/* Indexes are below this: what a sparse VP set of 64 banks can name (TLFS, HV_VP_SET). */
#define VP_INDEX_MAX 4096
_Static_assert(VP_INDEX_MAX >= VM_MAX_CPUS, "every vCPU can have one");
#define VP_INDEX_BANKS 64
_Static_assert(VP_INDEX_MAX == VP_INDEX_BANKS * 64, "banks of 64");

#define VP_POSITION_NONE 0xffffu /* nobody has that index */
_Static_assert(VP_INDEX_MAX < VP_POSITION_NONE, "positions fit 16 bits");

/* A snapshot; never changed once published. */
struct vp_index_table {
	u32 limit;		   /* one more than the highest index taken */
	u32 mismatches;		   /* vCPUs whose index is not their position; > 0 */
	u64 taken[VP_INDEX_BANKS]; /* a bit for each index that somebody has */
	u16 *index_of;		   /* by position */
	u16 position[];		   /* by index, `limit` of them; VP_POSITION_NONE: nobody's */
};

struct vp_index {
	u32 max;		      /* indexes are below; fixed */
	u32 count;		      /* vCPUs: positions are below; fixed */
	struct vp_index_table *table; /* by RCU. NULL: all indexes are positions. */
	struct spinlock lock;	      /* guards changes of table */
};

/* count vCPUs, at most max <= VP_INDEX_MAX; every index is its position. */
void vp_index_init(struct vp_index *m, u32 max, u32 count);

/* Nobody reads any more. */
void vp_index_fini(struct vp_index *m);

/*
 * Gives all vCPUs an index at once, by position. -EINVAL: one is at or beyond the maximum; -EEXIST:
 * one is there twice; -ENOMEM. Nothing has changed then. Readers go on meanwhile. Worker context,
 * no reference and no lock held: waits for a grace period when there was a table before.
 */
int vp_index_set_all(struct vp_index *m, const u16 *index) __must_check;

/*
 * Gives one vCPU another index. -EINVAL: at or beyond the maximum, or no such vCPU; -EEXIST:
 * another vCPU has it; -ENOMEM. Likewise.
 */
int vp_index_set(struct vp_index *m, u32 position, vp_index_t index) __must_check;

/* How many vCPUs have an index that is not their position. Any context. */
static inline u32 vp_index_mismatches(const struct vp_index *m)
{
	const struct vp_index_table *t = rcu_dereference(m->table);

	return t ? t->mismatches : 0;
}

/* The position of the vCPU with that index, VP_POSITION_NONE: nobody's. Exit handlers; no lock. */
static inline u32 vp_index_find(const struct vp_index *m, vp_index_t index)
{
	const struct vp_index_table *t = rcu_dereference(m->table);

	if (likely(!t))
		return index.v < m->count ? index.v : VP_POSITION_NONE;
	return index.v < t->limit ? t->position[index.v] : VP_POSITION_NONE;
}

/* Whether a sparse set names every vCPU: `valid` has a bit for each bank that is in bank[].
 * Likewise.
 */
bool vp_index_covers(const struct vp_index *m, u64 valid, const u64 *bank);

/* The index of the vCPU at a position below count. Likewise. */
static inline vp_index_t vp_index_of(const struct vp_index *m, u32 position)
{
	const struct vp_index_table *t = rcu_dereference(m->table);

	return (vp_index_t){ t ? t->index_of[position] : position };
}

#endif
