#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot2.h"
#include "boot/regions.h"
#include "shim.h"

#define INFO_PHYS 0x123000

static u8 block[64 * 1024];
static u32 used;
static struct boot_info info;

static void put32(u8 *p, u32 v)
{
	memcpy(p, &v, 4);
}

static void put64(u8 *p, u64 v)
{
	memcpy(p, &v, 8);
}

static int begin(void **state)
{
	(void)state;
	memset(block, 0, sizeof(block));
	used = 8;
	shim_log_reset();
	return 0;
}

/* A tag with n bytes of contents; returns them. */
static u8 *tag(u32 type, u32 n)
{
	u8 *t = block + used;

	put32(t, type);
	put32(t + 4, n + 8);
	used = ALIGN_UP(used + n + 8, 8);
	return t + 8;
}

static void tag_string(u32 type, const char *s)
{
	memcpy(tag(type, strlen(s) + 1), s, strlen(s) + 1);
}

static void tag_module(u32 start, u32 end, const char *s)
{
	u8 *t = tag(3, 8 + strlen(s) + 1);

	put32(t, start);
	put32(t + 4, end);
	memcpy(t + 8, s, strlen(s) + 1);
}

struct mmap_entry {
	u64 base, size;
	u32 type;
};

static void tag_mmap(const struct mmap_entry *e, unsigned n, u32 entry_size)
{
	u8 *t = tag(6, 8 + n * entry_size);

	put32(t, entry_size);
	for (unsigned i = 0; i < n; i++) {
		u8 *p = t + 8 + i * entry_size;

		put64(p, e[i].base);
		put64(p + 8, e[i].size);
		put32(p + 16, e[i].type);
	}
}

static void tag_some_ram(void)
{
	tag_mmap(&(struct mmap_entry){ 0x100000, 0x1000000, 1 }, 1, 24);
}

/* Parses a copy that ends where its memory ends, so that the sanitizer sees a read beyond. */
static int parse_n(u32 n)
{
	u8 *copy = malloc(n);
	int r;

	memcpy(copy, block, n);
	r = multiboot2_parse(copy, n, INFO_PHYS, &info);
	free(copy);
	return r;
}

static int parse(void)
{
	(void)tag(0, 0);
	put32(block, used);
	return parse_n(used);
}

static void test_strings(void **state)
{
	(void)state;
	tag_string(1, "serial=off  x=y");
	tag_string(2, "GRUB 2.06");
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, "serial=off  x=y");
	assert_string_equal(info.loader, "GRUB 2.06");
	assert_int_equal(shim_log_count(), 0);
}

static void test_string_edges(void **state)
{
	char s[BOOT_CMDLINE_MAX + 1];

	(void)state;
	memset(s, 'c', sizeof(s));
	s[BOOT_CMDLINE_MAX - 1] = '\0';
	tag_string(1, s);
	memcpy(tag(2, 3), "abc", 3); /* not terminated */
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, s);
	assert_string_equal(info.loader, "abc");
	assert_int_equal(shim_log_count(), 0);

	begin(NULL);
	s[BOOT_CMDLINE_MAX - 1] = 'c';
	s[BOOT_CMDLINE_MAX] = '\0';
	tag_string(1, s);
	(void)tag(2, 0);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(info.cmdline), BOOT_CMDLINE_MAX - 1);
	assert_string_equal(info.loader, "");
	assert_true(shim_log_contains("cut to 511"));
}

