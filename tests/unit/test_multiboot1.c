/* What the first multiboot's loaders leave, and what they should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot1.h"
#include "shim.h"

/* Physical memory: the information at INFO, then whatever is put. */
#define SIZE	0x20000u
#define INFO	0x1000u
#define MODULES 0x2000u
#define MMAP	0x8000u
#define STRINGS 0x10000u

static u8 memory[SIZE];
static u32 next_string, mmap_used;
static struct boot_info info;

static void put32(u32 at, u32 v)
{
	memcpy(memory + at, &v, 4);
}

static void put64(u32 at, u64 v)
{
	memcpy(memory + at, &v, 8);
}

static void field(u32 flag, u32 offset, u32 value)
{
	u32 flags;

	memcpy(&flags, memory + INFO, 4);
	put32(INFO, flags | flag);
	put32(INFO + offset, value);
}

static u32 string(const char *s)
{
	u32 at = next_string;

	memcpy(memory + at, s, strlen(s) + 1);
	next_string += (u32)strlen(s) + 1;
	return at;
}

static void module(unsigned i, u32 start, u32 end, const char *s)
{
	u32 at = MODULES + 16 * i;

	put32(at, start);
	put32(at + 4, end);
	put32(at + 8, s ? string(s) : 0);
	field(BIT(3), 20, i + 1);
	put32(INFO + 24, MODULES);
}

static void region_sized(u32 size, u64 base, u64 length, u32 type)
{
	put32(MMAP + mmap_used, size);
	put64(MMAP + mmap_used + 4, base);
	put64(MMAP + mmap_used + 12, length);
	put32(MMAP + mmap_used + 20, type);
	mmap_used += 4 + size;
	field(BIT(6), 44, mmap_used);
	put32(INFO + 48, MMAP);
}

static void region(u64 base, u64 length, u32 type)
{
	region_sized(20, base, length, type);
}

static int begin(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memset(&info, 0xa5, sizeof(info));
	next_string = STRINGS;
	mmap_used = 0;
	shim_log_reset();
	return 0;
}

/* From a copy that ends where its memory ends, so that the sanitizer sees a read beyond. */
static int parse_in(u32 size, u32 at)
{
	u8 *copy = malloc(size ? size : 1);
	int r;

	memcpy(copy, memory, size);
	r = multiboot1_parse(copy, size, at, &info);
	free(copy);
	return r;
}

static int parse(void)
{
	region(0x100000, 0x1000000, 1);
	return parse_in(SIZE, INFO);
}

static void test_as_qemu(void **state)
{
	(void)state;
	field(BIT(9), 64, string("qemu"));
	field(BIT(2), 16, string("build/neap.elf serial=off  x=y"));
	module(0, 0x2db000, 0x2db027, "t/manifest manifest");
	module(1, 0x2dc000, 0x2f725c, "/boot/images/vmlinuz quiet name=no");
	region(0, 0x9fc00, 1);
	region(0xf0000, 0x10000, 2);
	assert_int_equal(parse(), 0);
	assert_string_equal(info.loader, "qemu");
	assert_string_equal(info.cmdline, "serial=off  x=y");
	assert_int_equal(info.module_count, 2);
	assert_string_equal(info.module[0].name, "manifest");
	assert_int_equal(info.module[0].base.v, 0x2db000);
	assert_int_equal(info.module[0].size, 0x27);
	assert_string_equal(info.module[1].name, "vmlinuz");
	assert_int_equal(info.region_count, 3);
	assert_int_equal(info.region[0].size, 0x9fc00);
	assert_int_equal(info.region[1].type, BOOT_RESERVED);
	assert_int_equal(info.rsdp.v, 0);
	assert_int_equal(info.fb.type, BOOT_FB_TEXT);
	assert_int_equal(info.fb.base.v, 0xb8000);
	assert_int_equal(shim_log_count(), 0);
}

