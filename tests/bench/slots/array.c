#include "array.h"

#include <stdlib.h>
#include <string.h>

int array_find(struct array_set *set, u64 gfn)
{
	u32 low = 0, high = set ? set->count : 0;

	if (!high)
		return -1;
	if (set->last_used < high &&
	    gfn - set->slot[set->last_used].base < set->slot[set->last_used].pages)
		return (int)set->last_used;
	while (high - low > 1) {
		u32 middle = (low + high) / 2;

		if (set->slot[middle].base <= gfn)
			low = middle;
		else
			high = middle;
	}
	if (gfn - set->slot[low].base >= set->slot[low].pages)
		return -1;
	set->last_used = low;
	return (int)low;
}

static struct array_set *copy(const struct array_set *set, u32 count)
{
	struct array_set *c = malloc(sizeof(*c) + count * sizeof(c->slot[0]));

	if (!c)
		abort();
	c->count = c->last_used = 0;
	if (set)
		memcpy(c, set, sizeof(*c) + MIN(set->count, count) * sizeof(c->slot[0]));
	return c;
}

static void publish(struct array_slots *s, struct array_set *set)
{
	struct array_set *old = s->active;

	__atomic_store_n(&s->active, set, __ATOMIC_RELEASE);
	free(old);
}

static void insert(struct array_set *set, const struct array_slot *slot)
{
	u32 i = set->count++;

	for (; i && set->slot[i - 1].base > slot->base; i--)
		set->slot[i] = set->slot[i - 1];
	set->slot[i] = *slot;
}

static struct array_slot take(struct array_set *set, u32 id)
{
	struct array_slot slot;
	u32 i = 0;

	while (set->slot[i].id != id)
		i++;
	slot = set->slot[i];
	memmove(&set->slot[i], &set->slot[i + 1], (--set->count - i) * sizeof(slot));
	return slot;
}

void array_create(struct array_slots *s, const struct array_slot *slot)
{
	struct array_set *set = copy(s->active, (s->active ? s->active->count : 0) + 1);

	insert(set, slot);
	publish(s, set);
}

void array_delete(struct array_slots *s, u32 id)
{
	struct array_set *set = copy(s->active, s->active->count);

	(void)take(set, id);
	publish(s, set);
}

void array_move(struct array_slots *s, u32 id, u64 base)
{
	struct array_set *set = copy(s->active, s->active->count);
	struct array_slot slot = take(set, id);

	slot.base = base;
	insert(set, &slot);
	publish(s, set);
}

void array_fini(struct array_slots *s)
{
	free(s->active);
	s->active = NULL;
}
