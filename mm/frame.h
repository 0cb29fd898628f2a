/*
 * The frame allocator: host RAM in naturally aligned blocks of 2^order frames (a buddy system).
 * Free blocks carry their list nodes themselves; one byte per frame tells head, order and state.
 */
#ifndef NEAP_MM_FRAME_H
#define NEAP_MM_FRAME_H

#include "core/types.h"

#define FRAME_ORDER_2M	9
#define FRAME_ORDER_1G	18
#define FRAME_MAX_ORDER FRAME_ORDER_1G

struct frame_stats {
	u64 total;    /* frames ever given to the allocator */
	u64 free;     /* frames free now */
	u64 min_free; /* the least there has been */
};

/*
 * Starts the allocator for frames below `limit`, with limit bytes of zeroed memory for the frame
 * states. Boot CPU, once; then give it memory by frame_add().
 */
void frame_init(u8 *states, hfn_t limit);

/* Gives [base, base + size), rounded inwards to frames, to the allocator; must be in the direct
 * map. */
void frame_add(hpa_t base, u64 size);

/* A block of 2^order frames, not cleared; address 0 when there is none. Any CPU; never waits. */
hpa_t frame_alloc(unsigned order) __must_check;

/* The same, filled with zeros. */
hpa_t frame_alloc_zeroed(unsigned order) __must_check;

/* Gives a block back; panics when it is not the head of an allocated one of that order. */
void frame_free(hpa_t base, unsigned order);

/*
 * Makes an allocated block into allocated blocks of a smaller order, each to be freed by itself.
 * Panics when it is not the head of an allocated block of `from`.
 */
void frame_split(hpa_t base, unsigned from, unsigned to);

/* The order a block was allocated with; base must be its head. */
unsigned frame_order(hpa_t base);

/* How many frames there are, and how many are free now. Any context. */
struct frame_stats frame_stats(void);

#endif