static void test_modules(void **state)
{
	(void)state;
	tag_module(0x1000000, 0x1234567, "manifest some words");
	tag_module(0x2000000, 0x2000000, "empty");
	tag_module(0x3000000, 0x2ffffff, "backwards");
	tag_module(0xfffff000, 0xffffffff, "last");
	tag_module(0x4000000, 0x4000001, "");
	(void)tag(3, 7);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, 4);
	assert_int_equal(info.module[0].base.v, 0x1000000);
	assert_int_equal(info.module[0].size, 0x234567);
	assert_string_equal(info.module[0].name, "manifest");
	assert_int_equal(info.module[1].size, 0);
	assert_string_equal(info.module[2].name, "last");
	assert_int_equal(info.module[2].size, 0xfff);
	assert_string_equal(info.module[3].name, "");
	assert_true(shim_log_contains("module 3 ends before"));
	assert_true(shim_log_contains("module 5 has no name"));
	assert_false(info.modules_lost);
}

static void test_module_name_edges(void **state)
{
	char name[BOOT_NAME_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[BOOT_NAME_MAX] = '\0';
	tag_module(0, 1, name);
	name[BOOT_NAME_MAX - 1] = '\t';
	tag_module(0, 1, name);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(info.module[0].name), BOOT_NAME_MAX - 1);
	assert_int_equal(strlen(info.module[1].name), BOOT_NAME_MAX - 1);
	assert_int_equal(shim_log_count(), 1);
	assert_true(shim_log_contains("name of module 1 cut"));
}

static void test_module_cap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BOOT_MAX_MODULES; i++)
		tag_module(i, i + 1, "m");
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, BOOT_MAX_MODULES);
	assert_false(info.modules_lost);
	used -= 8; /* over the end tag */
	tag_module(100, 101, "one too many");
	tag_module(100, 101, "two too many");
	assert_int_equal(parse(), 0);
	assert_int_equal(info.module_count, BOOT_MAX_MODULES);
	assert_true(info.modules_lost);
	assert_int_equal(shim_log_count(), 1);
}

static void check_region(unsigned i, u64 base, u64 size, enum boot_region_type type)
{
	assert_true(i < info.region_count);
	assert_int_equal(info.region[i].base, base);
	assert_int_equal(info.region[i].size, size);
	assert_int_equal(info.region[i].type, type);
}

static const struct mmap_entry map[] = {
	{ 0, 0x9fc00, 1 },	    { 0x9fc00, 0x400, 2 },	{ 0x100000, 0x3ff00000, 1 },
	{ 0x40000000, 0x10000, 3 }, { 0x40010000, 0x10000, 4 }, { 0x40020000, 0x1000, 5 },
	{ 0x40021000, 0x1000, 77 }, { 0x50000000, 0, 1 },	{ 0xfffffffffffff000, 0x2000, 2 },
};

static void test_memory_map(void **state)
{
	static const u32 entry_sizes[] = { 20, 24, 40 };

	for (unsigned i = 0; i < ARRAY_SIZE(entry_sizes); i++) {
		begin(state);
		tag_mmap(map, ARRAY_SIZE(map), entry_sizes[i]);
		assert_int_equal(parse(), 0);
		assert_int_equal(info.region_count, 8);
		check_region(0, 0, 0x9fc00, BOOT_RAM);
		check_region(1, 0x9fc00, 0x400, BOOT_RESERVED);
		check_region(2, 0x100000, 0x3ff00000, BOOT_RAM);
		check_region(3, 0x40000000, 0x10000, BOOT_ACPI_RECLAIM);
		check_region(4, 0x40010000, 0x10000, BOOT_ACPI_NVS);
		check_region(5, 0x40020000, 0x1000, BOOT_BAD);
		check_region(6, 0x40021000, 0x1000, BOOT_RESERVED);
		check_region(7, 0xfffffffffffff000, 0xfff, BOOT_RESERVED);
	}
}

static void test_memory_map_bad_entry_size(void **state)
{
	static const u32 sizes[] = { 0, 1, 19, 0xffffffff };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin(NULL);
		put32(tag(6, 8 + 24), sizes[i]);
		assert_int_equal(parse(), -ENODATA);
	}
	begin(NULL);
	(void)tag(6, 7);
	assert_int_equal(parse(), -ENODATA);
}

