/* The 8254 interval timer and port 0x61. When it interrupts: test_pit_irq.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pit_world.h"

static void test_firmware_state(void **state __unused)
{
	u16 first;

	assert_int_equal(status(0) & 0x3f, 0x36);
	run_to(1);
	first = latched(0);
	run_to(101);
	assert_int_equal((u16)(first - latched(0)), 200); /* mode 3 counts by two */
	run_to(65536 * 10);
	assert_int_equal(edges, 9);
	run_to(65536 * 10 + 1);
	assert_int_equal(edges, 10);
	assert_int_equal(inb(0x43), 0xff);
}

static void test_mode0(void **state __unused)
{
	program(2, 0x30, 1000);
	outb(0x61, 1);
	assert_int_equal(inb(0x61) & 0x2f, 0x01);

	program(0, 0x30, 1000);
	u64 t = clock_now();

	assert_false(line);
	assert_int_equal(status(0), 0x70); /* OUT low, count not loaded yet */
	run_to(t + 1);
	assert_int_equal(status(0), 0x30);
	assert_int_equal(latched(0), 1000);
	run_to(t + 400);
	assert_int_equal(latched(0), 601);
	run_to(t + 1000);
	assert_false(line);
	assert_int_equal(latched(0), 1);
	run_to(t + 1001); /* N + 1 clocks after the write */
	assert_true(line);
	assert_int_equal(edges, 1);
	assert_int_equal(status(0), 0xb0);
	assert_int_equal(latched(0), 0);
	run_to(t + 1002);
	assert_int_equal(latched(0), 0xffff); /* goes on counting */
	run_to(t + 500000);
	assert_int_equal(edges, 1);
	/* A new count starts it again; its first byte pulls OUT down. */
	outb(0x40, 10);
	assert_false(line);
	run_to(clock_now() + 100);
	assert_false(line);
	outb(0x40, 0);
	t = clock_now();
	run_to(t + 11);
	assert_true(line);
	assert_int_equal(edges, 2);
}

static void test_mode2_periodic(void **state __unused)
{
	u64 t;

	program(0, 0x34, 1193);
	t = clock_now();
	assert_int_equal(status(0) & 0x80, 0x80);
	edges = 0;
	for (unsigned k = 1; k <= 100; k++) {
		run_to(t + 1193 * k);
		assert_int_equal(edges, k - 1);
		assert_int_equal(latched(0), 1);
		assert_int_equal(status(0) & 0x80, 0); /* low for the clock at 1 */
		run_to(t + 1193 * k + 1);
		assert_int_equal(edges, k);
		assert_int_equal(latched(0), 1193);
		assert_int_equal(status(0) & 0x80, 0x80);
	}
}

static void test_mode3(void **state __unused)
{
	u64 t;

	program(0, 0x36, 10);
	t = clock_now() + 1;
	for (unsigned i = 0; i < 40; i++) {
		run_to(t + i);
		assert_int_equal(latched(0), 10 - 2 * (i % 5));
		assert_int_equal(status(0) >> 7, i % 10 < 5);
	}
	program(0, 0x36, 7); /* odd: high for 4, low for 3 */
	t = clock_now() + 1;
	for (unsigned i = 0; i < 28; i++) {
		static const u8 value[7] = { 6, 4, 2, 0, 6, 4, 2 };

		run_to(t + i);
		assert_int_equal(latched(0), value[i % 7]);
		assert_int_equal(status(0) >> 7, i % 7 < 4);
	}
	program(0, 0x36, 0);
	t = clock_now() + 1;
	edges = 0;
	run_to(t + 65536 * 5);
	assert_int_equal(edges, 5);
}

static void test_mode4_one_shot(void **state __unused)
{
	u64 t;

	program(0, 0x38, 500); /* as Linux does */
	t = clock_now() + 1;
	assert_true(line);
	edges = 0;
	run_to(t + 499);
	assert_int_equal(status(0) >> 7, 1);
	run_to(t + 500);
	assert_int_equal(status(0) >> 7, 0);
	assert_int_equal(edges, 0);
	run_to(t + 501);
	assert_int_equal(status(0) >> 7, 1);
	assert_int_equal(edges, 1);
	run_to(t + 1000000);
	assert_int_equal(edges, 1);
	outb(0x40, 100);
	outb(0x40, 0);
	run_to(clock_now() + 102);
	assert_int_equal(edges, 2);
	/* Turned off as Linux does: mode 0 pulls the line down; 65536 clocks on it comes up. */
	program(0, 0x30, 0);
	assert_false(line);
	t = clock_now();
	run_to(t + 65536);
	assert_int_equal(edges, 2);
	run_to(t + 65537);
	assert_int_equal(edges, 3);
}

