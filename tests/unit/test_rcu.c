/* Grace periods and the queues of callbacks, step by step; with real threads:
 * tests/tsan/tsan_rcu.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/rcu.h"
#include "core/time.h"
#include "shim.h"

#define CPUS 3
#define SEC  SHIM_HZ

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpus[CPUS];
static unsigned kicks[CPUS];
static bool answering; /* CPUs take kicks at once */
static u64 step;       /* of the clock, at each turn of a wait */
static unsigned calls, last_call;
static struct item {
	struct rcu_head head;
	unsigned number;
} items[RCU_QUEUE_MAX + 1];

u32 cpu_count(void)
{
	return CPUS;
}

/* What a CPU does in the kick's handler. */
static void take_kick(u32 cpu)
{
	shim_use_cpu(&cpus[cpu]);
	rcu_idle_exit();
	rcu_quiescent();
	shim_use_cpu(&cpus[0]);
}

void apic_send_ipi(u32 apic_id, u8 vector)
{
	(void)vector;
	kicks[apic_id]++;
	if (answering)
		take_kick(apic_id);
}

void sched_yield(void)
{
	shim_run_until(time_now() + step);
	for (u32 i = 1; answering && i < CPUS; i++)
		take_kick(i);
}

static void report(const struct cpu *cpu)
{
	assert_ptr_equal(cpu, &cpus[1]);
	calls++;
}

static int set_up(void **state)
{
	(void)state;
	memset(kicks, 0, sizeof(kicks));
	for (u32 i = 0; i < CPUS; i++) {
		cpus[i] = (struct cpu){ .self = &cpus[i], .id = i, .apic_id = i };
		cpu_table[i] = &cpus[i];
		shim_use_cpu(&cpus[i]);
		rcu_init_cpu();
		rcu_quiescent();
	}
	shim_use_cpu(&cpus[0]);
	answering = false;
	step = 0;
	calls = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(items); i++)
		items[i].number = i;
	shim_log_reset();
	return 0;
}

static void callback(struct rcu_head *head)
{
	last_call = container_of(head, struct item, head)->number;
	calls++;
}

static void make_idle(u32 cpu)
{
	shim_use_cpu(&cpus[cpu]);
	rcu_idle_enter();
	shim_use_cpu(&cpus[0]);
}

static void test_waits_for_all(void **state)
{
	u64 gp = rcu_begin();

	(void)state;
	/* Nobody has said anything: all are kicked, this one too. */
	for (u32 i = 0; i < CPUS; i++) {
		assert_int_equal(kicks[i], 1);
		assert_false(rcu_is_over(gp));
		take_kick(i);
	}
	assert_true(rcu_is_over(gp));
	/* One that nobody has begun is not over. */
	assert_false(rcu_is_over(gp + 1));
}

static void test_earlier_quiescence_does_not_count(void **state)
{
	u64 gp;

	(void)state;
	for (u32 i = 0; i < CPUS; i++)
		take_kick(i);
	gp = rcu_begin();
	take_kick(0);
	take_kick(2);
	assert_false(rcu_is_over(gp));
	/* A later one counts for an earlier grace period, too. */
	assert_int_equal(rcu_begin(), gp + 1);
	take_kick(1);
	assert_true(rcu_is_over(gp));
	assert_false(rcu_is_over(gp + 1));
}

static void test_idle_is_quiescent(void **state)
{
	u64 gp;

	(void)state;
	make_idle(1);
	gp = rcu_begin();
	assert_int_equal(kicks[1], 0);
	take_kick(0);
	take_kick(2);
	/* It leaves idling before anybody looks: that is a quiescent state itself. */
	shim_use_cpu(&cpus[1]);
	rcu_idle_exit();
	shim_use_cpu(&cpus[0]);
	assert_true(rcu_is_over(gp));
	/* And is waited for from now on. */
	gp = rcu_begin();
	assert_int_equal(kicks[1], 1);
	take_kick(0);
	take_kick(2);
	assert_false(rcu_is_over(gp));
	take_kick(1);
	assert_true(rcu_is_over(gp));
}

static void test_synchronize(void **state)
{
	(void)state;
	answering = true;
	make_idle(2);
	rcu_synchronize();
	/* Itself it does not kick. */
	assert_int_equal(kicks[0], 0);
	assert_int_equal(kicks[1], 1);
	assert_int_equal(kicks[2], 0);
}

static void test_queue_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RCU_QUEUE_MAX; i++)
		assert_int_equal(rcu_defer(&items[i].head, callback), 0);
	assert_int_equal(rcu_defer(&items[RCU_QUEUE_MAX].head, callback), -EAGAIN);
	assert_int_equal(cpus[0].rcu.high, RCU_QUEUE_MAX);
	assert_int_equal(cpus[0].rcu.refused, 1);
	/* The next CPU's queue is its own. */
	shim_use_cpu(&cpus[1]);
	assert_int_equal(rcu_defer(&items[RCU_QUEUE_MAX].head, callback), 0);
	shim_use_cpu(&cpus[0]);
	assert_int_equal(calls, 0);
	answering = true;
	step = SEC / 10000;
	rcu_barrier();
	assert_int_equal(calls, RCU_QUEUE_MAX + 1);
	assert_int_equal(cpus[0].rcu.count, 0);
	/* And it takes more again. */
	assert_int_equal(rcu_defer(&items[0].head, callback), 0);
	rcu_barrier();
	assert_int_equal(calls, RCU_QUEUE_MAX + 2);
}