static void test_no_memory(void **state)
{
	(void)state;
	assert_int_equal(parse(), -ENODATA);
	begin(NULL);
	tag_mmap(&(struct mmap_entry){ 0x100000, 0x1000, 2 }, 1, 24);
	assert_int_equal(parse(), -ENODATA);
}

static void tag_efi(const struct mmap_entry *e, unsigned n, u32 size)
{
	u8 *t = tag(17, 8 + n * size);

	put32(t, size);
	for (unsigned i = 0; i < n; i++) {
		u8 *p = t + 8 + i * size;

		put32(p, e[i].type);
		put64(p + 8, e[i].base);
		put64(p + 24, e[i].size / PAGE_SIZE);
	}
}

static const struct mmap_entry efi_map[] = {
	{ 0x0, 0x1000, 3 },	   { 0x1000, 0x9f000, 7 },   { 0x100000, 0x100000, 2 },
	{ 0x200000, 0x100000, 1 }, { 0x300000, 0x1000, 4 },  { 0x301000, 0x1000, 5 },
	{ 0x302000, 0x1000, 6 },   { 0x303000, 0x1000, 9 },  { 0x304000, 0x1000, 10 },
	{ 0x305000, 0x1000, 8 },   { 0x306000, 0x1000, 11 }, { 0x307000, 0x1000, 99 },
};

static void test_efi_map(void **state)
{
	(void)state;
	tag_efi(efi_map, ARRAY_SIZE(efi_map), 48);
	assert_int_equal(parse(), 0);
	check_region(0, 0, 0xa0000, BOOT_RAM);
	check_region(1, 0x100000, 0x201000, BOOT_RAM);
	check_region(2, 0x301000, 0x2000, BOOT_RESERVED);
	check_region(3, 0x303000, 0x1000, BOOT_ACPI_RECLAIM);
	check_region(4, 0x304000, 0x1000, BOOT_ACPI_NVS);
	check_region(5, 0x305000, 0x1000, BOOT_BAD);
	check_region(6, 0x306000, 0x2000, BOOT_RESERVED);
	assert_int_equal(info.region_count, 7);
}

static void test_efi_map_with_boot_services(void **state)
{
	(void)state;
	tag_efi(efi_map, ARRAY_SIZE(efi_map), 40);
	(void)tag(18, 0); /* behind the map: order does not matter */
	assert_int_equal(parse(), 0);
	check_region(0, 0, 0x1000, BOOT_RESERVED);
	check_region(1, 0x1000, 0x9f000, BOOT_RAM);
	check_region(2, 0x100000, 0x200000, BOOT_RAM);
	check_region(3, 0x300000, 0x3000, BOOT_RESERVED);
}

static void test_plain_map_wins_over_efi(void **state)
{
	(void)state;
	tag_efi(efi_map, ARRAY_SIZE(efi_map), 48);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.region_count, 1);
	check_region(0, 0x100000, 0x1000000, BOOT_RAM);
}

static void test_efi_map_damaged(void **state)
{
	(void)state;
	put32(tag(17, 8 + 48), 39);
	assert_int_equal(parse(), -ENODATA);
	begin(NULL);
	(void)tag(17, 4);
	assert_int_equal(parse(), -ENODATA);
	begin(NULL);
	tag_efi(efi_map + 1, 1, 40);
	put64(block + 16 + 8 + 24, ~0ull); /* pages */
	assert_int_equal(parse(), 0);
	check_region(0, 0x1000, ~0ull - 0x1000, BOOT_RAM);
}

/* Every other page, so that nothing joins. */
static void fill_regions(unsigned n)
{
	struct mmap_entry e[BOOT_MAX_REGIONS + 1];

	for (unsigned i = 0; i < n; i++)
		e[i] = (struct mmap_entry){ 0x100000 + i * 0x4000, i == 7 ? 0x800 : 0x1000, 1 };
	tag_mmap(e, n, 24);
}

