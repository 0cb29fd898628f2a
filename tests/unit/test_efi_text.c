#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/options.h"
#include "boot/efi/text_format.h"

#define ROOM 33

static char out[ROOM];

/* LoadOptions of that ASCII text in memory of its own, with zeros more units behind it. */
static enum options_result load_options(const char *text, bool named, size_t zeros)
{
	size_t n = strlen(text), size = 2 * (n + zeros);
	u8 *wide = calloc(1, size ? size : 1);
	enum options_result r;

	for (size_t i = 0; i < n; i++)
		wide[2 * i] = (u8)text[i];
	memset(out, 0xee, sizeof(out));
	r = options_from_load_options(wide, size, named, out, sizeof(out));
	free(wide);
	assert_true(strnlen(out, ROOM) < ROOM);
	return r;
}

static void expect_options(const char *text, bool named, const char *expected)
{
	for (size_t zeros = 0; zeros < 3; zeros++) {
		assert_int_equal(load_options(text, named, zeros),
				 expected[0] ? OPTIONS_TAKEN : OPTIONS_NONE);
		assert_string_equal(out, expected);
	}
}

static void test_program_name(void **state)
{
	(void)state;
	expect_options("neap.efi serial=off", false, "serial=off");
	expect_options("  FS0:\\EFI\\NEAP.EFI   a  b ", false, "a  b");
	expect_options("neap.efi", false, "");
	expect_options("serial=off vid=on", false, "serial=off vid=on");
	expect_options("neap serial=off", false, "neap serial=off");
	expect_options("neap serial=off", true, "serial=off");
	expect_options("neap", true, "");
	expect_options("", true, "");
	expect_options("  ", false, "");
	expect_options(".efi x", false, "x");
	expect_options("efi x", false, "efi x");
	expect_options("a.efi2 x", false, "a.efi2 x");
}

static void test_quoted_name(void **state)
{
	(void)state;
	expect_options("\"fs0:\\my files\\neap.efi\" a \"b\"", false, "a \"b\"");
	expect_options("\"fs0:\\my files\\neap\" a", true, "a");
	expect_options("\"endless neap.efi", false, "");
	expect_options("\"", true, "");
}

static void test_options_cut(void **state)
{
	(void)state;
	assert_int_equal(load_options("a.efi 01234567890123456789012345678901", false, 1),
			 OPTIONS_TAKEN);
	assert_int_equal(strlen(out), ROOM - 1);
	assert_int_equal(load_options("a.efi 012345678901234567890123456789012", false, 1),
			 OPTIONS_CUT);
	assert_string_equal(out, "01234567890123456789012345678901");
}

static void test_options_binary(void **state)
{
	static const u8 ascii[] = "serial=off", umlaut[] = { 'a', 0, 0xe4, 0 };
	static const u8 behind[] = { 'a', 0, 0, 0, 0xff, 0xff }, odd[] = { 'a', 0, 'b' };

	(void)state;
	assert_int_equal(options_from_load_options(ascii, sizeof(ascii), false, out, ROOM),
			 OPTIONS_BINARY);
	assert_string_equal(out, "");
	assert_int_equal(options_from_load_options(umlaut, sizeof(umlaut), false, out, ROOM),
			 OPTIONS_BINARY);
	/* What is behind the end does not count. */
	assert_int_equal(options_from_load_options(behind, sizeof(behind), false, out, ROOM),
			 OPTIONS_TAKEN);
	assert_string_equal(out, "a");
	assert_int_equal(options_from_load_options(odd, sizeof(odd), false, out, ROOM),
			 OPTIONS_TAKEN);
	assert_string_equal(out, "a");
}

static enum options_result text_options(const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1);
	enum options_result r;

	memcpy(copy, text, n);
	memset(out, 0xee, sizeof(out));
	r = options_from_text(copy, n, out, sizeof(out));
	free(copy);
	return r;
}

static void test_text_file(void **state)
{
	(void)state;
	assert_int_equal(text_options("\xef\xbb\xbf serial=off\r\n\tvid=on\r\n\r\n", 27),
			 OPTIONS_TAKEN);
	assert_string_equal(out, "serial=off   vid=on");
	assert_int_equal(text_options("", 0), OPTIONS_NONE);
	assert_int_equal(text_options("\xef\xbb\xbf", 3), OPTIONS_NONE);
	assert_int_equal(text_options("\r\n \t\0", 5), OPTIONS_NONE);
	assert_string_equal(out, "");
}

static void test_text_file_cut(void **state)
{
	char text[2 * ROOM];

	(void)state;
	memset(text, ' ', sizeof(text));
	memset(text + 4, 'x', ROOM - 1);
	assert_int_equal(text_options(text, sizeof(text)), OPTIONS_TAKEN);
	assert_int_equal(strlen(out), ROOM - 1);
	text[4 + ROOM - 1] = 'y';
	assert_int_equal(text_options(text, sizeof(text)), OPTIONS_CUT);
	assert_int_equal(strlen(out), ROOM - 1);
	assert_null(strchr(out, 'y'));
}

static size_t __printf(2, 3) format(size_t room, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	memset(out, 0xee, sizeof(out));
	va_start(ap, fmt);
	n = text_format(out, room, fmt, ap);
	va_end(ap);
	assert_int_equal(n, strlen(out));
	return n;
}

static void test_format(void **state)
{
	(void)state;
	format(ROOM, "%s|%c|%d|%u|%x|%%", "text", 'c', INT_MIN, UINT_MAX, 0xabcdef01u);
	assert_string_equal(out, "text|c|-2147483648|4294967295|ab");
	format(ROOM, "%x%%%x", 0u, 0xbeefu);
	assert_string_equal(out, "0%beef");
	format(ROOM, "%lu", ULONG_MAX);
	assert_string_equal(out, "18446744073709551615");
	format(ROOM, "%ld 0x%lx", LONG_MIN, 0x123456789abul);
	assert_string_equal(out, "-9223372036854775808 0x123456789");
}

static void test_print(void **state)
{
	(void)state;
	assert_int_equal(text_print(out, 6, "%s/%u", "abc", 12u), 5);
	assert_string_equal(out, "abc/1");
}

static void test_format_edges(void **state)
{
	(void)state;
	assert_int_equal(format(1, "%s", "abc"), 0);
	assert_int_equal(format(4, "%s", "abc"), 3);
	assert_int_equal(format(4, "%s", "abcd"), 3);
	assert_int_equal(format(ROOM, "%s", ""), 0);
	/* Nothing that this does not know is guessed. */
	format(ROOM, "a%-5ub", 1u);
	assert_string_equal(out, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program_name), cmocka_unit_test(test_quoted_name),
		cmocka_unit_test(test_options_cut),  cmocka_unit_test(test_options_binary),
		cmocka_unit_test(test_text_file),    cmocka_unit_test(test_text_file_cut),
		cmocka_unit_test(test_format),	     cmocka_unit_test(test_format_edges),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
