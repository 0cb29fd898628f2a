/* The bound of a wait: its own time counts, and stops of the machine do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/patience.h"
#include "shim.h"

#define SECOND SHIM_HZ
#define START  (1000 * SECOND)

static struct patience p;

static int set_up(void **state)
{
	(void)state;
	shim_set_time(START);
	patience_begin(&p, 2 * SECOND);
	return 0;
}

static bool over_at(u64 after)
{
	shim_set_time(START + after);
	return patience_is_over(&p);
}

static void ends_in_time(void **state)
{
	(void)state;
	for (u64 t = 0; t < 2 * SECOND; t += SECOND / 100)
		assert_false(over_at(t));
	assert_true(over_at(2 * SECOND));
	assert_true(over_at(2 * SECOND));
}

/* A look after a long time counts for a tenth of a second, whatever the stop took. */
static void a_stop_counts_little(void **state)
{
	(void)state;
	assert_false(over_at(3600 * SECOND));
	for (unsigned i = 1; i < 19; i++)
		assert_false(over_at((3600 + i) * SECOND));
	assert_true(over_at(3620 * SECOND));
}

/* On another processor, whose clock is behind: nothing has passed, and nothing is lost. */
static void a_clock_behind(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_false(over_at(SECOND / 100 + 5));
		assert_false(over_at(SECOND / 100));
	}
	assert_false(over_at(SECOND / 100 + SECOND / 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ends_in_time, set_up),
		cmocka_unit_test_setup(a_stop_counts_little, set_up),
		cmocka_unit_test_setup(a_clock_behind, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
