#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "boot/boot_info.h"

static struct boot_info from;

static int begin(void **state)
{
	(void)state;
	memset(&boot_info, 0, sizeof(boot_info));
	memset(&from, 0, sizeof(from));
	memcpy(from.loader, "neap.efi", 9);
	from.region_count = 2;
	from.region[0] = (struct boot_region){ 0, 0x1000, BOOT_RESERVED };
	from.region[1] = (struct boot_region){ 0x1000, 0x1000, BOOT_RAM };
	from.module_count = 1;
	memcpy(from.module[0].name, "manifest", 9);
	return 0;
}

static void expect_refused(int error)
{
	assert_int_equal(boot_info_take(&from), error);
	assert_int_equal(boot_info.region_count, 0);
	assert_string_equal(boot_info.loader, "");
}

static void test_take(void **state)
{
	(void)state;
	assert_int_equal(boot_info_take(&from), 0);
	assert_memory_equal(&boot_info, &from, sizeof(from));
	assert_ptr_equal(boot_find_module("manifest"), &boot_info.module[0]);
}

static void test_full(void **state)
{
	(void)state;
	from.region_count = BOOT_MAX_REGIONS;
	from.module_count = BOOT_MAX_MODULES;
	memset(from.cmdline, 'c', BOOT_CMDLINE_MAX - 1);
	memset(from.module[BOOT_MAX_MODULES - 1].name, 'n', BOOT_NAME_MAX - 1);
	assert_int_equal(boot_info_take(&from), 0);
	assert_int_equal(boot_info.module_count, BOOT_MAX_MODULES);
}

static void test_counts(void **state)
{
	(void)state;
	from.region_count = BOOT_MAX_REGIONS + 1;
	expect_refused(-EINVAL);
	from.region_count = 2;
	from.module_count = BOOT_MAX_MODULES + 1;
	expect_refused(-EINVAL);
}

static void test_strings(void **state)
{
	(void)state;
	memset(from.cmdline, 'c', BOOT_CMDLINE_MAX);
	expect_refused(-EINVAL);
	from.cmdline[0] = '\0';
	memset(from.loader, 'l', BOOT_NAME_MAX);
	expect_refused(-EINVAL);
	from.loader[0] = '\0';
	memset(from.module[0].name, 'n', BOOT_NAME_MAX);
	expect_refused(-EINVAL);
	from.module_count = 0; /* then nobody looks at the name */
	assert_int_equal(boot_info_take(&from), 0);
}

static void test_no_ram(void **state)
{
	(void)state;
	from.region_count = 1;
	expect_refused(-ENODATA);
	from.region_count = 0;
	expect_refused(-ENODATA);
}

static void expect_low_page(u64 page)
{
	assert_int_equal(boot_find_low_page().v, page);
}

static void set_region(unsigned i, u64 base, u64 end, enum boot_region_type type)
{
	boot_info.region[i] = (struct boot_region){ base, end - base, type };
	boot_info.region_count = MAX(boot_info.region_count, i + 1);
}

static void test_low_page(void **state)
{
	(void)state;
	expect_low_page(0);
	set_region(0, 0, 0x9fc00, BOOT_RAM);
	expect_low_page(0x8000);
	set_region(0, 0x8001, 0x9fc00, BOOT_RAM);
	expect_low_page(0x9000);
	set_region(0, 0x9e000, 0xa0000, BOOT_RAM);
	expect_low_page(0x9e000);
	set_region(0, 0x9e001, 0xa0000, BOOT_RAM);
	expect_low_page(0);
	set_region(0, 0, 0x8fff, BOOT_RAM);
	expect_low_page(0);
	set_region(0, 0x100000, UINT64_MAX, BOOT_RAM);
	expect_low_page(0);
	set_region(1, 0x10000, 0x11000, BOOT_ACPI_RECLAIM);
	expect_low_page(0);
	set_region(2, 0x11000, 0x12000, BOOT_RAM);
	expect_low_page(0x11000);
}

/* Modules and the loader's information where GRUB for UEFI once put them. */
static void test_low_page_is_nobodys(void **state)
{
	struct boot_module *m = boot_info.module;

	(void)state;
	set_region(0, 0, 0xa0000, BOOT_RAM);
	set_region(1, 0x1f000, 0x20e90, BOOT_RESERVED);
	boot_info.module_count = 2;
	m[0] = (struct boot_module){ .base = HPA(0x2000), .size = 58 };
	m[1] = (struct boot_module){ .base = HPA(0x3000), .size = 111196 };
	expect_low_page(0x21000);
	/* To the byte. */
	m[1].size = 0x5000;
	expect_low_page(0x8000);
	m[1].size = 0x5001;
	expect_low_page(0x9000);
	m[0] = (struct boot_module){ .base = HPA(0x9fff), .size = 1 };
	expect_low_page(0xa000);
	m[0].size = 0;
	expect_low_page(0x9000);
	m[0].size = UINT64_MAX - 0x9fff;
	expect_low_page(0);
	m[0].size = 0;
	boot_info.image_base = HPA(0x9000);
	boot_info.image_size = 0x1001;
	expect_low_page(0xb000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_take, begin),
		cmocka_unit_test_setup(test_full, begin),
		cmocka_unit_test_setup(test_counts, begin),
		cmocka_unit_test_setup(test_strings, begin),
		cmocka_unit_test_setup(test_no_ram, begin),
		cmocka_unit_test_setup(test_low_page, begin),
		cmocka_unit_test_setup(test_low_page_is_nobodys, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
