#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "multiboot_image.h"

static void test_start_state(void **state)
{
	(void)state;
	assert_int_equal(load(), 0);
	assert_int_equal(shim_log_count(), 0);
	assert_int_equal(start.mode, START_PROT32);
	assert_int_equal(start.rip, 0x100010); /* given as a virtual address */
	assert_int_equal(start.cr3, 0);
	assert_int_equal(start.regs.r[REG_RAX], 0x2badb002);
	for (unsigned i = 0; i < REG_COUNT; i++)
		assert_true(i == REG_RAX || i == REG_RBX || start.regs.r[i] == 0);
	assert_int_equal(start.gdt_limit, 31);
	assert_int_equal(fake_guest_u64(&vm, start.gdt_base), 0);
	assert_int_equal(fake_guest_u64(&vm, start.gdt_base + 0x10), 0x00cf9b000000ffff);
	assert_int_equal(fake_guest_u64(&vm, start.gdt_base + 0x18), 0x00cf93000000ffff);
}

static void test_segments(void **state)
{
	(void)state;
	memset(fake_guest_at(&vm, 0x100000, 0x4000), 0xee, 0x4000);
	assert_int_equal(load(), 0);
	assert_memory_equal(fake_guest_at(&vm, 0x100000, 0x80), image + 0x200, 0x80);
	assert_memory_equal(fake_guest_at(&vm, 0x103000, 0x10), image + 0x280, 0x10);
	for (unsigned i = 0x10; i < 0x1000; i++)
		assert_int_equal(fake_guest_u8(&vm, 0x103000 + i), 0);
	for (unsigned i = 0x80; i < 0x3000; i++)
		assert_int_equal(fake_guest_u8(&vm, 0x100000 + i), 0xee);
}

static void test_info(void **state)
{
	u64 map;

	(void)state;
	assert_int_equal(load(), 0);
	assert_true(start.regs.r[REG_RBX] < 0x9fc00);
	assert_int_equal(info(0), 0x26d);
	assert_int_equal(info(4), 639);
	assert_int_equal(info(8), 62 * 1024);
	assert_int_equal(info(12), 0);
	assert_string_equal(string_at(info(16)), "root=device:hd0");
	assert_int_equal(info(20), 0);
	assert_int_equal(info(24), 0);
	assert_string_equal(string_at(info(64)), "Neap");
	for (unsigned at = 52; at < 116; at += 4)
		assert_true(at == 64 || info(at) == 0);

	map = info(48);
	assert_int_equal(info(44), 5 * 24);
	for (unsigned i = 0; i < 5; i++, map += 24) {
		assert_int_equal(fake_guest_u32(&vm, map), 20);
		assert_int_equal(fake_guest_u64(&vm, map + 4), vm.map.entry[i].base);
		assert_int_equal(fake_guest_u64(&vm, map + 12), vm.map.entry[i].size);
		assert_int_equal(fake_guest_u32(&vm, map + 20), vm.map.entry[i].type);
	}
}

static void test_flags(void **state)
{
	(void)state;
	put_header(MB_AT, 0xfffe0000); /* optional features may be ignored */
	assert_int_equal(load(), 0);
	assert_int_equal(shim_log_count(), 0);
	put_header(MB_AT, 0x4);
	assert_int_equal(load(), 0);
	assert_string_equal(shim_log_last(), "vm mach: kernel kern: asks for a video mode; the VM "
					     "has no screen");
	put_header(MB_AT, 0x8003 | 0x18);
	expect_error(-ENOEXEC, "vm mach: kernel kern: multiboot header asks for unknown features "
			       "0x8018; expected 0x7 at most");
}

static void test_header_search(void **state)
{
	(void)state;
	/* The last place that is searched, and one further. */
	images.kernel.size = sizeof(image);
	memset(image + MB_AT, 0, 12);
	put_header(8192 - 12, 3);
	assert_int_equal(load(), 0);
	memset(image + 8192 - 12, 0, 12);
	put_header(8192 - 8, 3);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: a 32-bit ELF file without a multiboot header; "
		     "expected a Linux bzImage or a multiboot kernel");
	build_image();
	memset(image + MB_AT, 0, 12);
	put_header(MB_AT + 2, 3); /* not at a multiple of 4 */
	assert_int_equal(load(), -ENOEXEC);
	/* One with a wrong checksum is passed over. */
	build_image();
	memset(image + MB_AT, 0, 12);
	PUT32S(0x98, 0x1badb002, 3, 0);
	put_header(0xb0, 3);
	assert_int_equal(load(), 0);
	put_header(0x98, 0x8000);
	assert_int_equal(load(), -ENOEXEC);
}

