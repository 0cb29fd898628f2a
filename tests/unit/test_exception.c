/* Exceptions that meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/exception.h"

#define HARDWARE(vector) (u32)(EVENT_INFO_VALID | EVENT_INFO_EXCEPTION << 8 | (vector))
#define EXTERNAL(vector) (u32)(EVENT_INFO_VALID | (vector))

static bool is_contributory(u32 v)
{
	return v == 0 || v == 10 || v == 11 || v == 12 || v == 13;
}

/* All pairs, against the table in words (SDM vol. 3 table 6-5). */
static void test_pairs(void **unused)
{
	(void)unused;
	for (u32 first = 0; first < 32; first++) {
		for (u32 second = 0; second < 32; second++) {
			struct exception e = { (u8)second, second == 14, 0x1234 };
			bool doubled = (is_contributory(first) && is_contributory(second)) ||
				       (first == 14 && (is_contributory(second) || second == 14));

			if (first == 8) {
				assert_false(exception_merge(HARDWARE(first), &e));
				continue;
			}
			assert_true(exception_merge(HARDWARE(first), &e));
			assert_int_equal(e.vector, doubled ? 8 : second);
			assert_int_equal(e.has_error, doubled || second == 14);
			assert_int_equal(e.error, doubled ? 0 : 0x1234);
		}
	}
}

/* An interrupt, or nothing, was being delivered: the exception stays what it is. */
static void test_others(void **unused)
{
	static const u32 firsts[] = { 0, EXTERNAL(14), EXTERNAL(8), 0x308 };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(firsts); i++) {
		struct exception e = { 14, true, 2 };

		assert_true(exception_merge(firsts[i], &e));
		assert_int_equal(e.vector, 14);
		assert_int_equal(e.error, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
