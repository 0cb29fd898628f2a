/* The word linger= of the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/linger.h"

static void test_values(void **unused)
{
	(void)unused;
	assert_int_equal(linger_seconds(""), 10);
	assert_int_equal(linger_seconds("linger=0"), 0);
	assert_int_equal(linger_seconds("a=b linger=7 c"), 7);
	assert_int_equal(linger_seconds("linger=1 linger=2"), 2);
	assert_int_equal(linger_seconds("linger=86400"), 86400);
}

static void test_nonsense(void **unused)
{
	static const char *const lines[] = {
		"linger=",
		"linger=x",
		"linger=3x",
		"linger=-1",
		"linger=+1",
		"linger=86401",
		"linger=99999999999999999999999",
	};

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(linger_seconds(lines[i]), LINGER_DEFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