/* A file that is not ELF, with the header at 0x40 and addresses in it. */
static void build_flat(u32 header, u32 load_at, u32 load_end, u32 bss_end, u32 entry)
{
	memset(image, 0xcc, sizeof(image));
	put_header(0x40, 0x10003);
	PUT32S(0x40 + 12, header, load_at, load_end, bss_end, entry);
	images.kernel.size = 0x400;
}

static void test_addresses(void **state)
{
	(void)state;
	/* The image begins at byte 0x20 of the file. */
	build_flat(0x200020, 0x200000, 0x200100, 0x200200, 0x2000a0);
	memset(fake_guest_at(&vm, 0x1fffff, 0x300), 0xee, 0x300);
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x2000a0);
	assert_int_equal(info(0), 0x24d);
	assert_int_equal(fake_guest_u8(&vm, 0x1fffff), 0xee);
	assert_memory_equal(fake_guest_at(&vm, 0x200000, 0x100), image + 0x20, 0x100);
	for (unsigned i = 0x100; i < 0x200; i++)
		assert_int_equal(fake_guest_u8(&vm, 0x200000 + i), 0);
	assert_int_equal(fake_guest_u8(&vm, 0x200200), 0xee);
	/* No end: to the end of the file, and no bss. */
	build_flat(0x200040, 0x200000, 0, 0, 0x2003ff);
	assert_int_equal(load(), 0);
	assert_memory_equal(fake_guest_at(&vm, 0x200000, 0x400), image, 0x400);
	/* Addresses go before ELF, whatever its class. */
	build_image();
	put(4, 1, 2);
	put_header(MB_AT, 0x10003);
	PUT32S(MB_AT + 12, 0x100100, 0x100000, 0, 0, 0x100200);
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x100200);
}

static void test_addresses_bad(void **state)
{
	(void)state;
	build_flat(0x200000, 0x200004, 0, 0, 0x200010);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: multiboot header at byte 64: its load address "
		     "0x200004 does not suit its own address 0x200000");
	build_flat(0x200044, 0x200000, 0, 0, 0x200010);
	assert_int_equal(load(), -ENOEXEC);
	build_flat(0x200040, 0x200000, 0x200401, 0, 0x200010);
	expect_error(-ENOEXEC,
		     "vm mach: kernel kern: truncated kernel of 1024 bytes; expected 1025 "
		     "at least");
	build_flat(0x200040, 0x200000, 0x1fffff, 0, 0x200010);
	expect_error(-ENOEXEC, "vm mach: kernel kern: multiboot header: load 0x200000 to 0x1fffff, "
			       "bss to 0x0, entry 0x200010; expected them in order and the entry "
			       "within");
	build_flat(0x200040, 0x200000, 0x200100, 0x2000ff, 0x200010);
	assert_int_equal(load(), -ENOEXEC);
	build_flat(0x200040, 0x200000, 0x200100, 0x200100, 0x200100);
	assert_int_equal(load(), -ENOEXEC);
	build_flat(0x200040, 0x200000, 0x200100, 0x200100, 0x1fffff);
	assert_int_equal(load(), -ENOEXEC);
	build_flat(0x200040, 0x200000, 0x200100, 0xffffffff, 0x200000);
	assert_int_equal(load(), -ENOSPC);
	/* A header that ends behind the file does not count. */
	build_flat(0x200040, 0x200000, 0, 0, 0x200010);
	images.kernel.size = 0x40 + 31;
	assert_int_equal(load(), -ENOEXEC);
	assert_true(shim_log_contains("not a kernel, it begins with cc cc cc cc"));
}

static void add_module(const void *data, u64 size, const char *string)
{
	unsigned i = cfg.module_count++;

	images.module[i] = (struct load_source){ data, size, "mod" };
	strcpy(cfg.module[i].cmdline, string);
	images.module_count = cfg.module_count;
}

