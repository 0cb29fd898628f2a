/* The 8254's interrupts: exact over hours, made up for where they were lost, and not too many. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pit_world.h"

/* An hour: not one interrupt more or less than the clock says. */
static void test_no_drift(void **state __unused)
{
	u64 t, clocks = PIT_HZ * 3600;

	program(0, 0x34, 11932);
	t = clock_now() + 1;
	edges = 0;
	run_to(t + clocks);
	assert_int_equal(edges, clocks / 11932);
}

static void test_late_ticks_coalesce(void **state __unused)
{
	u64 t;

	program(0, 0x34, 1000);
	t = clock_now() + 1;
	run_to(t + 500);
	edges = 0;
	/* The host is busy for seven and a half periods, then runs its timers. */
	shim_set_time(tick(t + 8000));
	shim_run_until(tick(t + 8000));
	assert_int_equal(edges, 1);
	run_to(t + 8999);
	assert_int_equal(edges, 1);
	run_to(t + 9000); /* in step with the start, not with the delay */
	assert_int_equal(edges, 2);
}

/* A processor that takes interrupts or does not: an edge beside one that waits is lost. */
static bool takes, waiting;
static unsigned taken;

static void on_irq_taken(void *ctx __unused, unsigned gsi __unused, bool level)
{
	if (level && !line) {
		taken += takes && !waiting;
		waiting = !takes;
	}
	line = level;
}

static bool irq_waits(void *ctx __unused, unsigned gsi __unused)
{
	return waiting;
}

static void processor_takes(bool on)
{
	takes = on;
	if (takes && waiting) {
		waiting = false;
		taken++;
	}
}

static u64 count_taken(u8 control, u16 count)
{
	pit.irq = (struct irq_line){ .set = on_irq_taken, .waits = irq_waits };
	waiting = false;
	processor_takes(true);
	program(0, control, count);
	taken = 0;
	return clock_now() + 1;
}

static void test_lost_ticks_are_made_up_for(void **state __unused)
{
	u64 t = count_taken(0x34, 8000);

	run_to(t + 3 * 8000);
	assert_int_equal(taken, 3);
	/* Its turn comes after seven periods. */
	processor_takes(false);
	run_to(t + 10 * 8000 + 100);
	assert_int_equal(taken, 3);
	processor_takes(true);
	assert_int_equal(taken, 4);
	run_to(t + 11 * 8000 - 1); /* nothing before the next tick, */
	assert_int_equal(taken, 4);
	run_to(t + 11 * 8000 + 999);
	assert_int_equal(taken, 5);
	run_to(t + 11 * 8000 + 1000); /* then one every eighth of a period */
	assert_int_equal(taken, 6);
	run_to(t + 12 * 8000 - 1);
	assert_int_equal(taken, 11);
	/* And from then on, as if nothing had been. */
	run_to(t + 12 * 8000);
	assert_int_equal(taken, 12);
	run_to(t + 20 * 8000);
	assert_int_equal(taken, 20);
	assert_int_equal(pit.owed, 0);
}

/* It runs for less than a period at a time. */
static void test_made_up_for_in_turns(void **state __unused)
{
	u64 t = count_taken(0x36, 4000);

	for (unsigned i = 0; i < 100; i++) {
		processor_takes(true);
		run_to(t + i * 30000 + 10000);
		processor_takes(false);
		run_to(t + (i + 1) * 30000);
	}
	processor_takes(true);
	run_to(t + 100 * 30000 + 4 * 4000);
	assert_int_equal(taken, (100 * 30000 + 4 * 4000) / 4000);
}

/* The host's own timer is late, as others had interrupts off. */
static void test_late_host_is_made_up_for(void **state __unused)
{
	u64 t = count_taken(0x34, 8000);

	shim_set_time(tick(t + 10 * 8000 + 100));
	shim_run_until(tick(t + 10 * 8000 + 100));
	assert_int_equal(taken, 1);
	run_to(t + 13 * 8000);
	assert_int_equal(taken, 13);
}

static void test_made_up_for_at_most(void **state __unused)
{
	u64 t = count_taken(0x34, 8000), end = t + 8000ull * (PIT_OWED_MAX + 5000);

	processor_takes(false);
	run_to(end);
	assert_int_equal(pit.owed, PIT_OWED_MAX);
	processor_takes(true);
	run_to(end + 8000ull * PIT_OWED_MAX);
	/* The one that waited, those of the time since, and so many more. */
	assert_int_equal(taken, 1 + PIT_OWED_MAX + PIT_OWED_MAX);
}

/* Short periods and single shots have nothing made up for; nor has what was there before. */
static void test_not_made_up_for(void **state __unused)
{
	u64 t = count_taken(0x34, PIT_OWED_PERIOD - 1);

	processor_takes(false);
	run_to(t + 20 * (PIT_OWED_PERIOD - 1));
	assert_int_equal(pit.owed, 0);
	t = count_taken(0x34, PIT_OWED_PERIOD);
	processor_takes(false);
	run_to(t + 20 * PIT_OWED_PERIOD);
	assert_int_equal(pit.owed, 19);
	t = count_taken(0x34, 8000);
	assert_int_equal(pit.owed, 0);
	run_to(t + 3 * 8000 - 1);
	assert_int_equal(taken, 2);
	t = count_taken(0x30, 8000);
	processor_takes(false);
	run_to(t + 30 * 8000);
	processor_takes(true);
	run_to(t + 90 * 8000);
	assert_int_equal(taken, 1);
}

static void test_shortest_period(void **state __unused)
{
	u64 t;

	program(0, 0x34, PIT_MIN_PERIOD);
	t = clock_now() + 1;
	edges = 0;
	run_to(t + 100 * PIT_MIN_PERIOD);
	assert_int_equal(edges, 100);

	program(0, 0x34, PIT_MIN_PERIOD - 1);
	t = clock_now() + 1;
	edges = 0;
	run_to(t + 100 * (PIT_MIN_PERIOD - 1));
	assert_in_range(edges, 49, 50); /* every other one */

	for (unsigned n = 1; n < 5; n++) { /* counts too small to be legal among them */
		program(0, 0x34, (u16)n);
		t = clock_now() + 1;
		edges = 0;
		run_to(t + 10000);
		assert_in_range(edges, 0, 10000 / PIT_MIN_PERIOD);
		assert_int_equal(edges == 0, n == 1);
		assert_in_range(latched(0), 1, n);
		program(0, 0x36, (u16)n);
		run_to(clock_now() + 1000);
		assert_in_range(latched(0), 0, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_drift),
		T(test_late_ticks_coalesce),
		T(test_lost_ticks_are_made_up_for),
		T(test_made_up_for_in_turns),
		T(test_late_host_is_made_up_for),
		T(test_made_up_for_at_most),
		T(test_not_made_up_for),
		T(test_shortest_period),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
