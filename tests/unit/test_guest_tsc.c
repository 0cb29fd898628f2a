/* How a guest's TSC counts: the multiplier, and from the guest's ticks to the host's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/time.h"
#include "hv/guest_tsc.h"

static const struct tsc_scaling none = { 0, 0 }, vmx = { 16, 48 }, svm = { 8, 32 };

static void test_host(void **state)
{
	struct guest_tsc g;

	(void)state;
	assert_true(guest_tsc_init(&g, 0, 2400000000, vmx));
	assert_int_equal(g.hz, 2400000000);
	assert_int_equal(g.mult, 0);
	assert_true(guest_tsc_init(&g, 2400000000, 2400000000, none));
	assert_int_equal(g.mult, 0);
	assert_int_equal(guest_tsc_scale(&g, 12345), 12345);
	assert_int_equal(guest_tsc_when(&g, 100, 200), 300);
	assert_int_equal(guest_tsc_when(&g, 100, UINT64_MAX - 100), UINT64_MAX);
	assert_int_equal(guest_tsc_when(&g, 100, UINT64_MAX - 99), UINT64_MAX);
}

/* What the processor cannot do leaves the guest with the host's. */
static void refuse(u64 wanted, u64 host, struct tsc_scaling can)
{
	struct guest_tsc g;

	assert_false(guest_tsc_init(&g, wanted, host, can));
	assert_int_equal(g.hz, host);
	assert_int_equal(g.mult, 0);
}

static void test_limits(void **state)
{
	struct guest_tsc g;

	(void)state;
	refuse(1000000000, 2000000000, none);
	/* The multiplier's integer part: below 256 and 65536. */
	refuse(256000000000, 1000000000, svm);
	assert_true(guest_tsc_init(&g, 255999999999, 1000000000, svm));
	assert_int_equal(g.mult >> 32, 255);
	refuse(65536000000, 1000000, vmx);
	assert_true(guest_tsc_init(&g, 65535999999, 1000000, vmx));
	assert_int_equal(g.mult >> 48, 65535);
	refuse(UINT64_MAX, 1, vmx);
	/* And it is not 0. */
	refuse(1, UINT64_MAX, vmx);
	refuse(1, 1ull << 33, svm);
	assert_true(guest_tsc_init(&g, 1, 1ull << 32, svm));
	assert_int_equal(g.mult, 1);
}

static const u64 rates[][2] = {
	{ 1000000000, 2500000000 }, { 2500000000, 1000000000 }, { 2399998000, 2400001234 },
	{ 3000000000, 1000000007 }, { 1000000, 100000000000 },	{ 100000000000, 1000000000 },
};

/* After a day and after a year it is the frequency that was asked for. */
static void check_frequency(const u64 *rate, struct tsc_scaling can, u64 ppb)
{
	struct guest_tsc g;

	assert_true(guest_tsc_init(&g, rate[0], rate[1], can));
	assert_int_equal(g.hz, rate[0]);
	for (u64 seconds = 1; seconds <= 365 * 86400; seconds += 31535999 / 5) {
		u64 ticks = guest_tsc_scale(&g, rate[1] * seconds), want = rate[0] * seconds;

		assert_in_range(ticks, want - time_muldiv(want, ppb, 1000000000) - 1, want);
	}
}

static void test_frequency(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		check_frequency(rates[i], vmx, 1);
		if (rates[i][1] / rates[i][0] < 1000)
			check_frequency(rates[i], svm, 10);
	}
}

/* `when` is the first tick at which it is so, not one too early or late. */
static void check_when(const struct guest_tsc *g, u64 now, u64 delta)
{
	u64 when = guest_tsc_when(g, now, delta), from = guest_tsc_scale(g, now);

	assert_true(when != UINT64_MAX);
	assert_true(guest_tsc_scale(g, when) - from >= delta);
	if (when > now)
		assert_true(guest_tsc_scale(g, when - 1) - from < delta);
}

static void test_when(void **state)
{
	const u64 day = 86400ull * 1000000000;
	struct guest_tsc g;

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(rates); i++) {
		const u64 *r = rates[i / 2];

		if (!guest_tsc_init(&g, r[0], r[1], i % 2 ? svm : vmx))
			continue;
		for (u64 now = 0; now < 400 * day; now += 77 * day + 12345678901) {
			for (u64 delta = 1; delta < day; delta = delta * 3 + 1)
				check_when(&g, now, delta);
		}
	}
}

static void test_when_never(void **state)
{
	struct guest_tsc g;

	(void)state;
	assert_true(guest_tsc_init(&g, 1000000000, 2500000000, vmx));
	assert_int_equal(guest_tsc_when(&g, 1000, UINT64_MAX), UINT64_MAX);
	assert_int_equal(guest_tsc_when(&g, 1000, UINT64_MAX / 2), UINT64_MAX);
	assert_int_equal(guest_tsc_when(&g, UINT64_MAX, UINT64_MAX / 2), UINT64_MAX);
	assert_true(guest_tsc_init(&g, 2500000000, 1000000000, vmx));
	check_when(&g, 1000, UINT64_MAX - 5000);
	assert_int_equal(guest_tsc_when(&g, 1000, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),	   cmocka_unit_test(test_limits),
		cmocka_unit_test(test_frequency),  cmocka_unit_test(test_when),
		cmocka_unit_test(test_when_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
