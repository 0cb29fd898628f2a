/* The real-time clock and its CMOS memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include "core/time.h"
#include "hv/dev/rtc.h"
#include "hv/dev/rtc_regs.h"
#include "hv/dev/rtc_time.h"
#include "shim.h"

/* 2024-02-29 23:59:50, a Thursday. */
#define START 1709251190ull

static struct rtc rtc;
static struct io_bus bus;
static bool line;
static unsigned edges;
static u64 origin;

static void on_irq(void *ctx __unused, unsigned gsi, bool level)
{
	assert_int_equal(gsi, 8);
	assert_int_not_equal(level, line);
	edges += level;
	line = level;
}

static u8 get(u8 reg)
{
	io_bus_write(&bus, 0x70, 1, 0x80 | reg);
	return (u8)io_bus_read(&bus, 0x71, 1);
}

static void set(u8 reg, u8 v)
{
	io_bus_write(&bus, 0x70, 1, reg);
	io_bus_write(&bus, 0x71, 1, v);
}

static void run_to(u64 ns)
{
	shim_run_until(origin + ns);
}

static void assert_time(u8 century, u8 year, u8 month, u8 day, u8 hour, u8 minute, u8 second)
{
	assert_int_equal(get(RTC_CENTURY), century);
	assert_int_equal(get(RTC_YEAR), year);
	assert_int_equal(get(RTC_MONTH), month);
	assert_int_equal(get(RTC_DAY), day);
	assert_int_equal(get(RTC_HOUR), hour);
	assert_int_equal(get(RTC_MINUTE), minute);
	assert_int_equal(get(RTC_SECOND), second);
}

static int setup(void **state __unused)
{
	static const struct rtc_board board = { 3 * GIB, 5 * GIB, 4 };

	bus = (struct io_bus){ 0 };
	line = false;
	edges = 0;
	origin = 7 * SHIM_HZ + 777;
	shim_set_time(origin);
	rtc_init(&rtc, (struct irq_line){ .set = on_irq, .gsi = 8 }, START, &board);
	return rtc_attach(&rtc, &bus);
}

static int teardown(void **state __unused)
{
	rtc_fini(&rtc);
	return 0;
}

/* Against the C library, over all the days there are, at odd times of day. */
static void test_calendar(void **state __unused)
{
	for (s64 day = -719528; day <= 2932896; day++) {
		s64 t = day * RTC_DAY_SECONDS + (day * 7919 % 86400 + 86400) % 86400;
		time_t tt = t;
		struct tm tm;
		struct rtc_date d = rtc_date_from_seconds(t);

		gmtime_r(&tt, &tm);
		if ((int)d.year != tm.tm_year + 1900 || (int)d.month != tm.tm_mon + 1 ||
		    (int)d.day != tm.tm_mday || (int)d.weekday != tm.tm_wday + 1 ||
		    (int)d.hour != tm.tm_hour || (int)d.minute != tm.tm_min ||
		    (int)d.second != tm.tm_sec || rtc_date_to_seconds(&d) != t)
			fail_msg("day %lld", (long long)day);
	}
	/* Beyond: wraps, carries over, is made to fit. */
	assert_int_equal(rtc_date_from_seconds(2932897ll * RTC_DAY_SECONDS).year, 0);
	struct rtc_date odd = { 75, 80, 30, 31, 0, 2, 2023 };
	struct rtc_date d = rtc_date_from_seconds(rtc_date_to_seconds(&odd));

	assert_int_equal(d.month, 3);
	assert_int_equal(d.day, 4);
	assert_int_equal(d.hour, 7);
	assert_int_equal(d.minute, 21);
	assert_int_equal(d.second, 15);
	odd.month = 0;
	assert_int_equal(rtc_date_from_seconds(rtc_date_to_seconds(&odd)).month, 2);
	odd.month = 255;
	assert_int_equal(rtc_date_from_seconds(rtc_date_to_seconds(&odd)).month, 1);
}

