#include "hv/load/place.h"

#include <errno.h>
#include <string.h>

_Static_assert(PLACE_USED_MAX >= 16, "a kernel's segments, its modules and our own tables");

void place_init(struct place *place, const struct guest_memmap *map)
{
	place->map = map;
	place->n = 0;
}

static bool is_ram(const struct guest_memmap *map, u64 base, u64 size)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct memmap_entry *e = &map->entry[i];

		if (e->type == MEMMAP_RAM && base >= e->base && base - e->base < e->size)
			return size <= e->size - (base - e->base);
	}
	return false;
}

/* Replaces used[first..last-1] by r. */
static void splice(struct place *place, unsigned first, unsigned last, struct place_range r)
{
	memmove(&place->used[first + 1], &place->used[last],
		(place->n - last) * sizeof(place->used[0]));
	place->used[first] = r;
	place->n = place->n + 1 - (last - first);
}

int place_claim(struct place *place, u64 base, u64 size)
{
	struct place_range r = { base, base + size };
	unsigned first = 0, last;

	if (size == 0 || !is_ram(place->map, base, size))
		return -EFAULT;
	while (first < place->n && place->used[first].end < r.base)
		first++;
	for (last = first; last < place->n && place->used[last].base <= r.end; last++) {
		r.base = MIN(r.base, place->used[last].base);
		r.end = MAX(r.end, place->used[last].end);
	}
	if (last == first && place->n == PLACE_USED_MAX)
		return -ENOSPC;
	splice(place, first, last, r);
	return 0;
}

/*
 * The i-th gap between used pieces within one RAM entry and min..max; gap i ends where used[i]
 * begins, and gap n at the end. False when nothing is left of it.
 */
static bool find_gap(const struct place *place, const struct memmap_entry *e, unsigned i, u64 min,
		     u64 max, struct place_range *gap)
{
	if (e->type != MEMMAP_RAM)
		return false;
	gap->base = MAX(e->base, min);
	gap->end = MIN(e->base + e->size, max);
	if (i > 0)
		gap->base = MAX(gap->base, place->used[i - 1].end);
	if (i < place->n)
		gap->end = MIN(gap->end, place->used[i].base);
	return gap->base < gap->end;
}

int place_low(struct place *place, u64 size, u64 align, u64 min, u64 max, gpa_t *out)
{
	for (unsigned e = 0; e < place->map->count; e++) {
		for (unsigned i = 0; i <= place->n; i++) {
			struct place_range gap;
			u64 at;

			if (!find_gap(place, &place->map->entry[e], i, min, max, &gap))
				continue;
			at = ALIGN_UP(gap.base, align);
			if (at >= gap.end || size > gap.end - at)
				continue;
			*out = GPA(at);
			return place_claim(place, at, size);
		}
	}
	return -ENOMEM;
}

int place_behind(struct place *place, u64 size, u64 align, u64 min, u64 max, gpa_t *out)
{
	u64 behind = min;
	int err;

	for (unsigned i = 0; i < place->n; i++) {
		if (place->used[i].base < max)
			behind = MAX(behind, place->used[i].end);
	}
	err = place_low(place, size, align, behind, max, out);
	return err == -ENOMEM ? place_low(place, size, align, min, max, out) : err;
}

int place_high(struct place *place, u64 size, u64 align, u64 min, u64 max, gpa_t *out)
{
	for (unsigned e = place->map->count; e-- > 0;) {
		for (unsigned i = place->n + 1; i-- > 0;) {
			struct place_range gap;
			u64 at;

			if (!find_gap(place, &place->map->entry[e], i, min, max, &gap))
				continue;
			if (size > gap.end - gap.base)
				continue;
			at = ALIGN_DOWN(gap.end - size, align);
			if (at < gap.base)
				continue;
			*out = GPA(at);
			return place_claim(place, at, size);
		}
	}
	return -ENOMEM;
}

u64 place_largest(const struct place *place, u64 min, u64 max)
{
	u64 best = 0;

	for (unsigned e = 0; e < place->map->count; e++) {
		for (unsigned i = 0; i <= place->n; i++) {
			struct place_range gap;

			if (find_gap(place, &place->map->entry[e], i, min, max, &gap))
				best = MAX(best, gap.end - gap.base);
		}
	}
	return best;
}
