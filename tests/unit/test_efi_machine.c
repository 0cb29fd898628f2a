#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/elf_image.h"
#include "boot/efi/memory_map.h"
#include "boot/efi/screen_format.h"
#include "shim.h"

/* --- the hypervisor's file --- */

#define FILE_SIZE 0x200

static struct {
	Elf64_Ehdr header;
	Elf64_Phdr segment[3];
	u8 rest[FILE_SIZE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
} file;
static struct elf_span span;

_Static_assert(sizeof(file) == FILE_SIZE, "no padding");

static int begin_file(void **state)
{
	static const u8 ident[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

	(void)state;
	memset(&file, 0, sizeof(file));
	memcpy(file.header.e_ident, ident, sizeof(ident));
	file.header.e_machine = EM_X86_64;
	file.header.e_phoff = sizeof(file.header);
	file.header.e_phentsize = sizeof(Elf64_Phdr);
	file.header.e_phnum = 3;
	file.segment[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					.p_offset = 0x1f0,
					.p_filesz = 0x10,
					.p_paddr = 0x201000,
					.p_memsz = 0x20 };
	file.segment[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
					.p_offset = 0x1e0,
					.p_filesz = 0x10,
					.p_paddr = 0x200000,
					.p_memsz = 0x10 };
	file.segment[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = ~0ul, .p_paddr = ~0ul };
	memset((u8 *)&file + 0x1e0, 'b', 0x10);
	memset((u8 *)&file + 0x1f0, 'a', 0x10);
	return 0;
}

static int look(size_t n)
{
	u8 *copy = malloc(n ? n : 1);
	int r;

	memcpy(copy, &file, n);
	r = elf_image_span(copy, n, &span);
	free(copy);
	return r;
}

static void test_elf_copy(void **state)
{
	static u8 image[0x1030];

	(void)state;
	assert_int_equal(look(FILE_SIZE), 0);
	assert_true(span.base == 0x200000 && span.size == 0x1020);
	memset(image, 0xee, sizeof(image));
	elf_image_copy((const u8 *)&file, &span, image);
	assert_true(image[0] == 'b' && image[0xf] == 'b' && image[0x10] == 0);
	assert_true(image[0xfff] == 0 && image[0x1000] == 'a' && image[0x100f] == 'a');
	assert_true(image[0x1010] == 0 && image[0x101f] == 0 && image[0x1020] == 0xee);
}

static void expect_bad(void *field, u64 value, size_t size)
{
	u64 good = 0;

	memcpy(&good, field, size);
	memcpy(field, &value, size);
	assert_int_equal(look(FILE_SIZE), -ENOEXEC);
	memcpy(field, &good, size);
	assert_int_equal(look(FILE_SIZE), 0);
}

static void test_elf_bad(void **state)
{
	Elf64_Phdr *s = &file.segment[0];

	(void)state;
	expect_bad(&file.header.e_ident[4], 1, 1);
	expect_bad(&file.header.e_machine, EM_386, 2);
	expect_bad(&file.header.e_phentsize, 32, 2);
	expect_bad(&file.header.e_phnum, 17, 2);
	expect_bad(&file.header.e_phoff, FILE_SIZE - 3 * sizeof(*s) + 1, 8);
	expect_bad(&file.header.e_phoff, ~0ul, 8);
	expect_bad(&s->p_filesz, 0x11, 8);
	expect_bad(&s->p_offset, FILE_SIZE + 1, 8);
	expect_bad(&s->p_memsz, 0xf, 8);
	expect_bad(&s->p_paddr, ~0ul, 8);
	for (size_t n = 0; n < FILE_SIZE; n++)
		assert_int_equal(look(n), -ENOEXEC);
	file.segment[0].p_type = file.segment[1].p_type = PT_NULL;
	assert_int_equal(look(FILE_SIZE), -ENOEXEC);
}

/* --- the memory map --- */

#define STRIDE 48 /* as EDK II has it: longer than the structure */
#define FREE   7

static u8 map[8 * STRIDE];
static size_t count;

static void add(u32 type, u64 base, u64 pages)
{
	struct efi_memory m = { .type = type, .base = base, .pages = pages };

	memset(map + count * STRIDE, 0xee, STRIDE);
	memcpy(map + count++ * STRIDE, &m, sizeof(m));
}

static int begin_map(void **state)
{
	(void)state;
	count = 0;
	shim_log_reset();
	return 0;
}

static void test_map_regions(void **state)
{
	static struct boot_info info;

	(void)state;
	info.region_count = 77;	 /* of a rehearsal */
	add(2, 0x300000, 0x100); /* loader data */
	add(FREE, 0x100000000, 0x100);
	add(3, 0x100000, 0x100); /* boot services' code: RAM by now */
	add(6, 0x400000, 1);	 /* runtime data */
	add(FREE, 0x200000, 0x100);
	add(9, 0x401000, 2);
	memory_map_sort(map, count, STRIDE);
	memory_map_to_regions(map, count, STRIDE, &info);
	assert_int_equal(info.region_count, 4);
	assert_true(info.region[0].base == 0x100000 && info.region[0].size == 0x300000);
	assert_int_equal(info.region[0].type, BOOT_RAM);
	assert_true(info.region[1].base == 0x400000 && info.region[1].type == BOOT_RESERVED);
	assert_true(info.region[2].size == 0x2000 && info.region[2].type == BOOT_ACPI_RECLAIM);
	assert_true(info.region[3].base == 0x100000000 && info.region[3].type == BOOT_RAM);
	/* What follows the structure in an entry went along. */
	assert_int_equal(map[3 * STRIDE + STRIDE - 1], 0xee);
}

static void test_map_sort_small(void **state)
{
	(void)state;
	memory_map_sort(map, 0, STRIDE);
	add(FREE, 0x1000, 1);
	memory_map_sort(map, 1, STRIDE);
	add(FREE, 0, 1);
	/* Entries too long to be moved stay where they are. */
	memory_map_sort(map, 2, 4096);
	assert_int_equal(map[8 + 1], 0x10);
	memory_map_sort(map, 2, STRIDE);
	assert_int_equal(map[8 + 1], 0);
}

static u64 find(u64 size, u64 min)
{
	return memory_map_find(map, count, STRIDE, size, 2 * MIB, min, 4 * GIB);
}

static void test_map_find(void **state)
{
	(void)state;
	assert_true(find(PAGE_SIZE, 2 * MIB) == 0);
	add(FREE, 0xffe00000, 0x400); /* 4 MiB around 4 GiB */
	add(4, 0x200000, 0x200);
	add(FREE, 0x400000 - PAGE_SIZE, 0x201);
	add(FREE, 0x1000, 0x100);
	assert_true(find(2 * MIB, 2 * MIB) == 0x400000);
	assert_true(find(2 * MIB, 0) == 0x400000);
	/* One page more, and it fits nowhere: what is behind 4 GiB does not count. */
	assert_true(find(2 * MIB + 1, 2 * MIB) == 0);
	assert_true(find(2 * MIB, 6 * MIB) == 0xffe00000);
	add(FREE, 0x200000, 0x200);
	assert_true(find(2 * MIB, 2 * MIB) == 0x200000);
}

/* --- the screen --- */

static const struct screen_mode good = { .base = 0x80000000,
					 .size = 1920 * 4 * 1080,
					 .width = 1900,
					 .height = 1080,
					 .line_pixels = 1920,
					 .pixels = SCREEN_BGRX };
static struct screen_mode mode;
static struct boot_framebuffer fb;

static int begin_mode(void **state)
{
	(void)state;
	mode = good;
	return 0;
}

static void test_screen_formats(void **state)
{
	(void)state;
	assert_true(screen_format_convert(&mode, &fb));
	assert_true(fb.type == BOOT_FB_RGB && fb.base.v == 0x80000000 && fb.pitch == 7680);
	assert_true(fb.width == 1900 && fb.height == 1080 && fb.bpp == 32);
	assert_true(fb.red_pos == 16 && fb.green_pos == 8 && fb.blue_pos == 0 && fb.red_size == 8);
	mode.pixels = SCREEN_RGBX;
	assert_true(screen_format_convert(&mode, &fb));
	assert_true(fb.red_pos == 0 && fb.green_pos == 8 && fb.blue_pos == 16 && fb.blue_size == 8);
	mode.pixels = SCREEN_BITMASK;
	mode.red_mask = 0xf800;
	mode.green_mask = 0x7e0;
	mode.blue_mask = 0x1f;
	assert_true(screen_format_convert(&mode, &fb));
	assert_true(fb.bpp == 16 && fb.pitch == 3840 && fb.red_pos == 11 && fb.red_size == 5);
	assert_true(fb.green_pos == 5 && fb.green_size == 6 && fb.blue_pos == 0);
	mode.reserved_mask = 0xff000000;
	assert_true(screen_format_convert(&mode, &fb));
	assert_true(fb.bpp == 32 && fb.pitch == 7680);
}

static void expect_none(u32 *field, u32 value)
{
	u32 before = *field;

	*field = value;
	assert_false(screen_format_convert(&mode, &fb));
	assert_int_equal(fb.type, BOOT_FB_NONE);
	*field = before;
	assert_true(screen_format_convert(&mode, &fb));
}

static void test_screen_none(void **state)
{
	(void)state;
	expect_none(&mode.width, 0);
	expect_none(&mode.width, 1921);
	expect_none(&mode.height, 0);
	expect_none(&mode.height, 1081); /* beyond its memory */
	expect_none(&mode.line_pixels, 0xffffffff);
	expect_none((u32 *)&mode.pixels, SCREEN_BLT_ONLY);
	expect_none((u32 *)&mode.pixels, 17);
	expect_none((u32 *)&mode.pixels, SCREEN_BITMASK); /* without masks */
	mode.pixels = SCREEN_BITMASK;
	mode.red_mask = 0xff0000;
	mode.green_mask = 0xff00;
	mode.blue_mask = 0xff;
	expect_none(&mode.green_mask, 0x5500);
	expect_none(&mode.blue_mask, 0);
	mode.base = UINT64_MAX - 4096;
	assert_false(screen_format_convert(&mode, &fb));
	mode.base = 0;
	assert_false(screen_format_convert(&mode, &fb));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_elf_copy, begin_file),
		cmocka_unit_test_setup(test_elf_bad, begin_file),
		cmocka_unit_test_setup(test_map_regions, begin_map),
		cmocka_unit_test_setup(test_map_sort_small, begin_map),
		cmocka_unit_test_setup(test_map_find, begin_map),
		cmocka_unit_test_setup(test_screen_formats, begin_mode),
		cmocka_unit_test_setup(test_screen_none, begin_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