/* Names: the last part of the first word's path, unless the second word is name=. */
static void test_names(void **state)
{
	static const struct {
		const char *string, *name;
	} row[] = {
		{ "vmlinuz", "vmlinuz" }, { "vmlinuz ", "vmlinuz" },
		{ "a/b/c d/e", "c" },	  { "/vmlinuz-6.1\tname=vmlinuz  quiet", "vmlinuz" },
		{ "x   name=y", "y" },	  { "x name=a/b", "a/b" },
		{ "x y name=z", "x" },	  { "x name=", "x" },
		{ "x name", "x" },	  { "name=q", "name=q" },
		{ "dir/ file", "" },	  { "", "" },
		{ " name=late", "late" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		module(i, 0x200000, 0x201000, row[i].string);
	module(ARRAY_SIZE(row), 0x200000, 0x201000, NULL);
	assert_int_equal(parse(), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		assert_string_equal(info.module[i].name, row[i].name);
	assert_string_equal(info.module[ARRAY_SIZE(row)].name, "");
	assert_true(shim_log_contains("boot: module 14 has no name"));
}

static void test_name_length(void **state)
{
	char s[BOOT_NAME_MAX + 8] = "dir/";

	(void)state;
	memset(s + 4, 'n', BOOT_NAME_MAX);
	s[4 + BOOT_NAME_MAX - 1] = '\0';
	module(0, 0, 0, s);
	assert_int_equal(parse(), 0);
	assert_string_equal(info.module[0].name, s + 4);
	assert_int_equal(shim_log_count(), 0);
	begin(NULL);
	s[4 + BOOT_NAME_MAX - 1] = 'n';
	module(0, 0, 0, s);
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(info.module[0].name), BOOT_NAME_MAX - 1);
	assert_int_equal(shim_log_count(), 1);
}

/* GRUB 2 leaves the program's path out; the others put it first. */
static void test_cmdline(void **state)
{
	static const struct {
		const char *loader, *given, *kept;
	} row[] = {
		{ "iPXE 1.0.0+", "neap.elf a=1 b", "a=1 b" },
		{ "GNU GRUB 0.97", "/neap.elf a=1", "a=1" },
		{ "GRUB 2.06", "a=1 b", "a=1 b" },
		{ "qemu", "neap.elf", "" },
		{ "qemu", "neap.elf ", "" },
		{ "qemu", "", "" },
		{ NULL, "neap.elf a", "a" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		begin(NULL);
		if (row[i].loader)
			field(BIT(9), 64, string(row[i].loader));
		field(BIT(2), 16, string(row[i].given));
		assert_int_equal(parse(), 0);
		assert_string_equal(info.cmdline, row[i].kept);
	}
}

static void test_cmdline_length(void **state)
{
	char s[BOOT_CMDLINE_MAX + 8] = "neap ";

	(void)state;
	memset(s + 5, 'c', BOOT_CMDLINE_MAX - 1);
	field(BIT(2), 16, string(s));
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, s + 5);
	assert_int_equal(shim_log_count(), 0);
	begin(NULL);
	s[5 + BOOT_CMDLINE_MAX - 1] = 'c';
	field(BIT(2), 16, string(s));
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(info.cmdline), BOOT_CMDLINE_MAX - 1);
	assert_int_equal(shim_log_count(), 1);
}

/* A field whose flag is not set is not looked at. */
static void test_flags(void **state)
{
	(void)state;
	put32(INFO + 16, string("neap a"));
	put32(INFO + 20, 7);
	put32(INFO + 24, 0xffffffff);
	put32(INFO + 64, string("nobody"));
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, "");
	assert_string_equal(info.loader, "");
	assert_int_equal(info.module_count, 0);
	assert_int_equal(shim_log_count(), 0);
}

static void test_module_limits(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= BOOT_MAX_MODULES; i++)
		module(i, 0x200000 + i, 0x300000, "m");
	field(0, 20, BOOT_MAX_MODULES);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, BOOT_MAX_MODULES);
	assert_false(info.modules_lost);
	assert_int_equal(shim_log_count(), 0);
	field(0, 20, BOOT_MAX_MODULES + 1);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, BOOT_MAX_MODULES);
	assert_true(info.modules_lost);
	assert_int_equal(shim_log_count(), 1);
	assert_int_equal(info.module[BOOT_MAX_MODULES - 1].base.v, 0x200000 + BOOT_MAX_MODULES - 1);
	/* One that ends before it starts takes no place. */
	begin(NULL);
	module(0, 2, 1, "bad");
	module(1, 1, 1, "empty");
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, 1);
	assert_string_equal(info.module[0].name, "empty");
}

/* Pointers to where there is no memory. */
static void test_wild_pointers(void **state)
{
	(void)state;
	field(BIT(2), 16, SIZE);
	field(BIT(9), 64, 0xffffffff);
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, "");
	assert_string_equal(info.loader, "");
	/* A list of modules that runs out of memory: what is there counts. */
	memcpy(memory + SIZE - 16, (u32[]){ 0x5000, 0x6000, STRINGS, 0 }, 16);
	field(BIT(3), 20, 0xffffffff);
	put32(INFO + 24, SIZE - 16);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, 1);
	assert_int_equal(shim_log_count(), 2); /* it has no name, too */
	put32(INFO + 24, 0xfffffff8);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, 0);
	/* A string that memory's end cuts. */
	memcpy(memory + SIZE - 8, "neap a=1", 8);
	field(0, 16, SIZE - 8);
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, "a=1");
}

