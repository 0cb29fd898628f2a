#include "core/runqueue.h"

#include "core/time.h"

/* Virtual times wrap around; those of one queue are near each other. */
static bool is_before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

static struct thread *thread_of(struct rb_node *n)
{
	return n ? rb_entry(n, struct thread, node) : NULL;
}

static bool has_smaller_key(const struct rb_node *a, const struct rb_node *b)
{
	return is_before(rb_entry((struct rb_node *)(u64)a, struct thread, node)->key,
			 rb_entry((struct rb_node *)(u64)b, struct thread, node)->key);
}

static u64 virtual_time(u64 ticks, const struct thread *t)
{
	if (likely(t->weight == SCHED_WEIGHT_DEFAULT))
		return ticks;
	return time_muldiv(ticks, SCHED_WEIGHT_DEFAULT, t->weight);
}

void runqueue_init(struct runqueue *rq)
{
	*rq = (struct runqueue){ .sleeper = (s64)time_ns_to_ticks(SCHED_SLEEPER_NS) };
}

/* The queue's time is that of the thread farthest behind, but for what it was before. */
static void advance(struct runqueue *rq, const struct thread *running)
{
	const struct thread *first = runqueue_first(rq);
	u64 min;

	if (!first && !running)
		return;
	if (first && running && is_before(first->vruntime, running->vruntime))
		min = first->vruntime;
	else
		min = running ? running->vruntime : first->vruntime;
	if (is_before(rq->min_vruntime, min))
		rq->min_vruntime = min;
}

void runqueue_charge(struct runqueue *rq, struct thread *running, u64 now)
{
	/* Another CPU's TSC may be a little ahead of the one that was read last. */
	u64 ticks = is_before(rq->accounted, now) ? now - rq->accounted : 0;

	if (running) {
		running->run_ticks += ticks;
		running->vruntime += virtual_time(ticks, running);
	}
	if (ticks || !running)
		rq->accounted = now;
	advance(rq, running);
}

s64 runqueue_lag(const struct runqueue *rq, const struct thread *t)
{
	return (s64)(t->vruntime - rq->min_vruntime);
}

void runqueue_arrive(struct runqueue *rq, struct thread *t, s64 lag)
{
	t->vruntime = rq->min_vruntime + (u64)MAX(lag, -rq->sleeper);
	t->arrival = rq->arrivals++;
	WRITE_ONCE(rq->load, rq->load + t->weight);
}

void runqueue_depart(struct runqueue *rq, const struct thread *t)
{
	WRITE_ONCE(rq->load, rq->load - t->weight);
}

/* Behind the last one, or one slice behind itself, which is nearer. */
static u64 key_behind_others(const struct runqueue *rq, const struct thread *t)
{
	const struct thread *last = thread_of(rb_last(&rq->ready));
	u64 limit = t->vruntime + virtual_time(time_ns_to_ticks(SCHED_SLICE_NS), t);

	if (!last || is_before(last->key, t->vruntime))
		return t->vruntime;
	return is_before(last->key, limit) ? last->key + 1 : limit;
}

void runqueue_insert(struct runqueue *rq, struct thread *t, bool others_first)
{
	t->key = others_first ? key_behind_others(rq, t) : t->vruntime;
	rb_insert(&rq->ready, &t->node, has_smaller_key);
	WRITE_ONCE(rq->length, rq->length + 1);
	WRITE_ONCE(rq->movable, rq->movable + (t->allowed != NULL));
}

void runqueue_remove(struct runqueue *rq, struct thread *t)
{
	rb_remove(&rq->ready, &t->node);
	WRITE_ONCE(rq->length, rq->length - 1);
	WRITE_ONCE(rq->movable, rq->movable - (t->allowed != NULL));
}

struct thread *runqueue_first(const struct runqueue *rq)
{
	return rq->length ? thread_of(rb_first(&rq->ready)) : NULL;
}

struct thread *runqueue_next(struct thread *t)
{
	return thread_of(rb_next(&t->node));
}

bool runqueue_preempts(const struct thread *t, const struct thread *running)
{
	return !running ||
	       is_before(t->vruntime + time_ns_to_ticks(SCHED_PREEMPT_NS), running->vruntime);
}

u64 runqueue_slice(const struct runqueue *rq)
{
	u64 ns = SCHED_PERIOD_NS / (rq->length + 1);

	return time_ns_to_ticks(MAX(MIN(ns, SCHED_SLICE_NS), SCHED_SLICE_MIN_NS));
}
