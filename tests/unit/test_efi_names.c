#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/manifest_names.h"

static struct manifest_names names;

/* Scans a copy that ends where its memory ends, so that the sanitizer sees a read beyond. */
static void scan_n(const char *text, size_t n)
{
	char *copy = malloc(n ? n : 1);

	memcpy(copy, text, n);
	memset(&names, 0xee, sizeof(names));
	manifest_names_scan(copy, n, &names);
	free(copy);
}

static void scan(const char *text)
{
	scan_n(text, strlen(text));
}

/* All names, each with a blank behind it. */
static const char *all(void)
{
	static char text[MANIFEST_NAMES_MAX * BOOT_NAME_MAX];

	text[0] = '\0';
	for (unsigned i = 0; i < names.count; i++) {
		strcat(text, names.name[i]);
		strcat(text, " ");
	}
	return text;
}

static void test_keys(void **state)
{
	(void)state;
	scan("# a comment\n"
	     "[vm web]\n"
	     "memory  = 1G\n"
	     "kernel  = vmlinuz\n"
	     "initrd=web.img\n"
	     "cmdline = kernel = no initrd=no\n"
	     "[vm lab]\n"
	     "\tkernel\t=\thobby.elf\t# comment\n"
	     "  module = ramdisk.img  its string, kernel = no\n"
	     "module = init.elf");
	assert_string_equal(all(), "vmlinuz web.img hobby.elf ramdisk.img init.elf ");
	assert_false(names.more);
}

static void test_once_each(void **state)
{
	(void)state;
	scan("kernel = a\nkernel = b\nmodule = a x\ninitrd = b\nmodule = manifest\nmodule = A\n");
	assert_string_equal(all(), "a b A ");
}

static void test_no_names(void **state)
{
	(void)state;
	scan("");
	assert_int_equal(names.count, 0);
	scan("\n\n=\n= x\nkernel\nkernel =\nkernel = \t\nkernel = # none\n#kernel = x\n; kernel = "
	     "x\n"
	     "Kernel = x\nkernels = x\nker nel = x\n[kernel = x]\n");
	assert_string_equal(all(), "");
}

static void test_line_ends(void **state)
{
	(void)state;
	scan("\xef\xbb\xbfkernel = a\r\ninitrd = b\r\nmodule = c\r");
	assert_string_equal(all(), "a b c ");
	/* A byte order mark cut short is no name and no fault. */
	scan("\xef\xbb");
	assert_int_equal(names.count, 0);
}

static void test_bytes_in_names(void **state)
{
	(void)state;
	scan_n("kernel = a\0b\ninitrd = c\x01\nmodule = \x7f\nmodule = d\xc3\xa4\n", 49);
	assert_string_equal(all(), "d\xc3\xa4 ");
}

static void test_long_names(void **state)
{
	char text[2 * BOOT_NAME_MAX + 32], name[BOOT_NAME_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[BOOT_NAME_MAX] = '\0';
	snprintf(text, sizeof(text), "kernel = %s\ninitrd = %s\n", name, name + 1);
	scan(text);
	assert_int_equal(names.count, 1);
	assert_string_equal(names.name[0], name + 1);
}

static void scan_many(unsigned n)
{
	char text[(MANIFEST_NAMES_MAX + 2) * 16];
	int at = 0;

	for (unsigned i = 0; i < n; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "module = m%u\n", i);
	scan(text);
}

static void test_most_names(void **state)
{
	(void)state;
	scan_many(MANIFEST_NAMES_MAX);
	assert_int_equal(names.count, MANIFEST_NAMES_MAX);
	assert_false(names.more);
	assert_string_equal(names.name[MANIFEST_NAMES_MAX - 1], "m30");
	scan_many(MANIFEST_NAMES_MAX + 1);
	assert_int_equal(names.count, MANIFEST_NAMES_MAX);
	assert_true(names.more);
	assert_string_equal(names.name[MANIFEST_NAMES_MAX - 1], "m30");
}

/* Whatever the bytes are, names are short and end. */
static void test_noise(void **state)
{
	static const char part[][10] = { "kernel", "=",	 " ", "\n", "module =", "x", "#",
					 "\r",	   "\t", "[", "]",  "initrd",	"\"" };
	char text[512];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 5000; round++) {
		size_t at = 0;

		while (at < sizeof(text) - 10) {
			const char *p = part[(unsigned)rand() % ARRAY_SIZE(part)];

			memcpy(text + at, p, strlen(p));
			at += strlen(p);
		}
		scan_n(text, at);
		assert_true(names.count <= MANIFEST_NAMES_MAX);
		for (unsigned i = 0; i < names.count; i++)
			assert_in_range(strnlen(names.name[i], BOOT_NAME_MAX), 1,
					BOOT_NAME_MAX - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	       cmocka_unit_test(test_once_each),
		cmocka_unit_test(test_no_names),       cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_bytes_in_names), cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_most_names),     cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
