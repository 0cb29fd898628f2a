#include "hv/vcpu_table.h"

#include <errno.h>

#include "mm/heap.h"

int vcpu_table_add(struct vcpu_table *t, u32 index, struct vcpu *vcpu)
{
	struct vcpu_chunk *c;
	int err = 0;

	if (index >= VM_MAX_CPUS)
		return -ENOSPC;
	spin_lock(&t->lock);
	c = t->chunk[index / VCPU_CHUNK];
	if (!c) {
		c = heap_alloc(sizeof(*c));
		if (!c) {
			err = -ENOMEM;
			goto out;
		}
		/* Release: pairs with the acquire in vcpu_table_get(); the chunk is all NULL. */
		store_release(&t->chunk[index / VCPU_CHUNK], c);
	}
	if (c->slot[index % VCPU_CHUNK]) {
		err = -EEXIST;
		goto out;
	}
	/* Release: who sees the pointer sees the vCPU initialised. */
	store_release(&c->slot[index % VCPU_CHUNK], vcpu);
	/* Release: who sees the count sees the pointer; pairs with vcpu_table_next(). */
	if (index >= t->count)
		store_release(&t->count, index + 1);
out:
	spin_unlock(&t->lock);
	return err;
}

struct vcpu *vcpu_table_next(const struct vcpu_table *t, u32 *index)
{
	u32 count = load_acquire(&t->count);

	while (*index < count) {
		struct vcpu *v;

		if (!load_acquire(&t->chunk[*index / VCPU_CHUNK])) {
			*index = ALIGN_DOWN(*index, VCPU_CHUNK) + VCPU_CHUNK;
			continue;
		}
		v = vcpu_table_get(t, *index);
		if (v)
			return v;
		++*index;
	}
	return NULL;
}

void vcpu_table_fini(struct vcpu_table *t)
{
	for (unsigned i = 0; i < VCPU_CHUNKS; i++)
		heap_free(t->chunk[i]);
}