static void test_alarm_next(void **state __unused)
{
	const s64 midnight = 86400 * 100;

	assert_int_equal(rtc_alarm_next(midnight, RTC_ANY, RTC_ANY, RTC_ANY), midnight + 1);
	assert_int_equal(rtc_alarm_next(midnight, 0, 0, 0), midnight + 86400);
	assert_int_equal(rtc_alarm_next(midnight - 1, 0, 0, 0), midnight);
	assert_int_equal(rtc_alarm_next(midnight, 23, 59, 59), midnight + 86399);
	assert_int_equal(rtc_alarm_next(midnight + 86399, 23, 59, 59), midnight + 2 * 86400 - 1);
	assert_int_equal(rtc_alarm_next(midnight, RTC_ANY, 30, RTC_ANY), midnight + 1800);
	assert_int_equal(rtc_alarm_next(midnight + 1859, RTC_ANY, 30, RTC_ANY), midnight + 5400);
	assert_int_equal(rtc_alarm_next(midnight + 3 * 3600 + 59 * 60 + 30, 3, RTC_ANY, 7),
			 midnight + 86400 + 3 * 3600 + 7);
	assert_int_equal(rtc_alarm_next(midnight, 24, 0, 0), RTC_NEVER);
	assert_int_equal(rtc_alarm_next(midnight, 0, 60, 0), RTC_NEVER);
	assert_int_equal(rtc_alarm_next(midnight, 0, 0, 60), RTC_NEVER);
	/* The worst of starts: against a plain search. */
	for (int h = -1; h < 24; h += 6) {
		for (int m = -1; m < 60; m += 12) {
			for (int s = -1; s < 60; s += 15) {
				s64 now = midnight + 12 * 3600 + 34 * 60 + 56, t = now + 1;

				while ((h >= 0 && t / 3600 % 24 != h) ||
				       (m >= 0 && t / 60 % 60 != m) || (s >= 0 && t % 60 != s))
					t++;
				assert_int_equal(rtc_alarm_next(now, h, m, s), t);
			}
		}
	}
}

static void test_time_advances(void **state __unused)
{
	assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x50);
	assert_int_equal(get(RTC_WEEKDAY), 5);
	run_to(9 * SHIM_HZ + SHIM_HZ - 1);
	assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x59);
	run_to(10 * SHIM_HZ);
	assert_time(0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00);
	assert_int_equal(get(RTC_WEEKDAY), 6);
	assert_int_equal(get(RTC_D), 0x80);
	assert_int_equal(get(RTC_A) & 0x7f, 0x26);
	assert_int_equal(get(RTC_B), 0x02);
	assert_int_equal(io_bus_read(&bus, 0x70, 1), 0xff);
	/* Index and data in one write. */
	io_bus_write(&bus, 0x70, 2, 0x5a40);
	assert_int_equal(get(0x40), 0x5a);
	set(RTC_D, 0);
	assert_int_equal(get(RTC_D), 0x80);
}

static void test_formats(void **state __unused)
{
	run_to(3 * SHIM_HZ); /* 23:59:53 */
	set(RTC_B, RTC_B_24H | RTC_B_DM);
	assert_time(20, 24, 2, 29, 23, 59, 53);
	set(RTC_B, RTC_B_DM);
	assert_int_equal(get(RTC_HOUR), 0x80 | 11);
	set(RTC_B, 0);
	assert_int_equal(get(RTC_HOUR), 0x91);
	run_to(13 * SHIM_HZ); /* 00:00:03 */
	assert_int_equal(get(RTC_HOUR), 0x12);
	set(RTC_HOUR, 0x92); /* noon */
	set(RTC_B, RTC_B_24H);
	assert_time(0x20, 0x24, 0x03, 0x01, 0x12, 0x00, 0x03);
}

