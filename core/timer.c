#include "core/timer.h"

#include "arch/x86/apic.h"
#include "core/percpu.h"
#include "core/time.h"
#include "core/timer_queue.h"

void timer_init(struct timer *timer, void (*fn)(struct timer *timer))
{
	*timer = (struct timer){ .fn = fn };
	list_init(&timer->node);
}

/* Tells the hardware about a new earliest deadline; on the queue's own CPU. */
static void program(struct timer_queue *q)
{
	u64 next = UINT64_MAX;

	if (!list_empty(&q->timers))
		next = list_entry(q->timers.next, struct timer, node)->deadline;
	if (next != q->programmed) {
		q->programmed = next;
		apic_timer_program(next);
	}
}

/* Most timers are set for later than the ones that are there: search from the tail. */
static void insert(struct timer_queue *q, struct timer *timer)
{
	struct list *pos = &q->timers;

	while (pos->prev != &q->timers &&
	       list_entry(pos->prev, struct timer, node)->deadline > timer->deadline)
		pos = pos->prev;
	list_insert_before(pos, &timer->node);
}

/* True when a timer that is in the queue would be in the right place with this deadline, too. */
static bool stays_in_place(struct timer_queue *q, struct timer *timer, u64 deadline)
{
	struct list *prev = timer->node.prev, *next = timer->node.next;

	return (prev == &q->timers || list_entry(prev, struct timer, node)->deadline <= deadline) &&
	       (next == &q->timers || list_entry(next, struct timer, node)->deadline >= deadline);
}

/* The queue is locked, and is not afterwards; the timer is in it or in none. */
static never_inline void put_and_unlock(struct timer_queue *q, struct timer *timer, u64 deadline)
{
	if (timer->queue && stays_in_place(q, timer, deadline)) {
		timer->deadline = deadline;
	} else {
		if (timer->queue)
			list_remove(&timer->node);
		timer->deadline = deadline;
		/* Release: timer_cancel() on another CPU finds the queue it has to lock. */
		store_release(&timer->queue, q);
		insert(q, timer);
	}
	program(q);
	spin_unlock(&q->lock);
}

static never_inline void set_anew(struct timer_queue *q, struct timer *timer, u64 deadline)
{
	timer_cancel(timer);
	spin_lock(&q->lock);
	put_and_unlock(q, timer, deadline);
}

/*
 * Usually it is in this CPU's queue already; if it stays where it is, and that is behind another,
 * there is nothing to program.
 */
void timer_set(struct timer *timer, u64 deadline)
{
	struct timer_queue *q = &this_cpu()->timers;

	if (unlikely(load_acquire(&timer->queue) != q)) {
		set_anew(q, timer, deadline);
		return;
	}
	spin_lock(&q->lock);
	if (unlikely(!timer->queue) || timer->node.prev == &q->timers ||
	    !stays_in_place(q, timer, deadline)) {
		put_and_unlock(q, timer, deadline);
		return;
	}
	timer->deadline = deadline;
	spin_unlock(&q->lock);
}

/*
 * Takes the timer off a queue, if it is there. The queue is locked. The hardware keeps an early
 * deadline when it was another CPU's timer: that CPU then takes one interrupt for nothing and
 * programs the next.
 */
static void take_off(struct timer_queue *q, struct timer *timer)
{
	if (load_acquire(&timer->queue) != q)
		return;
	list_remove(&timer->node);
	store_release(&timer->queue, NULL);
	if (q == &this_cpu()->timers)
		program(q);
}

void timer_cancel(struct timer *timer)
{
	struct timer_queue *q = load_acquire(&timer->queue);

	if (!q)
		return;
	spin_lock(&q->lock);
	take_off(q, timer);
	spin_unlock(&q->lock);
}

/* Takes it off the queue; true when it is not in its callback there, either. */
static bool take_off_for_good(struct timer_queue *q, struct timer *timer)
{
	bool running;

	spin_lock(&q->lock);
	take_off(q, timer);
	running = q->running == timer && q != &this_cpu()->timers;
	spin_unlock(&q->lock);
	return !running;
}

/*
 * A callback under way may set its timer again, on its own CPU, and so on: done with a CPU is who
 * has seen, under its queue's lock, that neither is so. A callback is bounded and does not wait for
 * its canceller.
 */
void timer_cancel_sync(struct timer *timer)
{
	for (u32 i = 0; i < cpu_count(); i++) {
		while (!take_off_for_good(&cpu_table[i]->timers, timer))
			cpu_relax();
	}
}

void timer_queue_init(struct timer_queue *q)
{
	q->programmed = UINT64_MAX;
	list_init(&q->timers);
}

/* Takes the first timer off the queue if it is due; it is then `running`. */
static struct timer *take_due(struct timer_queue *q, u64 now)
{
	struct timer *timer;

	if (list_empty(&q->timers))
		return NULL;
	timer = list_entry(q->timers.next, struct timer, node);
	if (timer->deadline > now)
		return NULL;
	list_remove(&timer->node);
	q->running = timer;
	store_release(&timer->queue, NULL);
	return timer;
}

void timer_run_expired(void)
{
	struct timer_queue *q = &this_cpu()->timers;
	u64 now = time_now();
	struct timer *timer;

	spin_lock(&q->lock);
	q->programmed = UINT64_MAX;
	/* Callbacks may set timers for the past, which are due at once: what is beyond the batch
	 * has an interrupt of its own, and others get on in between. */
	for (unsigned i = 0; i < TIMER_BATCH && (timer = take_due(q, now)) != NULL; i++) {
		spin_unlock(&q->lock);
		timer->fn(timer);
		spin_lock(&q->lock);
		q->running = NULL;
	}
	program(q);
	spin_unlock(&q->lock);
}
