/* Measuring the TSC on a processor that is stopped at any place, against timers that run on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "shim.h"

#define REAL_HZ	   2500000000ull
#define PORT_USUAL 2500u /* a port takes a microsecond */
#define READ_TICKS 25u
#define PM_PORT	   0x608

static u64 now;			     /* the TSC */
static u64 stop_at[64], stop_ticks;  /* the processor is stopped there, so long */
static unsigned stops, steps, every; /* or in each so many steps */
static u64 pit_start, pm_reads;
static bool no_pit, dead_pm;
static u64 port_ticks;

/* Something takes so long, and something may come between it and the next. */
static void pass(u64 ticks)
{
	now += ticks;
	steps++;
	if (every && steps % every == 0)
		now += stop_ticks;
	for (unsigned i = 0; i < stops; i++) {
		if (stop_at[i] == steps)
			now += stop_ticks;
	}
}

static u64 fake_tsc(void)
{
	u64 v = now;

	pass(READ_TICKS);
	return v;
}

static u8 fake_inb(u16 port)
{
	u64 passed = now - pit_start;
	bool high = no_pit || passed >= 11932 * REAL_HZ / 1193182;

	assert_int_equal(port, 0x61);
	pass(port_ticks);
	return high ? 0x20 : 0;
}

static void fake_outb(u16 port, u8 v)
{
	(void)port;
	(void)v;
	pass(port_ticks);
}

static u32 fake_inl(u16 port)
{
	u64 v = dead_pm ? 0 : (u64)((unsigned __int128)now * 3579545 / REAL_HZ);

	assert_int_equal(port, PM_PORT);
	pm_reads++;
	pass(port_ticks);
	return v & 0xffffff;
}

static void fake_i8254_start(unsigned counter, unsigned mode, u16 count)
{
	assert_int_equal(counter, 2);
	assert_int_equal(mode, 0);
	assert_int_equal(count, 11932);
	pass(2 * port_ticks);
	pit_start = now;
	pass(port_ticks);
}

#include "arch/x86/i8254.h"
#include "arch/x86/pio.h"
#include "arch/x86/tsc.h"

#define tsc_read    fake_tsc
#define inb	    fake_inb
#define inl	    fake_inl
#define outb	    fake_outb
#define i8254_start fake_i8254_start
#include "arch/x86/tsc.c"

static int set_up(void **state)
{
	(void)state;
	now = 1ull << 40;
	stops = steps = every = 0;
	no_pit = dead_pm = false;
	port_ticks = PORT_USUAL;
	memset(&cpu_features, 0, sizeof(cpu_features));
	shim_log_reset();
	return 0;
}

/* Within a thousandth. */
static void expect_measured(u16 port)
{
	tsc_calibrate(port);
	assert_in_range(tsc_hz(), REAL_HZ - REAL_HZ / 1000, REAL_HZ + REAL_HZ / 1000);
	assert_string_equal(tsc_source(), port ? "ACPI PM timer" : "8254");
	assert_int_equal(shim_log_count(), 0);
}

static void undisturbed(void **state)
{
	u64 start = now;

	(void)state;
	expect_measured(PM_PORT);
	assert_true(now - start < REAL_HZ / 80);
	start = now;
	expect_measured(0);
	assert_true(now - start < REAL_HZ / 80);
}

/* A virtual machine's: a disturbed one is seen here, too, and two are enough where none is. */
static void slow_ports(void **state)
{
	u64 start = now;

	(void)state;
	port_ticks = 20 * PORT_USUAL;
	tsc_calibrate(PM_PORT);
	assert_in_range(tsc_hz(), REAL_HZ - REAL_HZ / 100, REAL_HZ + REAL_HZ / 100);
	assert_true(now - start < REAL_HZ / 40);
	for (unsigned at = 1; at < 4 * REAL_HZ / 100 / port_ticks; at++) {
		(void)set_up(state);
		port_ticks = 20 * PORT_USUAL;
		stops = 1;
		stop_at[0] = at;
		stop_ticks = REAL_HZ / 500;
		tsc_calibrate(PM_PORT);
		assert_in_range(tsc_hz(), REAL_HZ - REAL_HZ / 100, REAL_HZ + REAL_HZ / 100);
	}
}

/* One stop, at each place of a measurement: of a fifth of what it takes, and of much more. */
static void one_stop(void **state)
{
	static const u64 lengths[] = { REAL_HZ / 500, REAL_HZ / 20, REAL_HZ };
	unsigned last;

	for (u16 port = 0; port <= PM_PORT; port = (u16)(port + PM_PORT)) {
		(void)set_up(state);
		tsc_calibrate(port);
		last = steps + 2;
		for (unsigned at = 1; at<last; at += at> 40 && at + 40 < last ? 97 : 1) {
			for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
				(void)set_up(state);
				stops = 1;
				stop_at[0] = at;
				stop_ticks = lengths[i];
				expect_measured(port);
			}
		}
	}
}

/* Again and again, though not in every measurement. */
static void many_stops(void **state)
{
	for (unsigned n = 30011; n < 60000; n += 1009) {
		(void)set_up(state);
		every = n;
		stop_ticks = REAL_HZ / 30;
		expect_measured(PM_PORT);
		expect_measured(0);
	}
}

static void no_timer(void **state)
{
	(void)state;
	no_pit = true;
	tsc_calibrate(0);
	assert_string_equal(tsc_source(), "a guess");
	assert_true(shim_log_contains("no timer to measure the TSC against"));
}

/* Is not waited for more than once. */
static void pm_timer_stands_still(void **state)
{
	(void)state;
	dead_pm = true;
	pm_reads = 0;
	tsc_calibrate(PM_PORT);
	assert_true(pm_reads < 10000010);
	assert_string_equal(tsc_source(), "8254");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(undisturbed, set_up),
		cmocka_unit_test_setup(slow_ports, set_up),
		cmocka_unit_test_setup(one_stop, set_up),
		cmocka_unit_test_setup(many_stops, set_up),
		cmocka_unit_test_setup(no_timer, set_up),
		cmocka_unit_test_setup(pm_timer_stands_still, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