/* As Linux sets it: SET, divider reset, registers, and back. The next second is half one away. */
static void test_set_time(void **state __unused)
{
	run_to(SHIM_HZ / 4);
	set(RTC_B, RTC_B_24H | RTC_B_SET);
	set(RTC_A, 0x76);
	set(RTC_YEAR, 0x38);
	set(RTC_MONTH, 0x01);
	set(RTC_DAY, 0x19);
	set(RTC_HOUR, 0x03);
	set(RTC_MINUTE, 0x14);
	set(RTC_SECOND, 0x07);
	set(RTC_CENTURY, 0x20);
	run_to(20 * SHIM_HZ);
	assert_time(0x20, 0x38, 0x01, 0x19, 0x03, 0x14, 0x07); /* stands still */
	assert_int_equal(get(RTC_A), 0x76);
	set(RTC_B, RTC_B_24H);
	run_to(30 * SHIM_HZ);
	assert_int_equal(get(RTC_SECOND), 0x07); /* still held by the divider */
	set(RTC_A, 0x26);
	run_to(30 * SHIM_HZ + SHIM_HZ / 2 - 1);
	assert_int_equal(get(RTC_SECOND), 0x07);
	run_to(30 * SHIM_HZ + SHIM_HZ / 2);
	assert_time(0x20, 0x38, 0x01, 0x19, 0x03, 0x14, 0x08);

	/* With SET alone the divider runs on: seconds change when they would have. */
	set(RTC_B, RTC_B_24H | RTC_B_SET);
	set(RTC_SECOND, 0x30);
	run_to(40 * SHIM_HZ);
	set(RTC_B, RTC_B_24H);
	run_to(40 * SHIM_HZ + SHIM_HZ / 2 - 1);
	assert_int_equal(get(RTC_SECOND), 0x30);
	run_to(40 * SHIM_HZ + SHIM_HZ / 2);
	assert_int_equal(get(RTC_SECOND), 0x31);

	/* Without holding it: each register at once; the weekday is the guest's own affair. */
	set(RTC_HOUR, 0x22);
	set(RTC_WEEKDAY, 2);
	assert_time(0x20, 0x38, 0x01, 0x19, 0x22, 0x14, 0x31);
	run_to(40 * SHIM_HZ + 86400 * SHIM_HZ);
	assert_int_equal(get(RTC_WEEKDAY), 3);
	assert_int_equal(get(RTC_DAY), 0x20);
}

static void test_uip(void **state __unused)
{
	run_to(SHIM_HZ - RTC_UIP_NS - 1);
	assert_int_equal(get(RTC_A) & RTC_A_UIP, 0);
	run_to(SHIM_HZ - RTC_UIP_NS);
	assert_int_equal(get(RTC_A) & RTC_A_UIP, RTC_A_UIP);
	assert_int_equal(get(RTC_SECOND), 0x50);
	run_to(SHIM_HZ - 1);
	assert_int_equal(get(RTC_A) & RTC_A_UIP, RTC_A_UIP);
	set(RTC_B, RTC_B_24H | RTC_B_SET); /* SET clears it */
	assert_int_equal(get(RTC_A) & RTC_A_UIP, 0);
	set(RTC_B, RTC_B_24H);
	assert_int_equal(get(RTC_A) & RTC_A_UIP, RTC_A_UIP);
	run_to(SHIM_HZ);
	assert_int_equal(get(RTC_A) & RTC_A_UIP, 0);
	assert_int_equal(get(RTC_SECOND), 0x51);
	set(RTC_A, 0xa6); /* read-only */
	assert_int_equal(get(RTC_A), 0x26);
	/* A loop that waits for it to come and go sees just one second pass. */
	u64 begin = time_now();

	while (!(get(RTC_A) & RTC_A_UIP))
		shim_set_time(time_now() + 100000);
	while (get(RTC_A) & RTC_A_UIP)
		shim_set_time(time_now() + 10000);
	assert_in_range(time_now() - begin, SHIM_HZ, SHIM_HZ + 10000);
}

