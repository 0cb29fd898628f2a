#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "multiboot_image.h"

static void test_sections(void **state)
{
	u64 table;

	(void)state;
	assert_int_equal(load(), 0);
	table = info(36);
	assert_int_equal(info(28), 5);
	assert_int_equal(info(32), 40);
	assert_int_equal(info(40), 4);
	assert_true(table >= 0x104000);
	/* Allocated ones stay, the symbols and strings are loaded and their headers say where. */
	assert_memory_equal(fake_guest_at(&vm, table, 3 * 40), image + SH(0), 3 * 40);
	for (unsigned i = 3; i < 5; i++) {
		u32 at = fake_guest_u32(&vm, table + i * 40 + 12);
		u32 offset = fake_guest_u32(&vm, table + i * 40 + 16);
		u32 size = fake_guest_u32(&vm, table + i * 40 + 20);

		assert_int_equal(at % 16, 0);
		assert_true(at >= table + 5 * 40);
		assert_int_equal(offset, i == 3 ? 0x300 : 0x330);
		assert_int_equal(size, i == 3 ? 0x25 : 0x30);
		assert_memory_equal(fake_guest_at(&vm, at, size), image + offset, size);
	}
	assert_int_equal(fake_guest_u32(&vm, table + 4 * 40 + 12) -
				 fake_guest_u32(&vm, table + 3 * 40 + 12),
			 0x30);
}

/* Behind the last segment there is no room, but between two of them. */
static void test_sections_in_gap(void **state)
{
	(void)state;
	fake_guest_destroy(&vm);
	setup_guest(MIB + 0x4000);
	assert_int_equal(load(), 0);
	assert_int_equal(info(0), 0x26d);
	assert_int_equal(info(36), 0x101000);
}

static void expect_no_sections(const char *warning)
{
	assert_int_equal(load(), 0);
	assert_int_equal(info(0), 0x24d);
	assert_int_equal(info(28), 0);
	assert_int_equal(shim_log_count(), warning ? 1 : 0);
	if (warning)
		assert_true(shim_log_contains(warning));
}

static void test_sections_unusable(void **state)
{
	(void)state;
	put(0x30, 2, 0);
	expect_no_sections(NULL);
	build_image();
	put(0x2e, 2, 64);
	expect_no_sections("its section headers are damaged; the guest gets no symbols");
	build_image();
	put(0x20, 4, FILE_SIZE - 5 * 40 + 1);
	expect_no_sections("its section headers are damaged");
	put(0x20, 4, 0xffffffff);
	expect_no_sections("its section headers are damaged");
	build_image();
	put(SH(3) + 20, 4, FILE_SIZE - 0x300 + 1);
	expect_no_sections("a section lies behind the file's end; the guest gets no symbols");
	put(SH(3) + 20, 4, FILE_SIZE - 0x300);
	assert_int_equal(load(), 0);
	assert_int_equal(info(0), 0x26d);
	put(SH(3) + 16, 4, 0xffffffff);
	expect_no_sections("a section lies behind the file's end");
}

static void test_sections_no_room(void **state)
{
	(void)state;
	fake_guest_destroy(&vm);
	setup_guest(MIB + 0x4000);
	put(PH(0) + 20, 4, 0x2001);
	expect_no_sections("no room for 1 KiB of symbols; the guest gets none");
	/* A page is free; 200 bytes of headers and 37 of symbols take 208 and 48. */
	images.kernel.size = sizeof(image);
	put(PH(0) + 20, 4, 0x2000);
	put(SH(4) + 20, 4, 4096 - 256 + 1);
	expect_no_sections("no room for 5 KiB of symbols");
	put(SH(4) + 20, 4, 4096 - 256);
	assert_int_equal(load(), 0);
	assert_int_equal(info(36), 0x102000);
}

static void test_entry(void **state)
{
	(void)state;
	put(0x18, 4, 0x103fff); /* a physical one, in the second segment's last byte */
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x103fff);
	put(0x18, 4, 0xc0103fff);
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x103fff);
	put(0x18, 4, 0x104000);
	expect_error(-ENOEXEC, "vm mach: kernel kern: the entry address 0x104000 is in none of the "
			       "ELF file's segments");
	put(0x18, 4, 0);
	assert_int_equal(load(), -ENOEXEC);
}

