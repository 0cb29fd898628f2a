#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "arch/x86/acpi_parse.h"

/* Searches a copy that ends where its memory ends, so that the sanitizer sees a read beyond. */
static bool find(const void *code, size_t n, u8 *a, u8 *b)
{
	u8 *copy = malloc(n ? n : 1);
	bool r;

	memcpy(copy, code, n);
	r = acpi_aml_find_s5(copy, n, a, b);
	free(copy);
	return r;
}

#define S5 '_', 'S', '5', '_'

#define EXPECT(want_a, want_b, ...)                                       \
	do {                                                              \
		static const u8 code[] = { __VA_ARGS__ };                 \
		u8 a = 0xee, b = 0xee;                                    \
		assert_true(find(code, sizeof(code), &a, &b));            \
		assert_int_equal(a, want_a);                              \
		assert_int_equal(b, want_b);                              \
		/* No shorter piece is enough, and none reads too far. */ \
		for (size_t n = 0; n < sizeof(code); n++)                 \
			assert_false(find(code, n, &a, &b));              \
	} while (0)

#define EXPECT_NONE(...)                                        \
	do {                                                    \
		static const u8 code[] = { __VA_ARGS__ };       \
		u8 a, b;                                        \
		assert_false(find(code, sizeof(code), &a, &b)); \
	} while (0)

static void test_encodings(void **state)
{
	(void)state;
	EXPECT(0, 0, 0x08, S5, 0x12, 0x04, 0x02, 0x00, 0x00);
	EXPECT(1, 0, 0x08, S5, 0x12, 0x04, 0x02, 0x01, 0x00);
	EXPECT(5, 7, 0x08, S5, 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x07);
	EXPECT(6, 1, 0x08, S5, 0x12, 0x06, 0x02, 0x0b, 0x06, 0x00, 0x01);
	EXPECT(2, 3, 0x08, S5, 0x12, 0x0c, 0x02, 0x0c, 2, 0, 0, 0, 0x0c, 3, 0, 0, 0);
	EXPECT(4, 1, 0x08, S5, 0x12, 0x0c, 0x02, 0x0e, 4, 0, 0, 0, 0, 0, 0, 0, 0x01);
}

static void test_root_prefix(void **state)
{
	(void)state;
	EXPECT(5, 5, 0x08, '\\', S5, 0x12, 0x06, 0x02, 0x0a, 0x05, 0x0a, 0x05);
	EXPECT_NONE('\\', S5, 0x12, 0x04, 0x02, 0x00, 0x00);
	EXPECT_NONE(0x00, '\\', S5, 0x12, 0x04, 0x02, 0x00, 0x00);
}

static void test_longer_package_lengths(void **state)
{
	(void)state;
	EXPECT(1, 1, 0x08, S5, 0x12, 0x45, 0x00, 0x02, 0x01, 0x01);
	EXPECT(1, 1, 0x08, S5, 0x12, 0x86, 0x00, 0x00, 0x02, 0x01, 0x01);
	EXPECT(1, 1, 0x08, S5, 0x12, 0xc7, 0x00, 0x00, 0x00, 0x02, 0x01, 0x01);
	EXPECT_NONE(0x08, S5, 0x12, 0x55, 0x00, 0x02, 0x01, 0x01); /* bits 4, 5 are reserved */
	EXPECT_NONE(0x08, S5, 0x12, 0x45, 0x01, 0x02, 0x01, 0x01); /* longer than the table */
}

static void test_package_length_binds(void **state)
{
	(void)state;
	/* The numbers lie behind the package's end. */
	EXPECT_NONE(0x08, S5, 0x12, 0x03, 0x02, 0x01, 0x01);
	EXPECT_NONE(0x08, S5, 0x12, 0x02, 0x02, 0x01, 0x01);
	EXPECT_NONE(0x08, S5, 0x12, 0x01, 0x02, 0x01, 0x01);
	EXPECT_NONE(0x08, S5, 0x12, 0x00, 0x02, 0x01, 0x01);
	EXPECT_NONE(0x08, S5, 0x12, 0x41, 0x00, 0x02, 0x01, 0x01);
	EXPECT_NONE(0x08, S5, 0x12, 0x05, 0x02, 0x0a, 0x05, 0x0a, 0x05);
	/* Longer than the table. */
	EXPECT_NONE(0x08, S5, 0x12, 0x3f, 0x02, 0x01, 0x01);
}

static void test_one_number_for_both(void **state)
{
	(void)state;
	EXPECT(5, 3, 0x08, S5, 0x12, 0x05, 0x01, 0x0b, 0x05, 0x03);
	EXPECT(7, 0, 0x08, S5, 0x12, 0x04, 0x01, 0x0a, 0x07);
	EXPECT_NONE(0x08, S5, 0x12, 0x07, 0x01, 0x0c, 0x05, 0x03, 0x01, 0x00);
}

static void test_values(void **state)
{
	(void)state;
	EXPECT_NONE(0x08, S5, 0x12, 0x06, 0x02, 0x0a, 0x08, 0x0a, 0x00);
	EXPECT_NONE(0x08, S5, 0x12, 0x06, 0x02, 0x0a, 0x00, 0x0a, 0x08);
	EXPECT_NONE(0x08, S5, 0x12, 0x04, 0x02, 0xff, 0xff); /* Ones */
	EXPECT_NONE(0x08, S5, 0x12, 0x0c, 0x02, 0x0e, 4, 0, 0, 0, 0, 0, 0, 1, 0x01);
	EXPECT_NONE(0x08, S5, 0x12, 0x04, 0x00, 0x00, 0x00);		   /* no elements */
	EXPECT_NONE(0x08, S5, 0x12, 0x07, 0x02, 'A', 'B', 'C', 'D', 0x00); /* a name */
}

static void test_not_a_package(void **state)
{
	(void)state;
	EXPECT_NONE(0x08, S5, 0x13, 0x04, 0x02, 0x00, 0x00);
	EXPECT_NONE(0x08, S5);
	EXPECT_NONE(S5);
	EXPECT_NONE(0x08, '_', 'S', '4', '_', 0x12, 0x04, 0x02, 0x00, 0x00);
	EXPECT_NONE(0x5b, S5, 0x12, 0x04, 0x02, 0x00, 0x00);
}

static void test_later_match_counts(void **state)
{
	static const u8 code[] = { 0x10, 0x08, S5,   0x12, 0x04, 0x02, 0xff, 0xff, 0x08,
				   S5,	 0x70, 0x08, S5,   0x12, 0x04, 0x02, 0x01, 0x00,
				   0x08, S5,   0x12, 0x04, 0x02, 0x00, 0x01 };
	u8 a, b;

	(void)state;
	assert_true(find(code, sizeof(code), &a, &b));
	assert_int_equal(a, 1);
	assert_int_equal(b, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_root_prefix),
		cmocka_unit_test(test_longer_package_lengths),
		cmocka_unit_test(test_package_length_binds),
		cmocka_unit_test(test_one_number_for_both),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_not_a_package),
		cmocka_unit_test(test_later_match_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
