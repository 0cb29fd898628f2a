/* Finding room in a guest's RAM for what a loader puts there. */
#ifndef NEAP_HV_LOAD_PLACE_H
#define NEAP_HV_LOAD_PLACE_H

#include "core/types.h"
#include "hv/load/memmap.h"

/* Pieces of RAM in use, after neighbours have been joined. */
#define PLACE_USED_MAX 32

struct place_range {
	u64 base, end;
};

struct place {
	const struct guest_memmap *map;
	unsigned n;
	struct place_range used[PLACE_USED_MAX]; /* in order, neither touching nor overlapping */
};

/* Nothing in use. The map must outlive the place. */
void place_init(struct place *place, const struct guest_memmap *map);

/*
 * Marks size bytes at base as used; what is used already may be in there. -EFAULT when not all of
 * it is RAM by the guest's map (and for size 0), -ENOSPC when PLACE_USED_MAX pieces are in use.
 */
int place_claim(struct place *place, u64 base, u64 size) __must_check;

/*
 * Finds and marks size bytes at the lowest, or the highest, multiple of align (a power of two)
 * within min..max-1. -ENOMEM: no such room; -ENOSPC as above.
 */
int place_low(struct place *place, u64 size, u64 align, u64 min, u64 max, gpa_t *out) __must_check;
int place_high(struct place *place, u64 size, u64 align, u64 min, u64 max, gpa_t *out) __must_check;

/*
 * As place_low(), but behind all that is used within min..max-1 if there is room, and only else in
 * a gap: a kernel may take what lies between its segments for its own.
 */
int place_behind(struct place *place, u64 size, u64 align, u64 min, u64 max,
		 gpa_t *out) __must_check;

/* Bytes of the largest free piece within min..max-1, for messages. */
u64 place_largest(const struct place *place, u64 min, u64 max);

#endif
