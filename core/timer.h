/*
 * One-shot timers: each CPU has a queue ordered by deadline and programs its local timer for the
 * earliest. A timer belongs to the CPU that armed it last.
 */
#ifndef NEAP_CORE_TIMER_H
#define NEAP_CORE_TIMER_H

#include "core/atomic.h"
#include "core/list.h"
#include "core/types.h"

struct timer {
	struct list node;
	u64 deadline;			 /* ticks; valid while armed */
	void (*fn)(struct timer *timer); /* see timer_init() */
	struct timer_queue *queue;	 /* the queue it is armed on, NULL when not armed */
};

/*
 * fn runs on the CPU the timer was armed on, interrupts off, at or after the deadline, with no
 * timer lock held: it may re-arm the timer, take device locks, must not wait. It may also run once
 * shortly after a concurrent timer_cancel(): so it re-checks its device's state under its lock.
 */
void timer_init(struct timer *timer, void (*fn)(struct timer *timer));

/*
 * Arms (or re-arms) on this CPU for an absolute time in ticks. A past deadline fires soon. Whoever
 * owns the timer sees to it that no two CPUs are in here for it at once.
 */
void timer_set(struct timer *timer, u64 deadline);

/* Disarms; any CPU, any context. See timer_init() for a callback under way. */
void timer_cancel(struct timer *timer);

/*
 * As timer_cancel(), and waits until a callback under way on another CPU is over, for tear-down:
 * then the timer is not armed, even if the callback has armed it again, and no callback comes.
 * Nobody else may arm it any more. Not with a lock held that the callback takes.
 */
void timer_cancel_sync(struct timer *timer);

/* Beside other CPUs only a hint. */
static inline bool timer_is_armed(const struct timer *timer)
{
	return READ_ONCE(timer->queue) != NULL;
}

#endif