static void test_elf_header(void **state)
{
	(void)state;
	put(4, 1, 2);
	expect_error(-ENOEXEC, "vm mach: kernel kern: a 64-bit ELF file; expected a 32-bit one for "
			       "multiboot");
	build_image();
	put(0x10, 2, 1);
	expect_error(-ENOEXEC, "vm mach: kernel kern: ELF type 1 for machine 3; expected an "
			       "executable (2) for i386 (3)");
	build_image();
	put(0x12, 2, 62);
	assert_int_equal(load(), -ENOEXEC);
	build_image();
	put(0x2a, 2, 31);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: damaged ELF file: program headers of 31 bytes; "
		     "expected 32");
	build_image();
	put(0x1c, 4, FILE_SIZE - 3 * 32 + 1);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: truncated ELF file of 1280 bytes: the program "
		     "headers lie behind it");
	put(0x1c, 4, 0xffffffff);
	assert_int_equal(load(), -ENOEXEC);
	build_image();
	put(0x2c, 2, 0);
	expect_error(-ENOEXEC, "vm mach: kernel kern: an ELF file with nothing to load; expected a "
			       "segment at least");
	build_image();
	put(0, 4, 0x464c457e);
	expect_error(-ENOEXEC, "vm mach: kernel kern: a multiboot kernel without load addresses; "
			       "expected an ELF file then");
}

/* A multiboot header so early that the file can end within the ELF header. */
static void test_elf_short(void **state)
{
	(void)state;
	put_header(0x10, 3);
	images.kernel.size = 0x33;
	expect_error(-ENOEXEC, "vm mach: kernel kern: truncated ELF file of 51 bytes; expected at "
			       "least 52");
}

static void test_segments_bad(void **state)
{
	(void)state;
	images.kernel.size = 0x28f;
	put(0x30, 2, 0);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: truncated kernel of 655 bytes; expected 656 at "
		     "least");
	images.kernel.size = 0x290;
	assert_int_equal(load(), 0);
	put(PH(0) + 16, 4, 0x81);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: damaged ELF file: segment 0 has 129 bytes in a "
		     "room of 128");
	build_image();
	put(PH(0) + 4, 4, 0xffffffff);
	assert_int_equal(load(), -ENOEXEC);
	/* Where there is no RAM, and up to the last byte of it. */
	build_image();
	put(PH(2) + 12, 4, 63 * MIB - 0xfff);
	expect_error(-ENOSPC, "vm mach: kernel kern: needs 4 KiB at 0x3eff001, where the VM has no "
			      "RAM (memory = 65536 KiB)");
	put(PH(2) + 12, 4, 63 * MIB - 0x1000);
	images.kernel.size = FILE_SIZE;
	assert_int_equal(load(), 0);
	put(PH(2) + 12, 4, 0xa0000);
	assert_int_equal(load(), -ENOSPC);
	put(PH(2) + 12, 4, 0xffffffff);
	assert_int_equal(load(), -ENOSPC);
	put(PH(2) + 12, 4, 0x103000);
	put(PH(2) + 20, 4, 0xffffffff);
	assert_int_equal(load(), -ENOSPC);
}

/* As many pieces as are kept track of, and one more. */
static void test_many_segments(void **state)
{
	(void)state;
	put(0x1c, 4, 0x600);
	put(0x30, 2, 0);
	images.kernel.size = sizeof(image);
	for (unsigned i = 0; i <= 32; i++)
		PUT32S(0x600 + i * 32, 1, 0x200, 0xc0100000 + i * 0x2000, 0x100000 + i * 0x2000,
		       0x80, 0x80);
	put(0x2c, 2, 31); /* the information takes one, too */
	assert_int_equal(load(), 0);
	put(0x2c, 2, 33);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: its segments are in too many pieces; expected "
		     "at most 32");
	put(0x2c, 2, 32);
	assert_int_equal(load(), -ENOSPC);
	assert_true(shim_log_contains("KiB for the multiboot information"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sections),
		TEST(test_sections_in_gap),
		TEST(test_sections_unusable),
		TEST(test_sections_no_room),
		TEST(test_entry),
		TEST(test_elf_header),
		TEST(test_elf_short),
		TEST(test_segments_bad),
		TEST(test_many_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
