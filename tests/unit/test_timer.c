/* The timer queue of core/timer.c (the other tests have the shim's). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "core/percpu.h"
#include "shim.h"

#include "core/timer.c"

#define TIMERS 8

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpus[2];
static u64 programmed;
static unsigned programs;
static struct timer timer[TIMERS];
static unsigned fired[2 * TIMER_BATCH], fired_count;
static u64 rearm_at[TIMERS];

u32 cpu_count(void)
{
	return 2;
}

void apic_timer_program(u64 deadline)
{
	programmed = deadline;
	programs++;
}

static void fire(struct timer *t)
{
	unsigned n = (unsigned)(t - timer);

	assert_false(timer_is_armed(t));
	assert_true(fired_count < ARRAY_SIZE(fired));
	fired[fired_count++] = n;
	if (rearm_at[n])
		timer_set(t, rearm_at[n]);
}

static int set_up(void **unused)
{
	(void)unused;
	memset(cpus, 0, sizeof(cpus));
	for (u32 i = 0; i < 2; i++) {
		cpus[i].self = &cpus[i];
		cpus[i].id = i;
		cpu_table[i] = &cpus[i];
		timer_queue_init(&cpus[i].timers);
	}
	shim_use_cpu(&cpus[0]);
	for (unsigned i = 0; i < TIMERS; i++)
		timer_init(&timer[i], fire);
	memset(rearm_at, 0, sizeof(rearm_at));
	fired_count = programs = 0;
	programmed = UINT64_MAX;
	shim_set_time(1000);
	return 0;
}

static void run_at(u64 now)
{
	shim_set_time(now);
	timer_run_expired();
}

static void expect_fired(unsigned n, const unsigned *order)
{
	assert_int_equal(fired_count, n);
	assert_memory_equal(fired, order, n * sizeof(*order));
	fired_count = 0;
}

static void test_order(void **unused)
{
	static const u64 at[] = { 5000, 3000, 9000, 3000, 4000, 1 };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		timer_set(&timer[i], at[i]);
		assert_true(timer_is_armed(&timer[i]));
	}
	assert_int_equal(programmed, 1);
	run_at(2999);
	expect_fired(1, (const unsigned[]){ 5 });
	assert_int_equal(programmed, 3000);
	/* Due exactly now counts; equal deadlines in the order they were set. */
	run_at(5000);
	expect_fired(4, (const unsigned[]){ 1, 3, 4, 0 });
	assert_int_equal(programmed, 9000);
	run_at(8999);
	expect_fired(0, NULL);
	run_at(UINT64_MAX);
	expect_fired(1, (const unsigned[]){ 2 });
	/* The hardware is one-shot: when it has fired it need not be stopped. */
	assert_int_equal(cpus[0].timers.programmed, UINT64_MAX);
}

/* The hardware is told of a new earliest deadline, and of nothing else. */
static void test_programming(void **unused)
{
	(void)unused;
	timer_set(&timer[0], 5000);
	timer_set(&timer[1], 6000);
	timer_set(&timer[2], 5000);
	assert_int_equal(programs, 1);
	timer_set(&timer[3], 4000);
	assert_int_equal(programmed, 4000);
	assert_int_equal(programs, 2);
	timer_cancel(&timer[3]);
	assert_int_equal(programmed, 5000);
	timer_cancel(&timer[0]);
	assert_int_equal(programs, 3);
	timer_cancel(&timer[2]);
	timer_cancel(&timer[1]);
	assert_int_equal(programmed, UINT64_MAX);
	/* After an interrupt the hardware has nothing: it is told even what it was told before. */
	timer_set(&timer[0], 5000);
	programs = 0;
	run_at(4999);
	assert_int_equal(programs, 1);
	assert_int_equal(programmed, 5000);
}

/* Set again within its place: behind another nothing is told; the first is, and who leaves its
 * place, or comes to the front. */
static void test_set_again(void **unused)
{
	(void)unused;
	timer_set(&timer[0], 3000);
	timer_set(&timer[1], 5000);
	timer_set(&timer[2], 7000);
	programs = 0;
	timer_set(&timer[1], 3000);
	timer_set(&timer[1], 7000);
	timer_set(&timer[1], 6000);
	timer_set(&timer[2], UINT64_MAX);
	timer_set(&timer[2], 8000);
	assert_int_equal(programs, 0);
	timer_set(&timer[0], 4000);
	assert_int_equal(programmed, 4000);
	timer_set(&timer[1], 2000);
	assert_int_equal(programmed, 2000);
	timer_set(&timer[1], 9000);
	assert_int_equal(programmed, 4000);
	assert_int_equal(programs, 3);
	run_at(9000);
	expect_fired(3, (const unsigned[]){ 0, 2, 1 });
}

static void test_cancel_and_move(void **unused)
{
	(void)unused;
	timer_cancel(&timer[0]); /* not armed */
	timer_set(&timer[0], 2000);
	timer_set(&timer[1], 3000);
	timer_set(&timer[0], 4000); /* later than before */
	assert_int_equal(programmed, 3000);
	timer_cancel(&timer[1]);
	timer_cancel(&timer[1]);
	assert_false(timer_is_armed(&timer[1]));
	run_at(3500);
	expect_fired(0, NULL);
	timer_set(&timer[0], 3600); /* earlier */
	run_at(3600);
	expect_fired(1, (const unsigned[]){ 0 });
	assert_true(list_empty(&cpus[0].timers.timers));
}

