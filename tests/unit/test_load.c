#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <stdio.h>

#include "fake_guest.h"
#include "core/log.h"
#include "hv/load/load.h"
#include "hv/load/tables.h"
#include "shim.h"

static struct vm vm;
static struct vm_config cfg;
static struct load_images images;
static struct start_state start;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(fake_guest_create(&vm, 16 * MIB), 0);
	memset(&cfg, 0, sizeof(cfg));
	strcpy(cfg.name, "v");
	cfg.memory = 16 * MIB;
	memset(&images, 0, sizeof(images));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(&vm);
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static int load(const void *data, size_t size)
{
	u8 *copy = malloc(size + 1); /* exact, for the sanitizer */
	int err;

	images.kernel = (struct load_source){ memcpy(copy + 1, data, size), size, "k" };
	shim_log_reset();
	err = load_guest(&vm, &cfg, &images, &vm.map, &start);
	free(copy);
	return err;
}

static void expect_refused(const void *data, size_t size, const char *what)
{
	char message[LOG_LINE_MAX];

	assert_int_equal(load(data, size), -ENOEXEC);
	snprintf(message, sizeof(message), "vm v: kernel k: %s", what);
	if (strcmp(shim_log_last(), message) != 0)
		fail_msg("expected: %s\nlogged:   %s", message, shim_log_last());
	assert_int_equal(shim_log_count(), 1);
}

#define EXPECTED "; expected a Linux bzImage or a multiboot kernel"

static void test_what_is_no_kernel(void **state)
{
	u8 page[4096] = { 0 };

	(void)state;
	expect_refused("", 0, "a file of 0 bytes" EXPECTED);
	expect_refused("abc", 3, "a file of 3 bytes" EXPECTED);
	expect_refused("\x1f\x8b\x08\0\0", 5, "gzip data (unpack it first)" EXPECTED);
	expect_refused("\xfd"
		       "7zXZ\0",
		       6, "xz data (unpack it first)" EXPECTED);
	expect_refused("BZh91AY", 7, "bzip2 data (unpack it first)" EXPECTED);
	expect_refused("\x28\xb5\x2f\xfd", 4, "zstd data (unpack it first)" EXPECTED);
	expect_refused("070701", 6, "a cpio archive" EXPECTED);
	expect_refused("MZ\x90\0", 4, "an EFI or DOS program" EXPECTED);
	expect_refused("#!/bin/sh", 9, "a script" EXPECTED);
	expect_refused("[vm", 3, "a file of 3 bytes" EXPECTED);
	expect_refused(page, sizeof(page), "not a kernel, it begins with 00 00 00 00" EXPECTED);
	expect_refused("\xde\xad\xbe\xef", 4, "not a kernel, it begins with de ad be ef" EXPECTED);
}

static void test_elf_without_multiboot(void **state)
{
	u8 elf[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

	(void)state;
	expect_refused(elf, sizeof(elf), "a 64-bit ELF file without a multiboot header" EXPECTED);
	elf[4] = 1;
	expect_refused(elf, sizeof(elf), "a 32-bit ELF file without a multiboot header" EXPECTED);
	expect_refused(elf, 16, "a 32-bit ELF file without a multiboot header" EXPECTED);
	expect_refused(elf, 15, "not a kernel, it begins with 7f 45 4c 46" EXPECTED);
}

static void test_multiboot2(void **state)
{
	static u8 file[32768 + 16];
	const u32 header[4] = { 0xe85250d6, 0, 16, 0u - 0xe85250d6 - 16 };

	(void)state;
	memcpy(file + 32768 - 16, header, 16);
	expect_refused(file, sizeof(file), "a multiboot2 kernel; expected multiboot version 1");
	memset(file, 0, sizeof(file));
	memcpy(file + 32768 - 8, header, 16);
	expect_refused(file, sizeof(file), "not a kernel, it begins with 00 00 00 00" EXPECTED);
	memcpy(file, header, 16);
	file[12]++;
	expect_refused(file, sizeof(file), "not a kernel, it begins with d6 50 52 e8" EXPECTED);
}

/* Both magics: a Linux image is one, whatever bytes there may be in its code. */
static void test_linux_goes_first(void **state)
{
	u8 file[4096] = { 0 };
	const u32 header[3] = { 0x1badb002, 0, 0u - 0x1badb002 };

	(void)state;
	memcpy(file + 0x400, header, 12);
	memcpy(file + 0x1fe, "\x55\xaa\xeb\x66HdrS\x0c\x02", 10);
	expect_refused(file, sizeof(file), "a Linux zImage; expected a bzImage");
	file[0x1ff] = 0; /* no boot flag: not one */
	expect_refused(file, sizeof(file),
		       "a multiboot kernel without load addresses; expected an ELF file then");
}

static void test_module_count(void **state)
{
	(void)state;
	cfg.module_count = 1;
	assert_int_equal(load("", 0), -EINVAL);
	assert_string_equal(shim_log_last(), "vm v: kernel k: 0 modules at hand; expected 1");
	cfg.module_count = images.module_count = VM_MODULE_MAX + 1;
	assert_int_equal(load("", 0), -EINVAL);
	cfg.module_count = images.module_count = VM_MODULE_MAX;
	assert_int_equal(load("", 0), -ENOEXEC);
}

static void test_page_table_errors(void **state)
{
	(void)state;
	shim_heap_fail_after(1);
	assert_int_equal(start_paging_write(&vm, GPA(0x20000)), -ENOMEM);
	assert_int_equal(start_paging_write(&vm, GPA(0xa0000)), -EFAULT);
	assert_int_equal(start_paging_write(&vm, GPA(0x9f000)), -EFAULT); /* only its first page */
	assert_int_equal(start_paging_write(&vm, GPA(0x9a000)), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_no_kernel), TEST(test_elf_without_multiboot),
		TEST(test_multiboot2),	      TEST(test_linux_goes_first),
		TEST(test_module_count),      TEST(test_page_table_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