static void test_batch(void **state)
{
	u64 gp;

	(void)state;
	for (unsigned i = 0; i < 3 * RCU_BATCH + 1; i++)
		assert_int_equal(rcu_defer(&items[i].head, callback), 0);
	rcu_quiescent();
	assert_int_equal(calls, 0);
	gp = rcu_begin();
	for (u32 i = 1; i < CPUS; i++)
		take_kick(i);
	/* The last quiescent state that is missing runs nothing: nobody has looked yet. */
	rcu_quiescent();
	assert_int_equal(calls, 0);
	assert_true(rcu_is_over(gp));
	for (unsigned i = 1; i <= 3; i++) {
		rcu_quiescent();
		assert_int_equal(calls, i * RCU_BATCH);
		assert_int_equal(last_call, i * RCU_BATCH - 1);
	}
	/* What comes now waits for a grace period of its own. */
	assert_int_equal(rcu_defer(&items[200].head, callback), 0);
	rcu_quiescent();
	assert_int_equal(last_call, 3 * RCU_BATCH);
	rcu_quiescent();
	assert_int_equal(calls, 3 * RCU_BATCH + 1);
	answering = true;
	step = SEC / 10000;
	rcu_barrier();
	assert_int_equal(last_call, 200);
}

/* Whatever else the CPU does: nobody but the timer is here. */
static void test_timer_drives(void **state)
{
	u64 before = rcu_gp;

	(void)state;
	assert_int_equal(rcu_defer(&items[5].head, callback), 0);
	answering = true;
	shim_run_until(time_now() + time_ns_to_ticks(RCU_COLLECT_NS) - 1);
	assert_int_equal(rcu_gp, before);
	shim_run_until(time_now() + 1);
	assert_int_equal(rcu_gp, before + 1);
	shim_run_until(time_now() + 3 * time_ns_to_ticks(RCU_POLL_NS));
	assert_int_equal(calls, 1);
	assert_int_equal(last_call, 5);
	assert_false(timer_is_armed(&cpus[0].rcu.timer));
}

static void test_producer_pays(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RCU_QUEUE_MAX; i++)
		assert_int_equal(rcu_defer(&items[i].head, callback), 0);
	answering = true;
	rcu_defer_or_wait(&items[RCU_QUEUE_MAX].head, callback);
	/* Its own has run, after a grace period. */
	assert_int_equal(last_call, RCU_QUEUE_MAX);
	assert_int_equal(cpus[0].rcu.paid, 1);
	step = SEC / 10000;
	rcu_barrier();
	assert_int_equal(calls, RCU_QUEUE_MAX + 1);
}

static void test_stall(void **state)
{
	struct rcu_stats before, after;

	(void)state;
	make_idle(2);
	step = SEC;
	rcu_get_stats(&before);
	rcu_set_stall_reporter(report);
	assert_true(SHIM_PANICS(rcu_synchronize()));
	rcu_set_stall_reporter(NULL);
	assert_int_equal(calls, RCU_STALLS_MAX);
	assert_true(shim_log_contains("rcu: CPU 1 stalls grace period"));
	rcu_get_stats(&after);
	assert_int_equal(after.stalls - before.stalls, RCU_STALLS_MAX);
	/* Kicked at first, and each time. */
	assert_int_equal(kicks[1], 1 + RCU_STALLS_MAX);
	assert_int_equal(kicks[2], 0);
}

/* A machine that was stopped for an hour is not one that stalls. */
static void test_stopped_machine(void **state)
{
	struct patience p;

	(void)state;
	patience_begin(&p, 10 * PATIENCE_STEP_NS);
	for (unsigned i = 1; i < 10; i++) {
		shim_run_until(time_now() + 3600 * SEC);
		assert_false(patience_is_over(&p));
	}
	shim_run_until(time_now() + 3600 * SEC);
	assert_true(patience_is_over(&p));
}

static void test_self_test(void **state)
{
	(void)state;
	answering = true;
	step = SEC / 1000;
	make_idle(1);
	make_idle(2);
	assert_true(rcu_self_test());
	answering = false;
	assert_false(rcu_self_test());
	assert_true(shim_log_contains("rcu: self-test: CPU 2 does not answer to a kick"));
	answering = true;
	rcu_barrier();
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_waits_for_all),
		T(test_earlier_quiescence_does_not_count),
		T(test_idle_is_quiescent),
		T(test_synchronize),
		T(test_queue_is_bounded),
		T(test_batch),
		T(test_timer_drives),
		T(test_producer_pays),
		T(test_stall),
		T(test_stopped_machine),
		T(test_self_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
