#include "core/sched_place.h"

#include "core/runqueue.h"
#include "core/time.h"

/* Atomic: a CPU enters itself; who takes it out may give it work. */
static struct cpu_set idle;

void sched_place_enter_idle(u32 cpu)
{
	cpu_set_mark(&idle, cpu);
}

bool sched_place_claim(u32 cpu)
{
	/* Looked at first: most of the time it is busy, and the word is shared. */
	return cpu_set_has(&idle, cpu) && cpu_set_clear(&idle, cpu);
}

static struct cpu *claim_in(const struct cpu_set *allowed, u32 first, u32 end)
{
	for (u32 i = cpu_set_next(&idle, first); i < end; i = cpu_set_next(&idle, i + 1)) {
		if (cpu_set_has(allowed, i) && sched_place_claim(i))
			return cpu_table[i];
	}
	return NULL;
}

struct cpu *sched_place_claim_idle(const struct cpu_set *allowed, u32 near)
{
	struct cpu *c = claim_in(allowed, near, CPU_MAX);

	return c ? c : claim_in(allowed, 0, near);
}

bool sched_place_can_leave(const struct thread *t)
{
	/* Acquire: pairs with the releases in finish_switch() and evict(): what was written before
	 * them is there for the CPU that gets the thread. */
	return t->allowed && !load_acquire(&t->on_cpu) && !load_acquire(&t->held);
}

struct cpu *sched_place_busiest(const struct cpu *except)
{
	struct cpu *best = NULL;
	u32 most = 0;

	for (u32 i = 0; i < cpu_count(); i++) {
		u32 n = READ_ONCE(cpu_table[i]->runqueue.movable);

		if (n > most && cpu_table[i] != except) {
			best = cpu_table[i];
			most = n;
		}
	}
	return best;
}

struct thread *sched_place_choose_pull(const struct cpu *from, const struct cpu *to)
{
	struct thread *t = runqueue_first(&from->runqueue);

	/* It is about to run that one itself. */
	if (from->current == from->idle && from->runqueue.length == 1)
		return NULL;
	for (unsigned i = 0; t && i < PLACE_LOOK; i++, t = runqueue_next(t)) {
		if (sched_place_can_leave(t) && cpu_set_has(t->allowed, to->id))
			return t;
	}
	return NULL;
}

/* The next one of the set, behind c, with the least load; NULL: c is the only one. */
static struct cpu *lightest(const struct cpu_set *allowed, const struct cpu *c)
{
	struct cpu *best = NULL;
	u32 n = cpu_count(), least = UINT32_MAX;

	for (u32 i = 1; i < n; i++) {
		struct cpu *other = cpu_table[(c->id + i) % n];
		u32 load = READ_ONCE(other->runqueue.load);

		if (load < least && cpu_set_has(allowed, other->id)) {
			best = other;
			least = load;
		}
	}
	return best;
}

static const struct thread *running(const struct cpu *c)
{
	return c->current == c->idle ? NULL : c->current;
}

/* All would be as before with the two CPUs exchanged. Who is there longest goes: so each has its
 * time with few others. */
static bool is_next_to_rotate(const struct thread *t, const struct cpu *c)
{
	const struct thread *r = running(c);

	return !r || !r->allowed || r->weight != t->weight || t->arrival < r->arrival;
}

/*
 * By how much the difference of the two loads shrinks when the thread moves, plus 1; 0: it is to
 * stay.
 */
static u32 gain(const struct thread *t, const struct cpu *c, u32 difference)
{
	u32 after;

	if (t->weight > difference)
		return 0;
	if (t->weight == difference)
		return is_next_to_rotate(t, c);
	after = difference > 2 * t->weight ? difference - 2 * t->weight
					   : 2 * t->weight - difference;
	return difference - after + 1;
}

static struct thread *choose_by_load(struct cpu *c, struct thread *t, struct cpu **to)
{
	struct thread *best = NULL;
	u32 most = 0, load = c->runqueue.load, there;

	*to = lightest(t->allowed, c);
	if (!*to)
		return NULL;
	there = READ_ONCE((*to)->runqueue.load);
	for (unsigned i = 0; t && i < PLACE_LOOK; i++, t = runqueue_next(t)) {
		u32 n = load > there ? gain(t, c, load - there) : 0;

		if (!n || n < most || !sched_place_can_leave(t) ||
		    !cpu_set_has(t->allowed, (*to)->id))
			continue;
		if (n > most || t->arrival < best->arrival)
			best = t;
		most = n;
	}
	return best;
}

struct thread *sched_place_choose_push(struct cpu *c, u64 now, struct cpu **to)
{
	struct thread *t = runqueue_first(&c->runqueue);

	for (unsigned i = 0; t && !sched_place_can_leave(t); i++, t = runqueue_next(t)) {
		if (i == PLACE_LOOK)
			return NULL;
	}
	if (!t)
		return NULL;
	*to = sched_place_claim_idle(t->allowed, c->id);
	if (*to)
		return t;
	if ((s64)(now - c->runqueue.balance_at) < 0)
		return NULL;
	t = choose_by_load(c, t, to);
	/* Soon again, if none is found: it may be the turn of the one that runs now. */
	c->runqueue.balance_at = now + time_ns_to_ticks(t ? SCHED_BALANCE_NS : SCHED_SLICE_NS);
	return t;
}
