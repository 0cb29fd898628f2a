/*
 * RCU (read-copy-update): readers take no lock and pay nothing; who removes an object waits until
 * every reader that may have seen it is past, and frees it then.
 *
 * There are two kinds of reader, and so two questions.
 *
 * 1. Software: an exit's handler, an interrupt's handler, a thread, between two quiescent states of
 *    its CPU. It reads a pointer by rcu_dereference() and may use what is behind it until it does
 *    one of these, each of which is a quiescent state:
 *      - returns to the guest, or from the interrupt's handler;
 *      - opens a window for interrupts (trap_irq_window());
 *      - yields, blocks, ends or idles (core/sched.h), or waits for anything by these.
 *    A CPU that runs a guest holds no reference, nor does an idle one. For memory that only
 *    software reads: rcu_synchronize(), or rcu_defer().
 *
 * 2. The processor, which walks EPT or NPT while the guest runs, and keeps what it has read in its
 *    caches across exits: no quiescent state of software ends that. A page of those tables is freed
 *    by shootdown_and_free() only (hv/mmu/shootdown.h), which asks both questions.
 *
 * How a quiescent state is seen. A grace period is a number; it is over when each CPU has read that
 * number (or a later one) in a quiescent state, or was seen idle after it was given out. Who begins
 * one kicks every CPU that is neither: the hypervisor runs with interrupts off, so an IPI is taken
 * in a window, by an idle CPU, or as a VM-exit, each a quiescent state by construction. That is why
 * neither an exit's handler nor the entry has an instruction for RCU. An idle CPU is not disturbed:
 * it sets a flag, and clears it before it does anything else, interrupts included.
 *
 * A guest that never exits stalls nothing: the kick ends its run at once, as every external
 * interrupt does whatever the guest's IF says (SDM vol. 3 26.2, APM vol. 2 15.13.1 with
 * V_INTR_MASKING). Where an interrupt is held back all the same, the VMX preemption timer opens a
 * window after 1 ms at most (PREEMPT_PERIOD_HZ). Beside guests the longest stretch without a
 * quiescent state is an exit's handler, or a worker between two windows.
 *
 * A CPU that does not answer for RCU_STALL_NS is named on the console, with its last VM-exit, and
 * kicked again; after RCU_STALLS_MAX times that the invariant "a CPU takes interrupts" is broken,
 * and Neap panics.
 */
#ifndef NEAP_CORE_RCU_H
#define NEAP_CORE_RCU_H

#include "core/atomic.h"
#include "core/percpu.h"

/* Publishes an object: who reads the pointer sees what was written to the object before. */
#define rcu_assign_pointer(p, v) store_release(&(p), (v))

/* Reads a published pointer: a plain load, ordered by the dependency on it. */
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_CONSUME)

/* Part of an object that is to be freed later. RCU's own from rcu_defer() to the call of fn. */
struct rcu_head {
	struct rcu_head *next;
	void (*fn)(struct rcu_head *head);
	u64 gp; /* fn may run when this grace period is over */
};

/*
 * Callbacks that wait on a CPU at most, and that one quiescent state runs at most. So no more than
 * CPUs times RCU_QUEUE_MAX objects are held back, and no exit frees more than RCU_BATCH.
 */
#define RCU_QUEUE_MAX 256
#define RCU_BATCH     16
_Static_assert(RCU_BATCH >= 1 && RCU_BATCH <= RCU_QUEUE_MAX, "a full queue takes some batches");

/* A queue's timer: so long callbacks are collected before a grace period begins for them; then it
 * looks so often whether that is over, and lets others on between two batches. */
#define RCU_COLLECT_NS 1000000ull
#define RCU_POLL_NS    100000ull

/* Looks before a waiter lets others run, interrupts off: some microseconds. */
#define RCU_SPINS 256

#define RCU_STALL_NS   10000000000ull
#define RCU_STALLS_MAX 6

/* --- who removes an object --- */

/*
 * Waits until every software reader that runs now is past. Thread context, no reference and no lock
 * held; yields. Bounded as said above.
 */
void rcu_synchronize(void);

/*
 * The same in two steps: what was unlinked before rcu_begin() may be freed once its grace period
 * rcu_is_over(). Both in any context, neither waits; rcu_wait() is as rcu_synchronize().
 */
u64 rcu_begin(void) __must_check;
bool rcu_is_over(u64 gp) __must_check;
void rcu_wait(u64 gp);

/*
 * Calls fn(head) after a grace period, on this CPU, from an interrupt or at a quiescent state: as a
 * timer's callback it may take device locks, and does not wait. The object is unlinked already. Any
 * context, never waits. -EAGAIN: the queue is full; the caller keeps the object, and waits or tries
 * later.
 */
int rcu_defer(struct rcu_head *head, void (*fn)(struct rcu_head *head)) __must_check;

/* The same where one may wait: when the queue is full the caller pays with a grace period, and fn
 * runs here and now. Thread context. */
void rcu_defer_or_wait(struct rcu_head *head, void (*fn)(struct rcu_head *head));

/* Waits until every callback that was deferred before, on any CPU, has returned. Thread context. */
void rcu_barrier(void);

/* --- quiescent states; the scheduler's, the vCPU loop's and the kick's --- */

extern u64 rcu_gp; /* number of the last grace period begun */

/* Runs RCU_BATCH callbacks of the calling CPU that are due, at most. For rcu_quiescent(). */
void rcu_run_callbacks(void);

/* The calling CPU holds no reference. Two loads in the usual case. */
static inline void rcu_quiescent(void)
{
	struct rcu_cpu *r = &this_cpu()->rcu;
	/* Acquire: what is read later sees what was unlinked before this number was given out
	 * (rcu_begin()). */
	u64 gp = load_acquire(&rcu_gp);

	/* Release: all that was read before is read when rcu_is_over() sees the number. */
	if (unlikely(r->seen != gp))
		store_release(&r->seen, gp);
	if (unlikely(r->count))
		rcu_run_callbacks();
}

/* The last thing before HLT; interrupts are off. */
static inline void rcu_idle_enter(void)
{
	/* Release: as in rcu_quiescent(). */
	store_release(&this_cpu()->rcu.idle, 1u);
}

/* The first thing after it, and the first thing in an interrupt's handler: whichever comes first.
 */
static inline void rcu_idle_exit(void)
{
	struct rcu_cpu *r = &this_cpu()->rcu;

	if (likely(!r->idle))
		return;
	/* Full barrier: who does not see this CPU idle any more waits for it; who did has unlinked
	 * before what is read from here on. Pairs with the one in rcu_begin(). */
	atomic_xchg(&r->idle, 0u);
	store_release(&r->seen, load_acquire(&rcu_gp));
}

/* --- the machine's --- */

/* The calling CPU's queue; once per CPU, before it defers or idles. */
void rcu_init_cpu(void);

/* Says more about a CPU that stalls a grace period; NULL: nothing. Boot CPU. */
void rcu_set_stall_reporter(void (*report)(const struct cpu *cpu));

/*
 * Liveness: every CPU answers to a kick, and a callback runs. A line only if not so. Boot CPU, when
 * all run; false then.
 */
bool rcu_self_test(void);

struct rcu_stats {
	u64 grace_periods, kicks, stalls;
	u64 longest_wait;  /* ticks, of rcu_wait() */
	u64 queued, ran;   /* callbacks */
	u64 refused, paid; /* see struct rcu_cpu */
	u32 high;	   /* of all queues */
};

/* Sums over all CPUs, which may count on meanwhile; and the same as a line of the log. Any context.
 */
void rcu_get_stats(struct rcu_stats *out);
void rcu_log_stats(void);

#endif
