/* The scheduler's policy on several CPUs: where threads run, and when. Shares: test_sched_shares.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sched_world.h"

/* --- where they may run --- */

static void test_pinned(void **unused)
{
	struct cpu_set one = { { BIT(1) } }, two = { { BIT(2) | BIT(3) } };

	(void)unused;
	machine(4);
	start(1, 100, &one);
	start(1, 100, &one);
	for (unsigned i = 0; i < 3; i++)
		start(3, 100, &two);
	run(100 * MS);
	reset_steps();
	run(6000 * MS);
	for (unsigned i = 0; i < 2; i++) {
		assert_in_range(percent(&bodies[i], 6000 * MS), 49, 51);
		assert_int_equal(bodies[i].t.migrations, 0);
	}
	for (unsigned i = 2; i < 5; i++)
		assert_in_range(percent(&bodies[i], 6000 * MS), 64, 70);
	assert_true(halted[0]);
	post(0, &bodies[0], STOP); /* the sets are about to go */
	for (unsigned i = 1; i < 5; i++)
		post(0, &bodies[i], STOP);
	run(10 * MS);
}

/* The last CPU that there can be is one like the others. */
static void test_sets(void **unused)
{
	struct cpu_set s = { { 0 } };

	(void)unused;
	cpu_total = 0;
	assert_int_equal(cpu_set_next(&s, 0), CPU_MAX);
	cpu_set_add(&s, CPU_MAX - 1);
	assert_int_equal(cpu_set_next(&s, 0), CPU_MAX - 1);
	assert_int_equal(cpu_set_next(&s, CPU_MAX - 1), CPU_MAX - 1);
	assert_int_equal(cpu_set_next(&s, CPU_MAX), CPU_MAX);
	assert_true(cpu_set_has(&s, CPU_MAX - 1));
	assert_true(cpu_set_clear(&s, CPU_MAX - 1));
	assert_false(cpu_set_clear(&s, CPU_MAX - 1));
	cpu_set_mark(&s, 64);
	assert_int_equal(cpu_set_next(&s, 1), 64);
	assert_int_equal(cpu_set_next(&s, 65), CPU_MAX);
}

/* Its own CPU if that idles, state and all; another one at once if not. */
static void test_wakes_where_idle(void **unused)
{
	struct body *s, *hog;

	(void)unused;
	machine(4);
	s = start_sleeper(2, 1, &everywhere);
	run(5);
	assert_int_equal(s->loaded_on, 2);
	for (unsigned i = 0; i < 20; i++) {
		post(i % 4, s, WORK);
		run(3);
		assert_int_equal(s->wakes, i + 1);
		assert_int_equal(s->latency, 1);
		assert_int_equal(s->loaded_on, 2);
	}
	assert_int_equal(s->t.migrations, 0);
	hog = start(2, 100, &(struct cpu_set){ { BIT(2) } });
	run(5);
	assert_int_equal(s->loaded_on, -1);
	post(0, s, WORK);
	run(2);
	assert_int_equal(s->latency, 1);
	assert_int_equal(s->t.migrations, 1);
	assert_int_not_equal(s->loaded_on, 2);
	post(0, hog, STOP);
	run(5);
	assert_true(sched_is_over(&hog->t));
}

/* A thread that waits behind another one is taken by whoever has nothing to do. */
static void test_pull(void **unused)
{
	struct body *a, *b, *c;

	(void)unused;
	machine(2);
	a = start(0, 100, &everywhere);
	b = start(1, 100, &everywhere);
	c = start(0, 100, &everywhere);
	run(2);
	post(0, b->loaded_on == 1 ? b : a, STOP);
	run(3);
	reset_steps();
	run(10);
	assert_int_equal(a->steps + b->steps + c->steps, 20);
}

/* --- sleep and preemption --- */

/* Long sleep is no credit: half of the CPU from then on; but it goes first. */
static void test_sleeper_does_not_hoard(void **unused)
{
	struct body *hog, *s;

	(void)unused;
	machine(1);
	hog = start(0, 100, &everywhere);
	s = start_sleeper(0, 1000 * MS, &everywhere);
	run(5000 * MS);
	reset_steps();
	post(0, s, WORK);
	run(200 * MS);
	assert_in_range(s->latency, 1, 2);
	assert_in_range(percent(s, 200 * MS), 49, 53);
	assert_in_range(percent(hog, 200 * MS), 47, 51);
}

/* Who sleeps most of the time is served at once, though the CPU is never idle. */
static void test_latency(void **unused)
{
	struct body *s;

	(void)unused;
	machine(1);
	start(0, 100, &everywhere);
	start(0, 100, &everywhere);
	s = start_sleeper(0, 1, &everywhere);
	run(100 * MS);
	for (unsigned i = 0; i < 100; i++) {
		post(0, s, WORK);
		run(10 * MS);
		assert_int_equal(s->wakes, i + 1);
		assert_in_range(s->latency, 1, 2);
	}
}

/* Who has just run does not take the CPU from another one by a nap: no ping-pong. */
static void test_short_nap(void **unused)
{
	struct body *hog, *s;
	u64 before;

	(void)unused;
	machine(1);
	hog = start(0, 100, &everywhere);
	s = start_sleeper(0, 2, &everywhere);
	for (unsigned i = 0; i < 2000; i++) {
		post(0, s, WORK);
		run(1);
	}
	before = hog->t.switches;
	reset_steps();
	for (unsigned i = 0; i < 1000 * MS; i++) {
		post(0, s, WORK);
		run(1);
	}
	assert_in_range(percent(hog, 1000 * MS), 45, 55);
	assert_in_range(hog->t.switches - before, 100, 1000);
}

/* --- many --- */

static void test_sixty_four(void **unused)
{
	(void)unused;
	machine(1);
	for (unsigned i = 0; i < 64; i++)
		start(0, 100, &everywhere);
	run(40 * MS);
	for (unsigned i = 0; i < 64; i++)
		assert_true(bodies[i].steps > 0);
	reset_steps();
	run(6400 * MS);
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(bodies[i].steps, 90 * MS, 110 * MS);
}

/* All kinds at once, posted to from everywhere: nobody is forgotten, and nothing is lost. */
static void test_storm(void **unused)
{
	u64 posts[40] = { 0 };
	struct cpu_set some = { { BIT(1) | BIT(3) | BIT(4) } };

	(void)unused;
	machine(6);
	for (unsigned i = 0; i < 40; i++)
		start_sleeper(i % 2 ? 1 : i % 6, 1 + i % 7, i % 2 ? &some : &everywhere);
	for (unsigned i = 0; i < 8; i++)
		start(0, 1 + 100 * i, &everywhere);
	for (unsigned n = 0; n < 20000; n++) {
		struct body *b = &bodies[random_below(40)];

		if (random_below(4) == 0 && !(READ_ONCE(b->t.pending) & WORK)) {
			posts[b - bodies]++;
			post(random_below(6), b, WORK);
		}
		run(1);
	}
	run(2000 * MS);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(bodies[i].wakes, posts[i]);
		assert_int_equal(bodies[i].t.state, THREAD_BLOCKED);
		post(0, &bodies[i], STOP);
	}
	run(1000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pinned),
		T(test_sets),
		T(test_wakes_where_idle),
		T(test_pull),
		T(test_sleeper_does_not_hoard),
		T(test_latency),
		T(test_short_nap),
		T(test_sixty_four),
		T(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