static void test_region_cap(void **state)
{
	(void)state;
	fill_regions(BOOT_MAX_REGIONS);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.region_count, BOOT_MAX_REGIONS);
	assert_int_equal(shim_log_count(), 0);

	begin(NULL);
	fill_regions(BOOT_MAX_REGIONS + 1);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.region_count, BOOT_MAX_REGIONS);
	assert_int_equal(shim_log_count(), 1);
}

static void test_full_list_gives_up_ram_for_reservations(void **state)
{
	(void)state;
	fill_regions(BOOT_MAX_REGIONS);
	assert_int_equal(parse(), 0);
	assert_false(boot_add_region(&info, 0x101000, 0x10, BOOT_RESERVED));
	check_region(7, 0x101000, 0x10, BOOT_RESERVED);
	assert_true(shim_log_contains("RAM at 0x11c000 left out"));
	for (unsigned i = 1; i < BOOT_MAX_REGIONS; i++)
		assert_false(boot_add_region(&info, i * 0x10000000ull, 0x10, BOOT_RESERVED));
	for (unsigned i = 0; i < BOOT_MAX_REGIONS; i++)
		assert_int_equal(info.region[i].type, BOOT_RESERVED);
	/* No RAM is left to give up. */
	assert_false(boot_add_region(&info, 0x1000, 0x10, BOOT_BAD));
	assert_int_equal(info.region_count, BOOT_MAX_REGIONS);
}

static u8 *tag_fb(u8 type, u8 bpp, u32 pitch, u32 width, u32 height)
{
	u8 *t = tag(8, 30);

	put64(t, 0xe0000000);
	put32(t + 8, pitch);
	put32(t + 12, width);
	put32(t + 16, height);
	t[20] = bpp;
	t[21] = type;
	memcpy(t + 24, "\x10\x08\x08\x07\x00\x06", 6);
	tag_some_ram();
	return t;
}

static void test_framebuffer_rgb(void **state)
{
	(void)state;
	(void)tag_fb(1, 32, 4096, 1024, 768);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.fb.type, BOOT_FB_RGB);
	assert_int_equal(info.fb.base.v, 0xe0000000);
	assert_int_equal(info.fb.pitch, 4096);
	assert_int_equal(info.fb.width, 1024);
	assert_int_equal(info.fb.height, 768);
	assert_int_equal(info.fb.bpp, 32);
	assert_int_equal(info.fb.red_pos, 16);
	assert_int_equal(info.fb.red_size, 8);
	assert_int_equal(info.fb.green_pos, 8);
	assert_int_equal(info.fb.green_size, 7);
	assert_int_equal(info.fb.blue_pos, 0);
	assert_int_equal(info.fb.blue_size, 6);
}

static void test_framebuffer_text(void **state)
{
	u8 *t;

	(void)state;
	t = tag_fb(2, 16, 160, 80, 25);
	put64(t, 0xb8000);
	put32(t - 4, 32); /* without colours: their place becomes an unknown tag */
	put32(t + 24, 99);
	put32(t + 28, 8);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.fb.type, BOOT_FB_TEXT);
	assert_int_equal(info.fb.base.v, 0xb8000);
	assert_int_equal(info.fb.width, 80);
}

static void expect_no_fb(void)
{
	assert_int_equal(parse(), 0);
	assert_int_equal(info.fb.type, BOOT_FB_NONE);
	begin(NULL);
}