/* A callback re-arms its timer: later works, and the past waits for the next interrupt at once. */
static void test_rearm(void **unused)
{
	(void)unused;
	rearm_at[0] = 3000;
	timer_set(&timer[0], 2000);
	run_at(2500);
	expect_fired(1, (const unsigned[]){ 0 });
	assert_int_equal(programmed, 3000);
	rearm_at[0] = 0;
	run_at(3000);
	expect_fired(1, (const unsigned[]){ 0 });
	assert_int_equal(cpus[0].timers.programmed, UINT64_MAX);
}

/* One that sets itself for the past for ever does not keep the CPU: a batch, then an interrupt. */
static void test_batch(void **unused)
{
	(void)unused;
	rearm_at[0] = 1;
	timer_set(&timer[0], 2000);
	timer_set(&timer[1], 2000);
	programs = 0;
	run_at(2000);
	assert_int_equal(fired_count, TIMER_BATCH);
	assert_int_equal(programs, 1);
	assert_int_equal(programmed, 1);
	rearm_at[0] = 0;
	fired_count = 0;
	run_at(2001);
	expect_fired(2, (const unsigned[]){ 0, 1 });
	assert_int_equal(cpus[0].timers.programmed, UINT64_MAX);
}

static struct timer *victim;

static void cancel_other(struct timer *t)
{
	fired[fired_count++] = (unsigned)(t - timer);
	timer_cancel(victim);
	timer_cancel_sync(t); /* itself: must not wait */
}

static void test_cancel_in_callback(void **unused)
{
	(void)unused;
	timer_init(&timer[0], cancel_other);
	victim = &timer[1];
	timer_set(&timer[0], 2000);
	timer_set(&timer[1], 2000);
	timer_set(&timer[2], 2000);
	run_at(2000);
	expect_fired(2, (const unsigned[]){ 0, 2 });
	assert_false(timer_is_armed(&timer[1]));
}

/* A timer goes with the CPU that sets it; another CPU's cancelling leaves the hardware alone. */
static void test_two_cpus(void **unused)
{
	(void)unused;
	timer_set(&timer[0], 2000);
	timer_set(&timer[1], 5000);
	shim_use_cpu(&cpus[1]);
	programs = 0;
	timer_cancel(&timer[1]);
	assert_false(timer_is_armed(&timer[1]));
	assert_int_equal(programs, 0);
	timer_set(&timer[0], 3000);
	assert_ptr_equal(timer[0].queue, &cpus[1].timers);
	assert_true(list_empty(&cpus[0].timers.timers));
	run_at(4000);
	expect_fired(1, (const unsigned[]){ 0 });
	shim_use_cpu(&cpus[0]);
	run_at(6000);
	expect_fired(0, NULL);
	assert_int_equal(cpus[0].timers.programmed, UINT64_MAX);
}

/* timer_cancel_sync() on one CPU returns only when the callback under way on another is over. */
static u32 in_callback, callback_over;

static void slow(struct timer *t)
{
	(void)t;
	store_release(&in_callback, 1);
	for (unsigned i = 0; i < 20000000; i++)
		compiler_barrier();
	store_release(&callback_over, 1);
}

static void *other_cpu(void *arg)
{
	(void)arg;
	shim_use_cpu(&cpus[1]);
	timer_set(&timer[0], 1500);
	timer_run_expired();
	return NULL;
}

static void test_cancel_sync(void **unused)
{
	pthread_t t;

	(void)unused;
	in_callback = callback_over = 0;
	timer_init(&timer[0], slow);
	shim_set_time(2000);
	pthread_create(&t, NULL, other_cpu, NULL);
	while (!load_acquire(&in_callback))
		cpu_relax();
	timer_cancel_sync(&timer[0]);
	assert_int_equal(load_acquire(&callback_over), 1);
	pthread_join(t, NULL);
}

/* One CPU sets and runs timers while another cancels them: the queue stays whole. */
static u32 done;

static void count(struct timer *t)
{
	(void)t;
	fired_count++;
}

static void *canceller(void *arg)
{
	(void)arg;
	shim_use_cpu(&cpus[1]);
	for (unsigned i = 0; !load_acquire(&done); i++)
		timer_cancel(&timer[i % TIMERS]);
	return NULL;
}

static void test_cancel_race(void **unused)
{
	pthread_t t;

	(void)unused;
	done = 0;
	for (unsigned i = 0; i < TIMERS; i++)
		timer_init(&timer[i], count);
	pthread_create(&t, NULL, canceller, NULL);
	for (unsigned i = 0; i < 100000; i++) {
		timer_set(&timer[i * 5 % TIMERS], 1000 + i * 7 % 100);
		if (i % 16 == 0)
			timer_run_expired();
	}
	store_release(&done, 1);
	pthread_join(t, NULL);
	run_at(5000);
	assert_true(list_empty(&cpus[0].timers.timers));
	for (unsigned i = 0; i < TIMERS; i++)
		assert_false(timer_is_armed(&timer[i]));
	assert_int_equal(cpus[0].timers.programmed, UINT64_MAX);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_order),		 T(test_programming), T(test_set_again),
		T(test_cancel_and_move), T(test_rearm),	      T(test_cancel_in_callback),
		T(test_two_cpus),	 T(test_cancel_sync), T(test_cancel_race),
		T(test_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
