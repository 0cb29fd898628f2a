/* RCU is driven by kicks and timers: do they come? */
#include "core/log.h"
#include "core/rcu.h"
#include "core/rcu_internal.h"
#include "core/sched.h"

/* A CPU answers within microseconds; it may be stopped for a while, all the same. */
#define ANSWER_NS RCU_STALL_NS

struct probe {
	struct rcu_head head;
	bool ran;
};

/* Idle CPUs, too: a kick makes them answer by number. */
static bool answers(const struct cpu *c, u64 gp)
{
	struct patience patience;

	patience_begin(&patience, ANSWER_NS);
	rcu_kick(c);
	while (load_acquire(&c->rcu.seen) < gp) {
		rcu_quiescent();
		if (patience_is_over(&patience))
			return false;
		sched_yield();
		cpu_relax();
	}
	return true;
}

static void note(struct rcu_head *head)
{
	WRITE_ONCE(container_of(head, struct probe, head)->ran, true);
}

static bool callback_runs(void)
{
	static struct probe probe;
	struct patience patience;

	WRITE_ONCE(probe.ran, false);
	if (rcu_defer(&probe.head, note))
		return false;
	patience_begin(&patience, ANSWER_NS);
	while (!READ_ONCE(probe.ran)) {
		rcu_quiescent();
		if (patience_is_over(&patience))
			return false;
		sched_yield();
		cpu_relax();
	}
	return true;
}

bool rcu_self_test(void)
{
	u64 gp = rcu_begin();
	bool ok = true;

	for (u32 i = 0; i < cpu_count(); i++) {
		if (answers(cpu_table[i], gp))
			continue;
		ok = false;
		log_warn("rcu: self-test: CPU %u does not answer to a kick; what it holds back is "
			 "never "
			 "freed",
			 i);
	}
	if (ok && !callback_runs()) {
		ok = false;
		log_warn("rcu: self-test: a deferred callback does not run on CPU %u",
			 this_cpu()->id);
	}
	if (ok)
		log_debug("rcu: self-test: all CPUs answer, callbacks run");
	return ok;
}
