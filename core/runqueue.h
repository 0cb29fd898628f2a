/*
 * Who is next on one CPU. Each thread has a virtual time, which advances while it runs, the slower
 * the higher its weight; the one that is farthest behind is next. All with the queue's lock held,
 * and bounded by O(log n).
 */
#ifndef NEAP_CORE_RUNQUEUE_H
#define NEAP_CORE_RUNQUEUE_H

#include "core/percpu.h"
#include "core/sched.h"

/*
 * All threads of a CPU have a turn in SCHED_PERIOD_NS, if that gives each a slice between the
 * smallest and the largest one.
 */
#define SCHED_PERIOD_NS	   20000000ull
#define SCHED_SLICE_NS	   5000000ull
#define SCHED_SLICE_MIN_NS 500000ull
/* Who has slept is at most this far behind the others: it goes first, but not for long. */
#define SCHED_SLEEPER_NS 2500000ull
/* Who is made ready has to be this far behind the running thread to take the CPU from it. */
#define SCHED_PREEMPT_NS 1000000ull
_Static_assert(SCHED_SLICE_MIN_NS <= SCHED_SLICE_NS && SCHED_SLICE_NS <= SCHED_PERIOD_NS,
	       "from small to large");
_Static_assert(SCHED_PREEMPT_NS < SCHED_SLEEPER_NS, "who has slept long gets the CPU");

/* An empty one. */
void runqueue_init(struct runqueue *rq);

/* Charges the running thread (NULL: idle) for its time up to `now`, a TSC value. */
void runqueue_charge(struct runqueue *rq, struct thread *running, u64 now);

/* How far the thread's virtual time is ahead of the queue's: to be taken to another one. */
s64 runqueue_lag(const struct runqueue *rq, const struct thread *t);

/*
 * The thread becomes one of the CPU's that want to run, with that lag, if it is not too far behind;
 * or it is none of them any more. It is not in the queue.
 */
void runqueue_arrive(struct runqueue *rq, struct thread *t, s64 lag);
void runqueue_depart(struct runqueue *rq, const struct thread *t);

/* Into the queue, at its place, or behind those of the next slice; and out of it. */
void runqueue_insert(struct runqueue *rq, struct thread *t, bool others_first);
void runqueue_remove(struct runqueue *rq, struct thread *t);

/* The next thread; NULL: none is ready. */
struct thread *runqueue_first(const struct runqueue *rq);
/* The one behind it. */
struct thread *runqueue_next(struct thread *t);

/* The thread, which has just become ready, takes the CPU from the running one (NULL: idle). Both
 * are charged. */
bool runqueue_preempts(const struct thread *t, const struct thread *running);

/* How long the next thread may run while others are ready, in ticks. */
u64 runqueue_slice(const struct runqueue *rq);

#endif
