/*
 * Atomic accesses, over the compiler's built-ins. The names say the ordering; callers comment the
 * partner of each release/acquire/full barrier.
 */
#ifndef NEAP_CORE_ATOMIC_H
#define NEAP_CORE_ATOMIC_H

#include "core/types.h"

/* One access, no ordering; the compiler may neither tear, repeat nor invent it. */
#define READ_ONCE(x)	 __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

#define load_acquire(p)	    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Read-modify-write with full ordering (a LOCK prefix on x86). Each returns the old value. */
#define atomic_fetch_or(p, v)  __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define atomic_xchg(p, v)      __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)

/* Compare-and-exchange; on failure *old is what was found. */
#define atomic_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define smp_mb()	   __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* In loops that wait for another CPU. No barrier for memory, but one for the compiler. */
static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

#endif
