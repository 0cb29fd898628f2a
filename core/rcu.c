/* Grace periods: beginning one, and finding out that it is over. core/rcu.h says how it works. */
#include "core/rcu.h"

#include "arch/x86/apic.h"
#include "arch/x86/trap.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/patience.h"
#include "core/rcu_internal.h"
#include "core/sched.h"
#include "core/time.h"

u64 rcu_gp;
static u64 completed;			/* all up to this one are over; only grows */
static u64 kicks, stalls, longest_wait; /* atomic */
static void (*stall_reporter)(const struct cpu *cpu);

void rcu_kick(const struct cpu *c)
{
	atomic_fetch_add(&kicks, 1);
	apic_send_ipi(c->apic_id, VEC_KICK);
}

static bool is_quiescent(const struct cpu *c, u64 gp)
{
	/* Acquire: what the CPU read before is read. */
	return load_acquire(&c->rcu.idle) || load_acquire(&c->rcu.seen) >= gp;
}

u64 rcu_begin_from(const struct cpu *me)
{
	u64 last, gp;

	/*
	 * What was unlinked is so for all before the number is read: it is the number to come that
	 * counts, whoever gives it out. Pairs with rcu_quiescent() and rcu_idle_exit().
	 */
	smp_mb();
	last = READ_ONCE(rcu_gp);
	gp = last + 1;
	if (!atomic_cmpxchg(&rcu_gp, &last, gp))
		return gp; /* somebody else has, and kicks */
	for (u32 i = 0; i < cpu_count(); i++) {
		if (cpu_table[i] != me && !is_quiescent(cpu_table[i], gp))
			rcu_kick(cpu_table[i]);
	}
	return gp;
}

u64 rcu_begin(void)
{
	return rcu_begin_from(NULL);
}

/* A CPU that has yet to pass a quiescent state; NULL: none. */
static const struct cpu *find_lagging(u64 gp)
{
	/* The number was read: the flags below are read after. Pairs with rcu_idle_exit(). */
	smp_mb();
	for (u32 i = 0; i < cpu_count(); i++) {
		if (!is_quiescent(cpu_table[i], gp))
			return cpu_table[i];
	}
	return NULL;
}

/* Release: who reads the number there may free what others have found unused. */
static void raise_to(u64 *max, u64 value)
{
	u64 old = READ_ONCE(*max);

	while (old < value && !atomic_cmpxchg(max, &old, value))
		;
}

bool rcu_is_known_over(u64 gp)
{
	/* Acquire: pairs with raise_to(). */
	return load_acquire(&completed) >= gp;
}

bool rcu_is_over(u64 gp)
{
	if (rcu_is_known_over(gp))
		return true;
	if (load_acquire(&rcu_gp) < gp || find_lagging(gp))
		return false;
	raise_to(&completed, gp);
	return true;
}

void rcu_set_stall_reporter(void (*report)(const struct cpu *cpu))
{
	stall_reporter = report;
}

void rcu_report_stall(u64 gp)
{
	const struct cpu *c = find_lagging(gp);

	if (!c)
		return;
	atomic_fetch_add(&stalls, 1);
	log_warn("rcu: CPU %u stalls grace period %lu: it was last quiescent in %lu and has taken "
		 "no "
		 "interrupt since; thread %s",
		 c->id, gp, READ_ONCE(c->rcu.seen), c->current ? c->current->name : "none");
	if (stall_reporter)
		stall_reporter(c);
	rcu_kick(c);
}

/* A kicked CPU answers within some microseconds: shorter than what yielding may take. */
static bool is_over_soon(u64 gp)
{
	for (unsigned i = 0; i < RCU_SPINS; i++) {
		if (rcu_is_over(gp))
			return true;
		cpu_relax();
	}
	return false;
}

void rcu_wait(u64 gp)
{
	struct patience patience;
	unsigned reports = 0;
	u64 start;

	rcu_quiescent();
	if (rcu_is_over(gp))
		return;
	start = time_now();
	patience_begin(&patience, RCU_STALL_NS);
	for (;;) {
		rcu_quiescent();
		if (is_over_soon(gp))
			break;
		if (patience_is_over(&patience)) {
			rcu_report_stall(gp);
			if (++reports == RCU_STALLS_MAX)
				panic("rcu: grace period %lu does not end", gp);
			patience_begin(&patience, RCU_STALL_NS);
		}
		sched_yield();
		cpu_relax();
	}
	raise_to(&longest_wait, time_now() - start);
}

void rcu_synchronize(void)
{
	rcu_wait(rcu_begin_from(this_cpu()));
}

void rcu_get_stats(struct rcu_stats *out)
{
	*out = (struct rcu_stats){ .grace_periods = READ_ONCE(rcu_gp),
				   .kicks = READ_ONCE(kicks),
				   .stalls = READ_ONCE(stalls),
				   .longest_wait = READ_ONCE(longest_wait) };
	for (u32 i = 0; i < cpu_count(); i++) {
		const struct rcu_cpu *r = &cpu_table[i]->rcu;

		out->queued += READ_ONCE(r->queued);
		out->ran += READ_ONCE(r->ran);
		out->refused += READ_ONCE(r->refused);
		out->paid += READ_ONCE(r->paid);
		out->high = MAX(out->high, READ_ONCE(r->high));
	}
}

void rcu_log_stats(void)
{
	struct rcu_stats s;

	rcu_get_stats(&s);
	log_info("rcu: %lu grace periods, %lu kicks, longest wait %lu us, %lu stalls; %lu "
		 "callbacks, %lu "
		 "run, at most %u of %u in a queue, %lu refused, %lu paid",
		 s.grace_periods, s.kicks, time_ticks_to_ns(s.longest_wait) / 1000, s.stalls,
		 s.queued, s.ran, s.high, (u32)RCU_QUEUE_MAX, s.refused, s.paid);
}