static void test_update_interrupt(void **state __unused)
{
	run_to(SHIM_HZ / 3);
	set(RTC_B, RTC_B_24H | RTC_B_UIE);
	assert_true(timer_is_armed(&rtc.timer));
	run_to(SHIM_HZ - 1);
	assert_false(line);
	run_to(SHIM_HZ);
	assert_true(line);
	run_to(5 * SHIM_HZ); /* not acknowledged: no more edges, no timer */
	assert_int_equal(edges, 1);
	assert_false(timer_is_armed(&rtc.timer));
	assert_int_equal(get(RTC_C) & ~(RTC_C_PF | RTC_C_AF), RTC_C_IRQF | RTC_C_UF);
	assert_false(line);
	assert_int_equal(get(RTC_C), 0);
	for (unsigned s = 6; s <= 20; s++) {
		run_to(s * SHIM_HZ);
		assert_int_equal(get(RTC_C) & ~(RTC_C_PF | RTC_C_AF), RTC_C_IRQF | RTC_C_UF);
	}
	assert_int_equal(edges, 16);
	/* SET turns it off for good. */
	set(RTC_B, RTC_B_24H | RTC_B_UIE | RTC_B_SET);
	assert_int_equal(get(RTC_B), RTC_B_24H | RTC_B_SET);
	set(RTC_B, RTC_B_24H);
	run_to(30 * SHIM_HZ);
	assert_int_equal(edges, 16);
	/* The flag is there without an interrupt; enabling raises it at once. */
	set(RTC_B, RTC_B_24H | RTC_B_UIE);
	assert_true(line);
	set(RTC_B, RTC_B_24H);
	assert_false(line);
	assert_int_equal(get(RTC_C) & RTC_C_UF, RTC_C_UF);
}

static void test_periodic(void **state __unused)
{
	for (unsigned rate = 1; rate <= 15; rate++) {
		/* Data sheet: 256 and 128 Hz, then 8192 Hz down to 2 Hz. */
		unsigned hz = rate == 1 ? 256 : rate == 2 ? 128 : 65536 >> rate;
		u64 begin;

		setup(NULL);
		set(RTC_A, 0x20 | rate);
		set(RTC_B, RTC_B_24H | RTC_B_PIE);
		get(RTC_C);
		begin = time_now();
		edges = 0;
		for (unsigned n = 1; n <= 2 * hz; n++) {
			u64 due = begin + (u64)n * SHIM_HZ / hz;

			shim_run_until(due - 1);
			assert_false(line);
			shim_run_until(due + 1);
			assert_true(line);
			assert_int_equal(get(RTC_C) & ~RTC_C_UF, RTC_C_IRQF | RTC_C_PF);
		}
		assert_int_equal(edges, 2 * hz);
		rtc_fini(&rtc);
	}
	set(RTC_A, 0x20); /* rate 0: none */
	get(RTC_C);
	edges = 0;
	run_to(20 * SHIM_HZ);
	assert_int_equal(edges, 0);
	assert_int_equal(get(RTC_C) & RTC_C_PF, 0);
	set(RTC_A, 0x66); /* divider held: none */
	run_to(25 * SHIM_HZ);
	assert_int_equal(edges, 0);
	/* Flag by polling. */
	set(RTC_B, RTC_B_24H);
	set(RTC_A, 0x2f);
	get(RTC_C);
	run_to(25 * SHIM_HZ + SHIM_HZ / 2 + 2);
	assert_int_equal(get(RTC_C) & RTC_C_PF, RTC_C_PF);
}

