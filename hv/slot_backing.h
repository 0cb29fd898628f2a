/*
 * What backs a slot: host frames, in extents that are contiguous on both sides. The frames have an
 * owner of their own, counted by the backings that use it: two slots may show the same memory.
 */
#ifndef NEAP_HV_SLOT_BACKING_H
#define NEAP_HV_SLOT_BACKING_H

#include "core/interval_tree.h"

/* Sets that a slot stands in, each with its own nodes: hv/slots.h. */
#define SLOT_SETS 2

/* Frames of the host's, given back when the last backing that uses them goes. */
struct slot_frames {
	u32 users;   /* atomic */
	bool poison; /* overwritten before they are given back: for tests */
	u64 blocks;
	u64 block[]; /* address of a block of 2^order frames | order */
};
#define SLOT_POISON 0xa5 /* each byte of what was poisoned */

struct slot_extent {
	u64 page, pages; /* within the slot */
	hfn_t frame;	 /* the first */
	struct slot_backing *backing;
	struct interval_node node[SLOT_SETS]; /* by host frame */
};

struct slot_backing {
	struct slot *slot[SLOT_SETS]; /* whose it is, in each set; as for the nodes */
	struct slot_frames *frames;
	u64 pages, extents;
	struct slot_extent extent[]; /* by ascending page, without gaps */
};

/*
 * Frames for a slot of that many pages at base, all zeros: in blocks of the guest-physical
 * alignment, so that large pages can map them. poison: see above. -ENOMEM, with nothing kept.
 * Worker or boot context; opens interrupt windows.
 */
int slot_backing_alloc(gfn_t base, u64 pages, bool poison, struct slot_backing **out) __must_check;

/* The same single frame, filled with a byte, at every page. -ENOMEM. Any context. */
int slot_backing_fill(u64 pages, u8 byte, struct slot_backing **out) __must_check;

/*
 * Another slot's frames, [page, page + pages) of it. -EINVAL: it has not that many; -ENOMEM. Any
 * context in which `of` stays.
 */
int slot_backing_share(const struct slot_backing *of, u64 page, u64 pages,
		       struct slot_backing **out) __must_check;

/* How many pages the frames are. */
u64 slot_frames_pages(const struct slot_frames *f);

/* Nobody may be using it, nor have its frames in a TLB if no other backing shares them. NULL: fine.
 * Worker context. */
void slot_backing_free(struct slot_backing *b);

/* The extent that has a page of the slot; page < b->pages. Any context; O(log extents). */
const struct slot_extent *slot_backing_find(const struct slot_backing *b, u64 page);

#endif