static void test_framebuffer_refused(void **state)
{
	u8 *t;

	(void)state;
	(void)tag_fb(0, 8, 1024, 1024, 768); /* palette */
	expect_no_fb();
	(void)tag_fb(1, 32, 4095, 1024, 768);
	expect_no_fb();
	(void)tag_fb(2, 16, 159, 80, 25);
	expect_no_fb();
	(void)tag_fb(1, 32, 4096, 0, 768);
	expect_no_fb();
	(void)tag_fb(1, 32, 4096, 1024, 0);
	expect_no_fb();
	(void)tag_fb(1, 32, 65536 * 16, 16385, 768);
	expect_no_fb();
	(void)tag_fb(1, 32, 4096, 1024, 0xffffffff);
	expect_no_fb();
	(void)tag_fb(1, 32, 0xffffffff, 1024, 768);
	expect_no_fb();
	t = tag_fb(1, 32, 4096, 1024, 768);
	put64(t, 0);
	expect_no_fb();
	t = tag_fb(1, 32, 4096, 1024, 768);
	put64(t, ~0ull);
	expect_no_fb();
	put32(tag(8, 23), 1); /* too short */
	tag_some_ram();
	expect_no_fb();
}

static void test_rsdp(void **state)
{
	u8 *old, *new;

	(void)state;
	old = tag(14, 20);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.rsdp.v, INFO_PHYS + (u64)(old - block));
	check_region(1, INFO_PHYS, used, BOOT_RESERVED);

	begin(NULL);
	new = tag(15, 36); /* the newer counts wherever it stands */
	(void)tag(14, 20);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.rsdp.v, INFO_PHYS + (u64)(new - block));

	begin(NULL);
	(void)tag(14, 19);
	(void)tag(15, 35);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.rsdp.v, 0);
	assert_int_equal(info.region_count, 1);
}

static void test_own_fields_survive(void **state)
{
	(void)state;
	memset(&info, 0xa5, sizeof(info));
	info.image_base = HPA(0x200000);
	info.image_size = 0x300000;
	info.entry_tsc = 12345;
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.image_base.v, 0x200000);
	assert_int_equal(info.image_size, 0x300000);
	assert_int_equal(info.entry_tsc, 12345);
	assert_string_equal(info.cmdline, "");
	assert_int_equal(info.fb.type, BOOT_FB_NONE);
	assert_int_equal(info.rsdp.v, 0);
}

static void test_every_cut_is_refused(void **state)
{
	u32 whole;

	(void)state;
	tag_string(1, "cmdline");
	tag_module(1, 2, "m");
	tag_some_ram();
	(void)tag(15, 36);
	assert_int_equal(parse(), 0);
	whole = used;
	for (u32 n = 1; n < whole; n++) {
		/* Shorter than it says... */
		put32(block, whole);
		if (n >= 8)
			assert_int_equal(parse_n(n), -EINVAL);
		/* ... and saying so. */
		put32(block, n);
		assert_int_equal(parse_n(n), -EINVAL);
	}
}

static void test_bad_tag_sizes(void **state)
{
	static const u32 sizes[] = { 0, 1, 7, 0x7fffffff, 0xfffffff8, 0xffffffff };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		begin(NULL);
		tag_some_ram();
		put32(tag(99, 8) - 4, sizes[i]);
		assert_int_equal(parse(), -EINVAL);
	}
}

static void test_unknown_tags_are_skipped(void **state)
{
	(void)state;
	(void)tag(99, 13);
	(void)tag(0xffffffff, 0);
	tag_some_ram();
	assert_int_equal(parse(), 0);
	assert_int_equal(shim_log_count(), 0);
}

#define T(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_strings),
		T(test_string_edges),
		T(test_modules),
		T(test_module_name_edges),
		T(test_module_cap),
		T(test_memory_map),
		T(test_memory_map_bad_entry_size),
		T(test_no_memory),
		T(test_efi_map),
		T(test_efi_map_with_boot_services),
		T(test_plain_map_wins_over_efi),
		T(test_efi_map_damaged),
		T(test_region_cap),
		T(test_full_list_gives_up_ram_for_reservations),
		T(test_framebuffer_rgb),
		T(test_framebuffer_text),
		T(test_framebuffer_refused),
		T(test_rsdp),
		T(test_own_fields_survive),
		T(test_every_cut_is_refused),
		T(test_bad_tag_sizes),
		T(test_unknown_tags_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
