/*
 * The vCPUs of one VM: an array of pointers to fixed-size chunks of vCPU pointers. A chunk is
 * allocated with the first vCPU in it; chunk, vCPU and count are published with release stores, in
 * this order, and read with acquire loads. A pointer once seen stays valid for the VM's life:
 * iteration needs neither lock nor RCU, and may sleep.
 */
#ifndef NEAP_HV_VCPU_TABLE_H
#define NEAP_HV_VCPU_TABLE_H

#include "core/atomic.h"
#include "core/spinlock.h"
#include "hv/config.h"

#define VCPU_CHUNK  128
#define VCPU_CHUNKS (VM_MAX_CPUS / VCPU_CHUNK)
_Static_assert(VM_MAX_CPUS % VCPU_CHUNK == 0, "chunks fill the table");

struct vcpu;

struct vcpu_chunk {
	struct vcpu *slot[VCPU_CHUNK];
};

struct vcpu_table {
	struct spinlock lock; /* guards adding */
	u32 count;	      /* one more than the highest index present; only grows */
	struct vcpu_chunk *chunk[VCPU_CHUNKS];
};

/* Adds a vCPU at an index nobody has. -ENOSPC: index too high; -EEXIST; -ENOMEM. Any context. */
int vcpu_table_add(struct vcpu_table *t, u32 index, struct vcpu *vcpu) __must_check;

/* The vCPU at an index, or NULL. Any context, no lock. */
static inline struct vcpu *vcpu_table_get(const struct vcpu_table *t, u32 index)
{
	const struct vcpu_chunk *c;

	if (unlikely(index >= VM_MAX_CPUS))
		return NULL;
	/* Acquires: pair with the releases in vcpu_table_add(). */
	c = load_acquire(&t->chunk[index / VCPU_CHUNK]);
	return likely(c) ? load_acquire(&c->slot[index % VCPU_CHUNK]) : NULL;
}

/* The first vCPU at *index or after it, whose index is left in *index; NULL past the last. */
struct vcpu *vcpu_table_next(const struct vcpu_table *t, u32 *index);

/* Frees the chunks (not the vCPUs). Nobody may be using the table. */
void vcpu_table_fini(struct vcpu_table *t);

#define vm_for_each_vcpu(v, t, i) for (u32 i = 0; ((v) = vcpu_table_next((t), &i)) != NULL; i++)

#endif
