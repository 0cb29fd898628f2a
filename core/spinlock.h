/*
 * A ticket lock. The hypervisor runs with interrupts off, so there is no irqsave form. The holder
 * may not wait for anything but another lock, taken in the documented order.
 */
#ifndef NEAP_CORE_SPINLOCK_H
#define NEAP_CORE_SPINLOCK_H

#include "core/atomic.h"

struct spinlock {
	u32 next;  /* ticket the next comer takes */
	u32 owner; /* ticket being served; only the holder writes it */
};

#define SPINLOCK_INIT \
	{             \
		0, 0  \
	}

/* In turn, by tickets; acquire. The hypervisor runs with interrupts off, so that no handler wants
 * it, too. */
static inline void spin_lock(struct spinlock *l)
{
	u32 me = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

	/* Pairs with the release in spin_unlock() of the previous holder. */
	while (load_acquire(&l->owner) != me)
		cpu_relax();
}

/* True when it was free, and is now the caller's. */
static inline bool spin_trylock(struct spinlock *l)
{
	u32 owner = load_acquire(&l->owner);

	return __atomic_compare_exchange_n(&l->next, &owner, owner + 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* Release. */
static inline void spin_unlock(struct spinlock *l)
{
	/* Pairs with the acquire in spin_lock() of the next holder. */
	store_release(&l->owner, l->owner + 1);
}

#endif
