/*
 * What slots are measured against: one array, sorted by guest frame. A lookup is a binary search
 * with a last-used hint; a change copies the array, changes the copy and publishes it.
 */
#ifndef NEAP_BENCH_SLOTS_ARRAY_H
#define NEAP_BENCH_SLOTS_ARRAY_H

#include "core/types.h"

struct array_slot {
	u64 base, pages, frame;
	u32 id, flags;
};

struct array_set {
	u32 count, last_used;
	struct array_slot slot[];
};

struct array_slots {
	struct array_set *active;
};

/* A negative index: none. */
int array_find(struct array_set *set, u64 gfn);
void array_create(struct array_slots *s, const struct array_slot *slot);
void array_delete(struct array_slots *s, u32 id);
void array_move(struct array_slots *s, u32 id, u64 base);
void array_fini(struct array_slots *s);

#endif