static void test_alarm(void **state __unused)
{
	set(RTC_HOUR_ALARM, 0x00);
	set(RTC_MINUTE_ALARM, 0x01);
	set(RTC_SECOND_ALARM, 0x05);
	set(RTC_B, RTC_B_24H | RTC_B_AIE);
	run_to(75 * SHIM_HZ - 1);
	assert_false(line);
	run_to(75 * SHIM_HZ);
	assert_true(line);
	assert_int_equal(get(RTC_C) & ~RTC_C_PF, RTC_C_IRQF | RTC_C_AF | RTC_C_UF);
	run_to(75 * SHIM_HZ + 86400 * SHIM_HZ - 1);
	assert_int_equal(edges, 1);
	run_to(75 * SHIM_HZ + 86400 * SHIM_HZ);
	assert_int_equal(edges, 2); /* daily */
	get(RTC_C);
	/* Any minute, any hour. */
	set(RTC_HOUR_ALARM, 0xff);
	set(RTC_MINUTE_ALARM, 0xc0);
	run_to(75 * SHIM_HZ + 86460 * SHIM_HZ);
	assert_int_equal(edges, 3);
	get(RTC_C);
	/* Setting the clock just before the alarm brings it nearer. */
	set(RTC_SECOND, 0x03);
	run_to(75 * SHIM_HZ + 86462 * SHIM_HZ);
	assert_int_equal(edges, 4);
	get(RTC_C);
	/* A change of format changes what the registers mean: 0x10 is 16 now. */
	set(RTC_SECOND_ALARM, 0x10);
	set(RTC_B, RTC_B_24H | RTC_B_AIE | RTC_B_DM);
	run_to(75 * SHIM_HZ + 86472 * SHIM_HZ);
	assert_int_equal(edges, 4);
	run_to(75 * SHIM_HZ + 86473 * SHIM_HZ);
	assert_int_equal(edges, 5);
	/* No such time: never, and no timer. */
	get(RTC_C);
	set(RTC_SECOND_ALARM, 60);
	assert_false(timer_is_armed(&rtc.timer));
}

static void test_reset(void **state __unused)
{
	set(RTC_B, RTC_B_24H | RTC_B_UIE | RTC_B_AIE | RTC_B_PIE);
	set(0x50, 0xab);
	run_to(2 * SHIM_HZ);
	assert_true(line);
	rtc_reset(&rtc);
	assert_false(line);
	assert_false(timer_is_armed(&rtc.timer));
	assert_int_equal(get(RTC_B), RTC_B_24H);
	assert_int_equal(get(0x50), 0xab);
	assert_int_equal(get(RTC_SECOND), 0x52);
}

static u32 cmos_field(u8 reg, unsigned n)
{
	u32 v = 0;

	while (n--)
		v = v << 8 | get((u8)(reg + n));
	return v;
}

static void test_board(void **state __unused)
{
	static const struct rtc_board small = { 8 * MIB, 0, 1 },
				      huge = { 64 * GIB, 1ull << 41, 4096 };
	unsigned sum = 0;

	assert_int_equal(cmos_field(0x15, 2), 640);
	assert_int_equal(cmos_field(0x17, 2), 0xffff);
	assert_int_equal(cmos_field(0x30, 2), 0xffff);
	assert_int_equal(cmos_field(0x34, 2), (3 * GIB - 16 * MIB) >> 16);
	assert_int_equal(cmos_field(0x5b, 3), 5 * GIB >> 16);
	assert_int_equal(get(0x5f), 3);
	for (u8 i = 0x10; i <= 0x2d; i++)
		sum += get(i);
	assert_int_equal(sum, get(0x2e) << 8 | get(0x2f));

	rtc_init(&rtc, rtc.irq, START, &small);
	assert_int_equal(cmos_field(0x17, 2), 7 * 1024);
	assert_int_equal(cmos_field(0x34, 2), 0);
	assert_int_equal(cmos_field(0x5b, 3), 0);
	assert_int_equal(get(0x5f), 0);
	rtc_init(&rtc, rtc.irq, START, &huge);
	assert_int_equal(cmos_field(0x34, 2), 0xffff);
	assert_int_equal(cmos_field(0x5b, 3), 0xffffff);
	assert_int_equal(get(0x5f), 255);
}

/* Anything may be written at any time. */
static void test_garbage(void **state __unused)
{
	u32 seed = 7;

	for (unsigned i = 0; i < 100000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed & 0x4000)
			set(seed >> 16 & 0x0f, (u8)(seed >> 24));
		else if (seed & 0x2000)
			set(RTC_CENTURY, (u8)(seed >> 24));
		else
			get(seed >> 16 & 0x3f);
		shim_run_until(time_now() + (seed >> 2 & 0x7ffff));
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_calendar),
		T(test_alarm_next),
		T(test_time_advances),
		T(test_formats),
		T(test_set_time),
		T(test_uip),
		T(test_update_interrupt),
		T(test_periodic),
		T(test_alarm),
		T(test_reset),
		T(test_board),
		T(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
