/* The scheduler's policy on several CPUs: what each thread gets of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sched_world.h"

static void check_weights(u32 a, u32 b, u64 expected)
{
	struct body *x = start(0, a, &everywhere), *y = start(0, b, &everywhere);

	run(50 * MS);
	reset_steps();
	run(10000 * MS);
	assert_in_range(percent(x, 10000 * MS), expected - 1, expected + 1);
	assert_in_range(percent(x, 10000 * MS) + percent(y, 10000 * MS), 99, 101);
	assert_in_range(x->t.run_ticks / TICK, x->steps - 5, x->steps + 60 * MS);
}

static void test_equal_weights(void **unused)
{
	(void)unused;
	machine(1);
	check_weights(100, 100, 50);
}

static void test_three_to_one(void **unused)
{
	(void)unused;
	machine(1);
	check_weights(300, 100, 75);
}

static void test_edges_of_weights(void **unused)
{
	(void)unused;
	machine(1);
	check_weights(SCHED_WEIGHT_MAX, 1, 100);
	assert_true(bodies[1].steps > 0);
}

static void check_parts(unsigned n, u64 expected)
{
	run(100 * MS);
	reset_steps();
	run(12000 * MS);
	for (unsigned i = 0; i < n; i++)
		assert_in_range(percent(&bodies[i], 12000 * MS), expected - 3, expected + 3);
}

static void test_three_on_two(void **unused)
{
	(void)unused;
	machine(2);
	for (unsigned i = 0; i < 3; i++)
		start(0, 100, &everywhere);
	check_parts(3, 67);
}

static void test_five_on_four(void **unused)
{
	(void)unused;
	machine(4);
	for (unsigned i = 0; i < 5; i++)
		start(0, 100, &everywhere);
	check_parts(5, 80);
}

/* As many as CPUs, all of them begun on one: each soon has its own, and no tick. */
static void test_one_each(void **unused)
{
	unsigned before;

	(void)unused;
	machine(4);
	for (unsigned i = 0; i < 4; i++)
		start(1, 100, &everywhere);
	check_parts(4, 100);
	before = kicks;
	run(1000 * MS);
	assert_int_equal(kicks, before);
	for (u32 i = 0; i < 4; i++)
		assert_false(timer_is_armed(&slice_timers[i]));
}

/* One that deserves a whole CPU gets it; the others share the rest. */
static void test_weights_on_two(void **unused)
{
	(void)unused;
	machine(2);
	start(0, 300, &everywhere);
	for (unsigned i = 0; i < 3; i++)
		start(1, 100, &everywhere);
	run(1000 * MS);
	reset_steps();
	run(6000 * MS);
	assert_in_range(percent(&bodies[0], 6000 * MS), 97, 100);
	for (unsigned i = 1; i < 4; i++)
		assert_in_range(percent(&bodies[i], 6000 * MS), 30, 37);
}

/* --- yields --- */

/* What it gave away while it spun comes back. */
static void test_spinner_keeps_its_share(void **unused)
{
	struct body *a, *b;

	(void)unused;
	machine(1);
	a = start(0, 100, &everywhere);
	b = start(0, 100, &everywhere);
	a->spins = true;
	run(30 * MS);
	assert_true(a->steps < b->steps);
	a->spins = false;
	run(5000 * MS);
	assert_in_range(a->steps, b->steps - 10 * MS, b->steps + 10 * MS);
}

/* Many that spin for one that does not: it gets nearly all of the CPU. */
static void test_spinners_give_way(void **unused)
{
	struct body *holder;

	(void)unused;
	machine(1);
	for (unsigned i = 0; i < 8; i++)
		start(0, 100, &everywhere)->spins = true;
	holder = start(0, 100, &everywhere);
	run(20 * MS);
	assert_true(holder->steps > 0);
	run(80 * MS);
	assert_true(holder->steps > 10 * MS);
}

static void test_alone_spinning(void **unused)
{
	struct body *a;

	(void)unused;
	machine(1);
	a = start(0, 100, &everywhere);
	a->spins = true;
	run(100);
	assert_int_equal(a->t.switches, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_equal_weights),	   T(test_three_to_one),
		T(test_edges_of_weights),  T(test_three_on_two),
		T(test_five_on_four),	   T(test_one_each),
		T(test_weights_on_two),	   T(test_spinner_keeps_its_share),
		T(test_spinners_give_way), T(test_alone_spinning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