static void expect_module(unsigned i, const void *data, u64 size, const char *string)
{
	u64 at = info(24) + i * 16;
	u32 begin = fake_guest_u32(&vm, at), end = fake_guest_u32(&vm, at + 4);

	assert_int_equal(begin % 4096, 0);
	assert_true(begin >= 0x104000);
	assert_int_equal(end - begin, size);
	assert_memory_equal(fake_guest_at(&vm, begin, size), data, size);
	assert_string_equal(string_at(fake_guest_u32(&vm, at + 8)), string);
	assert_int_equal(fake_guest_u32(&vm, at + 12), 0);
}

static void test_modules(void **state)
{
	static u8 big[0x3001];

	(void)state;
	memset(big, 0x5a, sizeof(big));
	add_module(big, sizeof(big), "big one");
	add_module("", 0, "");
	add_module("tiny", 4, "ld.so");
	assert_int_equal(load(), 0);
	assert_int_equal(info(20), 3);
	expect_module(0, big, sizeof(big), "big one");
	expect_module(1, "", 0, "");
	expect_module(2, "tiny", 4, "ld.so");
}

/* The most modules with the longest strings; every piece is still there after all is written. */
static void test_modules_most(void **state)
{
	static u8 data[VM_MODULE_MAX][5000];
	char string[VM_CMDLINE_MAX];

	(void)state;
	memset(string, 's', sizeof(string) - 1);
	string[VM_CMDLINE_MAX - 1] = '\0';
	for (unsigned i = 0; i < VM_MODULE_MAX; i++) {
		memset(data[i], (int)i + 1, sizeof(data[i]));
		add_module(data[i], sizeof(data[i]), string);
	}
	strcpy(cfg.cmdline, string);
	assert_int_equal(load(), 0);
	assert_int_equal(info(20), VM_MODULE_MAX);
	for (unsigned i = 0; i < VM_MODULE_MAX; i++)
		expect_module(i, data[i], sizeof(data[i]), string);
	assert_string_equal(string_at(info(16)), string);
	assert_string_equal(string_at(info(64)), "Neap");
	test_segments(state);
}

static void test_module_room(void **state)
{
	/* RAM is from 1 to 63 MiB, the kernel up to 0x104000, then a page with symbols. */
	u64 room = 62 * MIB - 0x5000;
	u8 *data = calloc(1, room + 1);

	(void)state;
	add_module(data, room, "x");
	assert_int_equal(load(), 0);
	images.module[0].size++;
	expect_error(-ENOSPC,
		     "vm mach: module mod: needs 63472 KiB below 4 GiB; the VM has 63471 KiB free "
		     "there (memory = 65536 KiB)");
	free(data);
}

/* A kernel that fills the memory below 640 KiB: the information goes above 1 MiB. */
static void test_low_kernel(void **state)
{
	(void)state;
	put(PH(0) + 12, 4, 0x1000);
	put(PH(0) + 20, 4, 0x9fc00 - 0x1000);
	assert_int_equal(load(), 0);
	assert_true(start.regs.r[REG_RBX] >= 0x100000);
	assert_int_equal(start.rip, 0x1010);
	assert_int_equal(fake_guest_u8(&vm, 0x1000), image[0x200]);
}

static void test_initrd_refused(void **state)
{
	(void)state;
	images.initrd = (struct load_source){ "x", 1, "rd" };
	expect_error(-EINVAL, "vm mach: kernel kern: a multiboot kernel takes no initrd; expected "
			      "module = NAME");
}

static void test_failures(void **state)
{
	unsigned n;

	(void)state;
	add_module("tiny", 4, "x");
	for (n = 1;; n++) {
		vm.fail_write = n;
		if (load() == 0)
			break;
		assert_int_equal(shim_log_count(), 1);
		assert_true(shim_log_contains("to the guest's memory failed"));
		assert_int_equal(shim_heap_live(), 0);
	}
	assert_int_equal(n,
			 3 + 3 + 3 + 1 + 1 + 1); /* BIOS data, segments, sections, module, info */
	vm.fail_write = 0;
	for (n = 1; n <= 2; n++) {
		shim_heap_fail_after(n);
		assert_int_equal(load(), -ENOMEM);
		assert_int_equal(shim_log_count(), 1);
	}
	shim_heap_fail_after(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start_state),	  TEST(test_segments),	    TEST(test_info),
		TEST(test_flags),	  TEST(test_header_search), TEST(test_addresses),
		TEST(test_addresses_bad), TEST(test_modules),	    TEST(test_modules_most),
		TEST(test_module_room),	  TEST(test_low_kernel),    TEST(test_initrd_refused),
		TEST(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