static void test_new_count_in_period(void **state __unused)
{
	u64 t;

	program(0, 0x34, 1000);
	t = clock_now() + 1;
	run_to(t + 300);
	edges = 0;
	outb(0x40, 2000 & 0xff);
	outb(0x40, 2000 >> 8);
	assert_int_equal(status(0) & 0x40, 0x40);
	assert_int_equal(latched(0), 700); /* the period under way is not disturbed */
	run_to(t + 1000);
	assert_int_equal(edges, 1);
	assert_int_equal(latched(0), 2000);
	assert_int_equal(status(0) & 0x40, 0);
	run_to(t + 2999);
	assert_int_equal(edges, 1);
	run_to(t + 3000);
	assert_int_equal(edges, 2);

	/* Mode 3 takes it at the half: 500 high of the old one, then 100 low of the new. */
	program(0, 0x36, 1000);
	t = clock_now() + 1;
	run_to(t + 10);
	edges = 0;
	outb(0x40, 200);
	outb(0x40, 0);
	run_to(t + 499);
	assert_int_equal(status(0) >> 7, 1);
	run_to(t + 500);
	assert_int_equal(status(0) >> 7, 0);
	run_to(t + 599);
	assert_int_equal(status(0) >> 7, 0);
	assert_int_equal(edges, 0);
	run_to(t + 600);
	assert_int_equal(edges, 1);
	run_to(t + 800);
	assert_int_equal(edges, 2);
}

static void test_gate_level(void **state __unused)
{
	u64 t;

	/* Mode 0: the gate holds the count. */
	program(2, 0x30, 100);
	run_to(clock_now() + 500);
	assert_int_equal(latched(2), 100);
	outb(0x61, 1);
	t = clock_now();
	run_to(t + 40);
	outb(0x61, 0);
	run_to(t + 400);
	assert_int_equal(latched(2), 60);
	assert_int_equal(inb(0x61) & 0x20, 0);
	outb(0x61, 1);
	run_to(t + 459);
	assert_int_equal(inb(0x61) & 0x20, 0);
	run_to(t + 460);
	assert_int_equal(inb(0x61) & 0x20, 0x20);

	/* Mode 3: the gate holds OUT up and starts a period. */
	program(2, 0x36, 100);
	t = clock_now() + 1;
	run_to(t + 60);
	assert_int_equal(inb(0x61) & 0x20, 0);
	outb(0x61, 0);
	assert_int_equal(inb(0x61) & 0x20, 0x20);
	outb(0x61, 1);
	t = clock_now() + 1;
	run_to(t + 49);
	assert_int_equal(inb(0x61) & 0x20, 0x20);
	run_to(t + 50);
	assert_int_equal(inb(0x61) & 0x20, 0);
}

static void test_gate_edge(void **state __unused)
{
	u64 t;

	outb(0x61, 1);
	/* Mode 1: a rising gate starts it, and starts it over. */
	program(2, 0x32, 100);
	assert_int_equal(inb(0x61) & 0x20, 0x20);
	assert_int_equal(status(2) & 0x40, 0x40);
	outb(0x61, 0);
	outb(0x61, 1);
	t = clock_now() + 1;
	run_to(t);
	assert_int_equal(inb(0x61) & 0x20, 0);
	run_to(t + 90);
	outb(0x61, 0);
	assert_int_equal(inb(0x61) & 0x20, 0);
	outb(0x61, 1);
	run_to(t + 190);
	assert_int_equal(inb(0x61) & 0x20, 0);
	run_to(t + 191);
	assert_int_equal(inb(0x61) & 0x20, 0x20);

	/* Mode 5: a strobe of one clock, N after the trigger. */
	program(2, 0x3a, 30);
	outb(0x61, 0);
	outb(0x61, 1);
	t = clock_now() + 1;
	run_to(t + 29);
	assert_int_equal(inb(0x61) & 0x20, 0x20);
	run_to(t + 30);
	assert_int_equal(inb(0x61) & 0x20, 0);
	run_to(t + 31);
	assert_int_equal(inb(0x61) & 0x20, 0x20);
}

/* What Linux does to calibrate the TSC: the result must be the clock's, to the tick. */
static void test_tsc_calibration(void **state __unused)
{
	const unsigned ms = 50, latch = 1193182 / (1000 / ms);
	u64 start, end;

	outb(0x61, (inb(0x61) & ~0x02) | 0x01);
	program(2, 0x30, latch);
	start = time_now();
	while (!(inb(0x61) & 0x20))
		shim_set_time(time_now() + 700);
	end = time_now();
	assert_in_range(end - start, (latch + 1ull) * SHIM_HZ / PIT_HZ - 838,
			(latch + 1ull) * SHIM_HZ / PIT_HZ + 838 + 700);
	/* The quick way: how long the high byte holds a value, 256 clocks. */
	program(2, 0x30, 0xffff);
	for (unsigned high = 0xff; high > 0xf0; high--) {
		u64 begin = time_now();

		do {
			shim_set_time(time_now() + 100);
			inb(0x42);
		} while (inb(0x42) == high);
		if (high < 0xff)
			assert_in_range(time_now() - begin, 214453, 214653 + 200);
	}
}

