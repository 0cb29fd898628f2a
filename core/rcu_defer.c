/*
 * Callbacks: a bounded queue on each CPU, touched by that CPU only, with interrupts off. Its timer
 * begins grace periods and sees to it that callbacks run, whatever else the CPU does.
 */
#include <errno.h>

#include "core/panic.h"
#include "core/rcu.h"
#include "core/rcu_internal.h"
#include "core/sched.h"
#include "core/time.h"

static void arm(struct rcu_cpu *r, u64 ns)
{
	timer_set(&r->timer, time_now() + time_ns_to_ticks(ns));
}

int rcu_defer(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	struct rcu_cpu *r = &this_cpu()->rcu;

	if (unlikely(r->count == RCU_QUEUE_MAX)) {
		WRITE_ONCE(r->refused, r->refused + 1);
		return -EAGAIN;
	}
	head->next = NULL;
	head->fn = fn;
	/* As in rcu_begin(): unlinked first, then the number is read. */
	smp_mb();
	head->gp = READ_ONCE(rcu_gp) + 1;
	*r->last = head;
	r->last = &head->next;
	WRITE_ONCE(r->queued, r->queued + 1);
	WRITE_ONCE(r->count, r->count + 1);
	if (r->count > r->high)
		WRITE_ONCE(r->high, r->count);
	if (r->count == 1) {
		patience_begin(&r->stall, RCU_STALL_NS);
		arm(r, RCU_COLLECT_NS);
	}
	return 0;
}

void rcu_defer_or_wait(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	struct rcu_cpu *r;

	if (!rcu_defer(head, fn))
		return;
	rcu_synchronize();
	r = &this_cpu()->rcu;
	WRITE_ONCE(r->paid, r->paid + 1);
	fn(head);
}

/* The oldest callback, taken off the queue, if its time has come. */
static struct rcu_head *take_ready(struct rcu_cpu *r)
{
	struct rcu_head *head = r->first;

	if (!head || !rcu_is_known_over(head->gp))
		return NULL;
	r->first = head->next;
	if (!r->first)
		r->last = &r->first;
	WRITE_ONCE(r->count, r->count - 1);
	return head;
}

void rcu_run_callbacks(void)
{
	struct rcu_cpu *r = &this_cpu()->rcu;
	struct rcu_head *head;

	for (unsigned i = 0; i < RCU_BATCH && (head = take_ready(r)) != NULL; i++) {
		head->fn(head);
		/* Release: pairs with the acquire in rcu_barrier(). */
		store_release(&r->ran, r->ran + 1);
		patience_begin(&r->stall, RCU_STALL_NS);
	}
}

/* The grace period of the oldest callback: is begun if nobody has yet; looked after. */
static void push_on(struct rcu_cpu *r, u64 gp)
{
	if (load_acquire(&rcu_gp) < gp)
		(void)!rcu_begin_from(this_cpu());
	rcu_quiescent();
	if (rcu_is_over(gp) || !patience_is_over(&r->stall))
		return;
	rcu_report_stall(gp);
	patience_begin(&r->stall, RCU_STALL_NS);
}

/* An interrupt's handler, and so a quiescent state. */
static void tick(struct timer *timer)
{
	struct rcu_cpu *r = container_of(timer, struct rcu_cpu, timer);

	if (r->first)
		push_on(r, r->first->gp);
	if (r->count)
		arm(r, RCU_POLL_NS);
}

void rcu_init_cpu(void)
{
	struct rcu_cpu *r = &this_cpu()->rcu;

	r->last = &r->first;
	timer_init(&r->timer, tick);
}

/* What a CPU had taken before has been run. */
static void wait_for(const struct rcu_cpu *r, u64 queued)
{
	struct patience patience;

	patience_begin(&patience, RCU_STALL_NS * RCU_STALLS_MAX);
	/* Acquire: what the callbacks have done is done. */
	while (load_acquire(&r->ran) < queued) {
		rcu_quiescent();
		if (patience_is_over(&patience))
			panic("rcu: callbacks do not run: %lu of %lu", r->ran, queued);
		sched_yield();
		cpu_relax();
	}
}

void rcu_barrier(void)
{
	/* What the caller has seen deferred is counted. */
	smp_mb();
	for (u32 i = 0; i < cpu_count(); i++) {
		const struct rcu_cpu *r = &cpu_table[i]->rcu;

		wait_for(r, READ_ONCE(r->queued));
	}
}
