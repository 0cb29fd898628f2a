/* Comparing and setting TSCs, with two threads for two processors and a counter of each one's own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "arch/x86/tsc.h"
#include "core/atomic.h"
#include "shim.h"

/* The asking thread's counter: so far ahead of the other's, and what a write does to it. */
static __thread s64 mine;
static __thread bool asks;
static s64 write_loses;	  /* ticks between reading the counter and the end of a write */
static bool deaf;	  /* writes do nothing */
static unsigned adjusted; /* writes to IA32_TSC_ADJUST */
static u64 clock_now;	  /* of both; atomic */
static unsigned delay_every;
static bool lonely; /* nobody answers: let time pass */
static u64 jump_at; /* the asking processor stops there, for a second, and all do for a minute */

static u64 fake_tsc(void)
{
	u64 n = atomic_fetch_add(&clock_now, 3), at = READ_ONCE(jump_at);

	if (at && n >= at && atomic_cmpxchg(&jump_at, &at, 0ull))
		atomic_fetch_add(&clock_now, 61 * SHIM_HZ);
	if (asks && delay_every && n % delay_every == 0)
		atomic_fetch_add(&clock_now, 100000);
	return n + (u64)mine;
}

/* The answering thread's. */
u64 time_now(void)
{
	return READ_ONCE(clock_now);
}

static u64 fake_rdmsr(u32 msr)
{
	assert_int_equal(msr, MSR_TSC_ADJUST);
	return 0;
}

static void fake_wrmsr(u32 msr, u64 value)
{
	if (deaf)
		return;
	if (msr == MSR_TSC_ADJUST) {
		adjusted++;
		mine += (s64)value;
	} else {
		assert_int_equal(msr, MSR_TSC);
		mine = (s64)(value - READ_ONCE(clock_now)) - write_loses;
	}
}

static void relax(void)
{
	if (lonely)
		atomic_fetch_add(&clock_now, 100000);
	else
		sched_yield();
}

#define tsc_read	 fake_tsc
#define tsc_read_ordered fake_tsc
#define rdmsr		 fake_rdmsr
#define wrmsr		 fake_wrmsr
#define cpu_relax()	 relax()
#include "arch/x86/tsc_sync.c"

struct asker {
	u32 cpu;
	s64 mine;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	asks = true;
	mine = a->mine;
	tsc_sync_ask(a->cpu);
	a->mine = mine;
	return NULL;
}

/* Compares with a processor whose counter is so far ahead; how far it is afterwards. */
static s64 compare(u32 cpu, s64 by)
{
	struct asker a = { cpu, by };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
	tsc_sync_answer(cpu);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return a.mine;
}

static int set_up(void **state)
{
	(void)state;
	memset(&channel, 0, sizeof(channel));
	compared = failed = adjusted = 0;
	widest = 0;
	write_loses = 0;
	deaf = lonely = false;
	delay_every = 0;
	jump_at = 0;
	clock_now = 1000000;
	cpu_features.tsc_adjust = cpu_features.tsc_invariant = true;
	shim_log_reset();
	return 0;
}

static void agree(void **state)
{
	(void)state;
	assert_int_equal(compare(1, 0), 0);
	assert_int_equal(compare(2, 0), 0);
	assert_int_equal(adjusted, 0);
	tsc_sync_print();
	assert_true(shim_log_contains("TSCs of 3 processors agree within"));
	assert_false(shim_log_contains("ahead"));
	assert_false(shim_log_contains("invariant"));
}

static const s64 distances[] = { 1000000, -1000000, 1ll << 40, -(1ll << 62), 5000000000ll };

/* What is left is less than anybody can see. */
static void check_left(s64 left)
{
	assert_in_range(left + (s64)widest, 0, 2 * widest);
}

static void set_by_adjust(void **state)
{
	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(distances); i++)
		check_left(compare(i + 1, distances[i]));
	assert_true(adjusted >= ARRAY_SIZE(distances));
	assert_int_equal(failed, 0);
	assert_true(shim_log_contains("was set by IA32_TSC_ADJUST"));
}

static void set_by_write(void **state)
{
	(void)state;
	cpu_features.tsc_adjust = false;
	/* Much more than a round trip: one write is not enough. */
	write_loses = 1000000;
	for (u32 i = 0; i < ARRAY_SIZE(distances); i++)
		check_left(compare(i + 1, distances[i]));
	assert_int_equal(adjusted, 0);
	assert_int_equal(failed, 0);
	assert_true(shim_log_contains("was set by IA32_TSC"));
}

/* Rounds that were held up say little, and are no reason to move anything. */
static void held_up(void **state)
{
	(void)state;
	delay_every = 2;
	assert_int_equal(compare(1, 0), 0);
	assert_int_equal(adjusted, 0);
}

/* A stop costs a round, and no more. */
static void stopped(void **state)
{
	(void)state;
	jump_at = clock_now + 200;
	check_left(compare(1, 1000000));
	assert_int_equal(jump_at, 0);
	assert_int_equal(failed, 0);
	assert_true(widest < SHIM_HZ);
}

static void cannot_be_set(void **state)
{
	(void)state;
	deaf = true;
	assert_int_equal(compare(1, 1000000), 1000000);
	assert_true(shim_log_contains("the TSC of CPU 1 differs and cannot be set"));
	assert_int_equal(compare(2, 0), 0);
	tsc_sync_print();
	assert_true(shim_log_contains("TSCs of 2 processors agree"));
}

/* The other side does not come; then a processor that is late disturbs none. */
static void alone(void **state)
{
	struct asker late = { 1, 0 };

	(void)state;
	lonely = true;
	tsc_sync_answer(1);
	assert_true(shim_log_contains("the TSC of CPU 1 is not compared"));
	ask(&late);
	asks = lonely = false;
	mine = 0;
	assert_false(result.measured);
	assert_int_equal(compare(2, 0), 0);
	assert_int_equal(failed, 1);
}

static void not_invariant(void **state)
{
	(void)state;
	cpu_features.tsc_invariant = false;
	tsc_sync_print();
	assert_true(shim_log_contains("not said to be invariant"));
	assert_false(shim_log_contains("agree"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(agree, set_up),
		cmocka_unit_test_setup(set_by_adjust, set_up),
		cmocka_unit_test_setup(set_by_write, set_up),
		cmocka_unit_test_setup(held_up, set_up),
		cmocka_unit_test_setup(stopped, set_up),
		cmocka_unit_test_setup(cannot_be_set, set_up),
		cmocka_unit_test_setup(alone, set_up),
		cmocka_unit_test_setup(not_invariant, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