/* A string without an end is read up to a bound only. */
static void test_endless_string(void **state)
{
	(void)state;
	memset(memory + STRINGS, ' ', SIZE - STRINGS);
	memcpy(memory + STRINGS + MULTIBOOT1_STRING_MAX - 1, "xyz", 3);
	field(BIT(2), 16, STRINGS);
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, "x");
}

static void test_info_bounds(void **state)
{
	(void)state;
	(void)parse();
	assert_int_equal(parse_in(INFO + 115, INFO), -EINVAL);
	assert_int_equal(parse_in(SIZE, SIZE - 115), -EINVAL);
	assert_int_equal(parse_in(SIZE, 0xffffffff), -EINVAL);
	assert_int_equal(parse_in(0, 0), -EINVAL);
	/* There, but empty. */
	assert_int_equal(parse_in(SIZE, SIZE - 116), -ENODATA);
	assert_int_equal(info.region_count, 0);
}

static void test_mmap(void **state)
{
	static const enum boot_region_type types[] = { BOOT_RESERVED, BOOT_RAM,
						       BOOT_RESERVED, BOOT_ACPI_RECLAIM,
						       BOOT_ACPI_NVS, BOOT_BAD,
						       BOOT_RESERVED };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(types); i++)
		region_sized(20 + 4 * i, 0x10000 * i, 0x8000, i);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.region_count, ARRAY_SIZE(types) + 1);
	for (u32 i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(info.region[i].base, 0x10000 * i);
		assert_int_equal(info.region[i].type, types[i]);
	}
	assert_int_equal(shim_log_count(), 0);
}

static void test_mmap_damaged(void **state)
{
	(void)state;
	region(0, 0x9f000, 1);
	region(0x100000, 0x1000, 1);
	/* The second entry: too short, beyond the end, of no size at all. */
	for (unsigned i = 0; i < 4; i++) {
		static const u32 size[] = { 19, 21, 0, 0xfffffffc };

		put32(MMAP + 24, size[i]);
		shim_log_reset();
		assert_int_equal(parse_in(SIZE, INFO), 0);
		assert_int_equal(info.region_count, 1);
		assert_int_equal(shim_log_count(), 1);
	}
	/* A rest too small for an entry. */
	field(0, 44, 24 + 23);
	shim_log_reset();
	assert_int_equal(parse_in(SIZE, INFO), 0);
	assert_int_equal(info.region_count, 1);
	assert_int_equal(shim_log_count(), 0);
	/* Out of memory: the sizes are taken, when there are any. */
	field(0, 48, SIZE - 46);
	assert_int_equal(parse_in(SIZE, INFO), -ENODATA);
	field(BIT(0), 4, 640);
	put32(INFO + 8, 0xffffffff);
	assert_int_equal(parse_in(SIZE, INFO), 0);
	assert_int_equal(info.region_count, 2);
	assert_int_equal(info.region[0].size, 640 * KIB);
	assert_int_equal(info.region[1].base, MIB);
	assert_int_equal(info.region[1].size, 0xffffffffull * KIB);
}

static void test_mmap_limit(void **state)
{
	(void)state;
	region_sized(MULTIBOOT1_MMAP_MAX - 4, 0x100000, 0x1000, 1);
	assert_int_equal(parse_in(SIZE, INFO), 0);
	field(0, 44, MULTIBOOT1_MMAP_MAX + 1);
	shim_log_reset();
	assert_int_equal(parse_in(SIZE, INFO), -ENODATA);
	assert_int_equal(shim_log_count(), 1);
}

static void test_screen(void **state)
{
	(void)state;
	field(BIT(12), 88, 0xe0000000);
	memory[INFO + 109] = 1;
	assert_int_equal(parse(), 0);
	assert_int_equal(info.fb.type, BOOT_FB_NONE);
	memory[INFO + 109] = 2;
	assert_int_equal(parse(), 0);
	assert_int_equal(info.fb.type, BOOT_FB_TEXT);
	assert_int_equal(info.fb.width, 80);
	assert_int_equal(info.fb.height, 25);
}

static void test_place_is_kept(void **state)
{
	(void)state;
	info.image_base = HPA(0x200000);
	info.image_size = 77;
	info.entry_tsc = 99;
	assert_int_equal(parse(), 0);
	assert_int_equal(info.image_base.v, 0x200000);
	assert_int_equal(info.image_size, 77);
	assert_int_equal(info.entry_tsc, 99);
}

#define T(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_as_qemu),       T(test_names),	       T(test_name_length),
		T(test_cmdline),       T(test_cmdline_length), T(test_flags),
		T(test_module_limits), T(test_wild_pointers),  T(test_endless_string),
		T(test_info_bounds),   T(test_mmap),	       T(test_mmap_damaged),
		T(test_mmap_limit),    T(test_screen),	       T(test_place_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
