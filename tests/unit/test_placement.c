/* Which processors run virtual machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/placement.h"

static void test_default(void **unused)
{
	(void)unused;
	assert_int_equal(placement_first_of("", 4, false), 0);
	assert_int_equal(placement_first_of("", 1, false), 0);
	assert_int_equal(placement_first_of("", 2, true), 1);
	assert_int_equal(placement_first_of("", 4, true), 1);
}

static void test_option(void **unused)
{
	(void)unused;
	assert_int_equal(placement_first_of("boot_cpu=off", 4, false), 1);
	assert_int_equal(placement_first_of("a boot_cpu=on b", 4, true), 0);
	assert_int_equal(placement_first_of("boot_cpu=on boot_cpu=off", 2, false), 1);
}

static void test_nonsense(void **unused)
{
	(void)unused;
	assert_int_equal(placement_first_of("boot_cpu=", 2, false), 0);
	assert_int_equal(placement_first_of("boot_cpu=offf", 2, false), 0);
	assert_int_equal(placement_first_of("boot_cpu=onn", 2, true), 1);
}

static void test_one_processor(void **unused)
{
	(void)unused;
	assert_int_equal(placement_first_of("", 1, true), 0);
	assert_int_equal(placement_first_of("boot_cpu=off", 1, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_option),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_one_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