static void test_latch_and_read_modes(void **state __unused)
{
	u64 t;

	program(2, 0x30, 0x1234);
	outb(0x61, 1);
	t = clock_now();
	outb(0x43, 0x80);
	run_to(t + 5);
	outb(0x43, 0x80); /* ignored until the first is read */
	assert_int_equal(inb(0x42), 0x34);
	run_to(t + 0x100);
	assert_int_equal(inb(0x42), 0x12);
	assert_int_equal(inb(0x42), 0x34); /* the live count: 0x1134 */
	assert_int_equal(inb(0x42), 0x11);

	/* Read-back of status and count: status comes first. */
	outb(0x43, 0xc8);
	run_to(t + 0x200);
	assert_int_equal(inb(0x42), 0x30);
	assert_int_equal(inb(0x42), 0x34);
	assert_int_equal(inb(0x42), 0x11);
	assert_int_equal(inb(0x42), 0x34);
	assert_int_equal(inb(0x42), 0x10);

	/* One byte only. */
	outb(0x43, 0x90);
	outb(0x42, 0x80);
	run_to(clock_now() + 0x11);
	assert_int_equal(inb(0x42), 0x70);
	assert_int_equal(inb(0x42), 0x70);
	outb(0x43, 0xa0);
	outb(0x42, 0x80);
	run_to(clock_now() + 0x1001);
	assert_int_equal(inb(0x42), 0x70);
	outb(0x43, 0x80);
	assert_int_equal(inb(0x42), 0x70);
	/* 16 bits at once are two bytes at two ports. */
	io_bus_write(&bus, 0x42, 2, 0xb000 | 0x30);
	assert_int_equal(status(2) & 0x3f, 0x30);
}

static void test_bcd(void **state __unused)
{
	u64 t;

	program(2, 0x35, 0x1000); /* mode 2, thousand clocks */
	outb(0x61, 1);
	t = clock_now() + 1;
	run_to(t + 1);
	assert_int_equal(latched(2), 0x0999);
	run_to(t + 999);
	assert_int_equal(latched(2), 0x0001);
	assert_int_equal(inb(0x61) & 0x20, 0);
	run_to(t + 1000);
	assert_int_equal(latched(2), 0x1000);
	program(2, 0x31, 0); /* mode 0, ten thousand */
	t = clock_now() + 1;
	assert_int_equal(latched(2), 0);
	run_to(t + 9999);
	assert_int_equal(latched(2), 1);
	assert_int_equal(inb(0x61) & 0x20, 0);
	run_to(t + 10000);
	assert_int_equal(inb(0x61) & 0x20, 0x20);
	run_to(t + 10001);
	assert_int_equal(latched(2), 0x9999);
	program(2, 0x31, 0xffff); /* digits that are none: any count, no harm */
	run_to(clock_now() + 20000);
	latched(2);
}

static void test_port61(void **state __unused)
{
	unsigned toggles = 0;
	u8 last, now;

	outb(0x61, 0xff);
	assert_int_equal(inb(0x61) & 0xcf, 0x0f);
	port61_reset(&port61);
	assert_int_equal(inb(0x61) & 0xcf, 0);
	last = inb(0x61) & 0x10;
	for (u64 us = 0; us < 1000; us++) {
		shim_set_time(time_now() + 1000);
		now = inb(0x61) & 0x10;
		toggles += now != last;
		last = now;
	}
	assert_in_range(toggles, 66, 67); /* 15.085 us each */
}

static void test_stale_timer_and_reset(void **state __unused)
{
	struct timer *t = &pit.timer;

	/* A callback that a reprogramming overtook does nothing. */
	program(0, 0x38, 50000);
	edges = 0;
	t->fn(t);
	assert_int_equal(edges, 0);
	run_to(clock_now() + 50003);
	assert_int_equal(edges, 1);
	assert_false(timer_is_armed(t));
	t->fn(t);
	assert_int_equal(edges, 1);
	outb(0x61, 1);
	pit_reset(&pit);
	assert_int_equal(status(0) & 0x3f, 0x36);
	assert_true(timer_is_armed(t));
	pit_fini(&pit);
	assert_false(timer_is_armed(t));
}

/* Anything at all may be written: no crash, and reads go on to make sense to the sanitizers. */
static void test_garbage(void **state __unused)
{
	u32 seed = 1;

	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		u8 v = (u8)(seed >> 24);
		u16 port = (seed >> 16 & 7) == 7 ? 0x61 : 0x40 + (seed >> 16 & 3);

		if (seed & 0x8000)
			outb(port, v);
		else
			inb(port);
		shim_run_until(time_now() + (seed >> 8 & 0xfff));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_firmware_state),
		T(test_mode0),
		T(test_mode2_periodic),
		T(test_mode3),
		T(test_mode4_one_shot),
		T(test_new_count_in_period),
		T(test_gate_level),
		T(test_gate_edge),
		T(test_tsc_calibration),
		T(test_latch_and_read_modes),
		T(test_bcd),
		T(test_port61),
		T(test_stale_timer_and_reset),
		T(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
