#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/pxe_packet.h"

#define AT_OPTIONS 240
#define SIZE	   600

static u8 packet[SIZE];
static size_t used;
static struct pxe_boot boot;

static int begin(void **state)
{
	static const u8 cookie[] = { 99, 130, 83, 99 };

	(void)state;
	memset(packet, 0, sizeof(packet));
	memcpy(packet + 236, cookie, sizeof(cookie));
	used = AT_OPTIONS;
	return 0;
}

static void option(u8 code, const void *data, size_t n)
{
	packet[used++] = code;
	packet[used++] = (u8)n;
	memcpy(packet + used, data, n);
	used += n;
}

static void header(const char *file, u8 last)
{
	const u8 address[] = { 10, 0, 2, last };

	memcpy(packet + 108, file, strlen(file));
	memcpy(packet + 20, address, sizeof(address));
}

/* Of a copy that ends where its memory ends. */
static bool parse_n(size_t n)
{
	u8 *copy = malloc(n ? n : 1);
	bool r;

	memcpy(copy, packet, n);
	memset(&boot, 0xee, sizeof(boot));
	r = pxe_packet_parse(copy, n, &boot);
	free(copy);
	return r;
}

static bool parse(void)
{
	packet[used] = 255;
	return parse_n(used + 1);
}

static void expect(const char *file, u8 last)
{
	assert_string_equal(boot.file, file);
	assert_int_equal(boot.server[0], 10);
	assert_int_equal(boot.server[3], last);
}

static void test_header(void **state)
{
	(void)state;
	header("lab/neap.efi", 2);
	assert_true(parse());
	expect("lab/neap.efi", 2);
	/* Without any options, too. */
	assert_true(parse_n(AT_OPTIONS));
	assert_false(parse_n(AT_OPTIONS - 1));
	packet[236] = 0;
	assert_false(parse());
}

static void test_options(void **state)
{
	(void)state;
	header("of-the-header", 2);
	option(0, "", 0);
	used--; /* a pad has no length */
	option(67, "of/the/option", 13);
	option(54, "\x0a\0\0\x07", 4);
	assert_true(parse());
	expect("of/the/option", 2);
	memset(packet + 20, 0, 4);
	assert_true(parse());
	expect("of/the/option", 7);
}

static void test_missing(void **state)
{
	(void)state;
	assert_false(parse());
	header("file", 2);
	memset(packet + 20, 0, 4);
	assert_false(parse());
	option(54, "\x0a\0\0", 3);
	assert_false(parse());
	begin(NULL);
	header("", 2);
	assert_false(parse());
	option(67, "", 0);
	assert_false(parse());
}

static void test_overloaded_file(void **state)
{
	(void)state;
	header("options, no name", 2);
	option(52, "\1", 1);
	assert_false(parse());
	option(67, "x.efi\0junk", 10);
	assert_true(parse());
	expect("x.efi", 2);
	begin(NULL);
	header("name", 2);
	option(52, "\2", 1);
	assert_true(parse());
	expect("name", 2);
}

static void test_longest_names(void **state)
{
	char name[256];

	(void)state;
	memset(name, 'n', sizeof(name));
	header("", 2);
	memset(packet + 108, 'f', 128);
	assert_true(parse());
	assert_int_equal(strlen(boot.file), 128);
	option(67, name, 255);
	assert_true(parse());
	assert_int_equal(strlen(boot.file), 255);
}

/* Cut at any byte, it is either read as far as it goes or refused. */
static void test_cut(void **state)
{
	(void)state;
	header("", 2);
	option(12, "host", 4);
	option(67, "neap.efi", 8);
	for (size_t n = 0; n < used; n++)
		assert_false(parse_n(n));
	assert_true(parse_n(used));
	packet[used - 9] = 200;
	assert_false(parse_n(used));
}

static void test_directory(void **state)
{
	(void)state;
	assert_int_equal(pxe_directory_length("neap.efi"), 0);
	assert_int_equal(pxe_directory_length("lab/neap.efi"), 4);
	assert_int_equal(pxe_directory_length("/a/b/neap.efi"), 5);
	assert_int_equal(pxe_directory_length("a\\neap.efi"), 2);
	assert_int_equal(pxe_directory_length(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_header, begin),
		cmocka_unit_test_setup(test_options, begin),
		cmocka_unit_test_setup(test_missing, begin),
		cmocka_unit_test_setup(test_overloaded_file, begin),
		cmocka_unit_test_setup(test_longest_names, begin),
		cmocka_unit_test_setup(test_cut, begin),
		cmocka_unit_test(test_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
