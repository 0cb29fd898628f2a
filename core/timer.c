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

void timer_set(struct timer *timer, u64 deadline)
{
	struct timer_queue *q = &this_cpu()->timers, *old = load_acquire(&timer->queue);

	if (old && old != q)
		timer_cancel(timer);
	spin_lock(&q->lock);
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

/*
 * The hardware keeps an early deadline when it was another CPU's timer: that CPU then takes one
 * interrupt for nothing and programs the next.
 */
void timer_cancel(struct timer *timer)
{
	struct timer_queue *q = load_acquire(&timer->queue);

	if (!q)
		return;
	spin_lock(&q->lock);
	if (timer->queue == q) {
		list_remove(&timer->node);
		store_release(&timer->queue, NULL);
		if (q == &this_cpu()->timers)
			program(q);
	}
	spin_unlock(&q->lock);
}

/* Waits until no other CPU is in the timer's callback. */
static void wait_callback(const struct timer *timer)
{
	for (u32 i = 0; i < cpu_count(); i++) {
		/* A callback is bounded and does not wait for its canceller. */
		while (cpu_table[i] != this_cpu() &&
		       load_acquire(&cpu_table[i]->timers.running) == timer)
			cpu_relax();
	}
}

/* A callback under way may have set the timer again: then once more, now that it is over. */
void timer_cancel_sync(struct timer *timer)
{
	do {
		timer_cancel(timer);
		wait_callback(timer);
	} while (load_acquire(&timer->queue));
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
	store_release(&q->running, timer);
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
		/* Release: what the callback did is done for timer_cancel_sync(). */
		store_release(&q->running, NULL);
	}
	program(q);
	spin_unlock(&q->lock);
}
