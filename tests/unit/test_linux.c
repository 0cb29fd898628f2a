#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <stdio.h>

#include "fake_guest.h"
#include "hv/load/load.h"
#include "shim.h"

/* The offsets here are written out, so that the test does not share a mistake with the loader. */
#define SETUP_SECTS  2
#define PAYLOAD_AT   ((SETUP_SECTS + 1) * 512)
#define PAYLOAD_SIZE 0x1230 /* a multiple of 16 */
#define ZP	     0x10000

static u8 image[PAYLOAD_AT + PAYLOAD_SIZE];
static struct vm vm;
static struct vm_config cfg;
static struct load_images images;
static struct start_state start;

static void put(unsigned at, unsigned bytes, u64 value)
{
	memcpy(image + at, &value, bytes);
}

/* A kernel as the boot protocol's 2.15 has them; each test changes what it is about. */
static void build_image(void)
{
	for (unsigned i = 0; i < sizeof(image); i++)
		image[i] = (u8)(i * 7 + (i >> 8));
	memset(image + 0x1f1, 0, 0x290 - 0x1f1);
	put(0x1f1, 1, SETUP_SECTS);
	put(0x1f4, 4, PAYLOAD_SIZE / 16);
	put(0x1fa, 2, 0xffff);
	put(0x1fe, 2, 0xaa55);
	put(0x200, 2, 0x6aeb);
	put(0x202, 4, 0x53726448);
	put(0x206, 2, 0x020f);
	put(0x211, 1, 0x01);
	put(0x214, 4, 0x100000);
	put(0x22c, 4, 0x7fffffff);
	put(0x230, 4, 0x200000);
	put(0x234, 1, 1);
	put(0x236, 2, 0x0001);
	put(0x238, 4, 2047);
	put(0x258, 8, 0x1000000);
	put(0x260, 4, 0x800000);
	put(0x268, 4, 0xdeadbeef); /* last field in the header's length */
	put(0x26c, 4, 0xbadbadba); /* behind it */
}

static void setup_guest(u64 memory)
{
	assert_int_equal(fake_guest_create(&vm, memory), 0);
	memset(&cfg, 0, sizeof(cfg));
	strcpy(cfg.name, "a");
	cfg.memory = memory;
	cfg.cpus = 1;
	cfg.uart = true;
	strcpy(cfg.cmdline, "console=ttyS0 quiet");
	memset(&images, 0, sizeof(images));
	images.kernel = (struct load_source){ image, sizeof(image), "vmlinuz" };
	memset(&start, 0xa5, sizeof(start));
	shim_log_reset();
}

static int setup(void **state)
{
	(void)state;
	build_image();
	setup_guest(64 * MIB);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(&vm);
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static int load(void)
{
	/* Exact copies, so that the sanitizer sees a byte read too far. */
	struct load_images exact = images;
	u8 *kernel = malloc(images.kernel.size + 1), *initrd = malloc(images.initrd.size + 1);
	int err;

	exact.kernel.data = memcpy(kernel + 1, images.kernel.data, images.kernel.size);
	if (images.initrd.data)
		exact.initrd.data = memcpy(initrd + 1, images.initrd.data, images.initrd.size);
	err = load_guest(&vm, &cfg, &exact, &vm.map, &start);
	free(kernel);
	free(initrd);
	return err;
}

static void expect_error(int err, const char *message)
{
	shim_log_reset();
	assert_int_equal(load(), err);
	if (strcmp(shim_log_last(), message) != 0)
		fail_msg("expected: %s\nlogged:   %s", message, shim_log_last());
	assert_int_equal(shim_log_count(), 1);
}

static void test_start_state(void **state)
{
	(void)state;
	assert_int_equal(load(), 0);
	assert_int_equal(shim_log_count(), 0);
	assert_int_equal(start.mode, START_LONG64);
	assert_int_equal(start.rip, 0x1000200);
	assert_int_equal(start.regs.r[REG_RSI], ZP);
	for (unsigned i = 0; i < REG_COUNT; i++)
		assert_true(i == REG_RSI || start.regs.r[i] == 0);
	assert_int_equal(start.gdt_limit, 31);
	assert_int_equal(fake_guest_u64(&vm, start.gdt_base), 0);
	assert_int_equal(fake_guest_u64(&vm, start.gdt_base + 8), 0);
	assert_int_equal(fake_guest_u64(&vm, start.gdt_base + 0x10), 0x00af9b000000ffff);
	assert_int_equal(fake_guest_u64(&vm, start.gdt_base + 0x18), 0x00cf93000000ffff);
}

/* Walks the page tables as the processor does. */
static u64 translate(u64 va)
{
	u64 e = fake_guest_u64(&vm, start.cr3 + ((va >> 39) & 511) * 8);

	if (!(e & 1))
		return UINT64_MAX;
	e = fake_guest_u64(&vm, (e & ~0xfffull) + ((va >> 30) & 511) * 8);
	if ((e & 0x83) != 3)
		return UINT64_MAX;
	e = fake_guest_u64(&vm, (e & ~0xfffull) + ((va >> 21) & 511) * 8);
	if ((e & 0x83) != 0x83)
		return UINT64_MAX;
	return (e & ~0x1fffffull) + (va & 0x1fffff);
}

static void test_page_tables(void **state)
{
	(void)state;
	assert_int_equal(load(), 0);
	for (u64 va = 0; va < 4 * GIB; va += 2 * MIB)
		assert_int_equal(translate(va), va);
	assert_int_equal(translate(4 * GIB - 1), 4 * GIB - 1);
	assert_int_equal(translate(4 * GIB), UINT64_MAX);
	assert_int_equal(translate(512 * GIB), UINT64_MAX);
}

static void test_kernel_bytes(void **state)
{
	(void)state;
	assert_int_equal(load(), 0);
	assert_memory_equal(fake_guest_at(&vm, 0x1000000, PAYLOAD_SIZE), image + PAYLOAD_AT,
			    PAYLOAD_SIZE);
	assert_int_equal(fake_guest_u8(&vm, 0x1000000 + PAYLOAD_SIZE), 0);
	assert_int_equal(fake_guest_u8(&vm, 0xffffff), 0);
}

static void expect_e820(unsigned i, u64 base, u64 end, u32 type)
{
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x2d0 + i * 20), base);
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x2d0 + i * 20 + 8), end - base);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x2d0 + i * 20 + 16), type);
}

static void test_zero_page(void **state)
{
	u64 cmdline;

	(void)state;
	assert_int_equal(load(), 0);
	for (unsigned i = 0; i < 0x1f1; i++)
		assert_true(i == 0x1e8 || (i >= 0x70 && i < 0x78) ||
			    fake_guest_u8(&vm, ZP + i) == 0);
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x70), 0xe0000);
	/* The header is the image's but for what the loader sets. */
	assert_int_equal(fake_guest_u8(&vm, ZP + 0x1f1), SETUP_SECTS);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x1f4), PAYLOAD_SIZE / 16);
	assert_int_equal(fake_guest_u16(&vm, ZP + 0x1fe), 0xaa55);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x202), 0x53726448);
	assert_int_equal(fake_guest_u16(&vm, ZP + 0x206), 0x020f);
	assert_int_equal(fake_guest_u8(&vm, ZP + 0x210), 0xff);
	assert_int_equal(fake_guest_u8(&vm, ZP + 0x211), 1);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x214), 0x1000000);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x218), 0);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x21c), 0);
	cmdline = fake_guest_u32(&vm, ZP + 0x228);
	assert_string_equal((char *)fake_guest_at(&vm, cmdline, 20), "console=ttyS0 quiet");
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x250), 0);
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x258), 0x1000000);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x268), 0xdeadbeef);
	/* 0x202 + 0x6a is where the header ends. */
	for (unsigned i = 0x26c; i < 0x2d0; i++)
		assert_int_equal(fake_guest_u8(&vm, ZP + i), 0);
	assert_int_equal(fake_guest_u8(&vm, ZP + 0x1e8), 5);
	expect_e820(0, 0, 0x9fc00, 1);
	expect_e820(1, 0x9fc00, 0xa0000, 2);
	expect_e820(2, 0xe0000, 0x100000, 2);
	expect_e820(3, 0x100000, 0x3f00000, 1);
	expect_e820(4, 0x3f00000, 0x4000000, 3);
	for (unsigned i = 0x2d0 + 5 * 20; i < 4096; i++)
		assert_int_equal(fake_guest_u8(&vm, ZP + i), 0);
}

static void test_bios_data(void **state)
{
	(void)state;
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u16(&vm, 0x400), 0x3f8);
	assert_int_equal(fake_guest_u16(&vm, 0x40e), 0x9fc0);
	assert_int_equal(fake_guest_u16(&vm, 0x413), 639);
	cfg.uart = false;
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u16(&vm, 0x400), 0);
}

static void test_header_fields_are_ours(void **state)
{
	(void)state;
	/* What an image has no business to set does not come through. */
	put(0x218, 4, 0x1234567);
	put(0x21c, 4, 0x1234567);
	put(0x228, 4, 0x1234567);
	put(0x250, 8, 0x123456789);
	put(0x201, 1, 0xff); /* a header said to be longer than its room */
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x218), 0);
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x250), 0);
	assert_true(fake_guest_u32(&vm, ZP + 0x228) != 0x1234567);
	assert_int_equal(fake_guest_u8(&vm, ZP + 0x28f), image[0x28f]);
	assert_int_equal(fake_guest_u8(&vm, ZP + 0x290), 0);
}

static void test_rsdp_needs_2_14(void **state)
{
	(void)state;
	put(0x206, 2, 0x020d);
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x70), 0);
	put(0x206, 2, 0x020e);
	vm.map.rsdp = GPA(0x123450);
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u64(&vm, ZP + 0x70), 0x123450);
}

static void test_kind(void **state)
{
	(void)state;
	put(0x206, 2, 0x020c);
	assert_int_equal(load(), 0);
	put(0x206, 2, 0x020b);
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: Linux boot protocol 2.11; expected 2.12 or "
			       "newer");
	put(0x206, 2, 0x0203);
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: Linux boot protocol 2.03; expected 2.12 or "
			       "newer");
	build_image();
	put(0x211, 1, 0x80);
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: a Linux zImage; expected a bzImage");
	build_image();
	put(0x236, 2, 0xfffe);
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: a 32-bit Linux kernel; expected one with a "
			       "64-bit entry point");
}

static void test_truncated(void **state)
{
	char message[128];

	(void)state;
	images.kernel.size -= 15; /* the last 16 bytes may be cut short, but not missing */
	assert_int_equal(load(), 0);
	images.kernel.size--;
	snprintf(message, sizeof(message),
		 "vm a: kernel vmlinuz: truncated Linux image of %u bytes; expected %u",
		 PAYLOAD_AT + PAYLOAD_SIZE - 16, PAYLOAD_AT + PAYLOAD_SIZE);
	expect_error(-ENOEXEC, message);
	images.kernel.size = 0x264;
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: truncated Linux image of 612 bytes; expected "
			       "6192");
	for (images.kernel.size = 0x206; images.kernel.size < 0x264; images.kernel.size++) {
		assert_int_equal(load(), -ENOEXEC);
		assert_true(strstr(shim_log_last(), "expected at least 612") != NULL);
	}
	for (images.kernel.size = 0; images.kernel.size < 0x206; images.kernel.size++)
		assert_int_equal(load(), -ENOEXEC);
	/* A longer file is fine: signatures are appended. */
	build_image();
	images.kernel.size = sizeof(image);
	put(0x1f4, 4, PAYLOAD_SIZE / 16 - 1);
	assert_int_equal(load(), 0);
	put(0x1f4, 4, 0xffffffff);
	expect_error(-ENOEXEC,
		     "vm a: kernel vmlinuz: truncated Linux image of 6192 bytes; expected "
		     "68719478256");
	put(0x1f4, 4, 0x200 / 16);
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: damaged Linux image: 512 bytes of kernel; "
			       "expected over 512");
	put(0x1f4, 4, 0x210 / 16);
	assert_int_equal(load(), 0);
}

static void test_setup_sects_zero_is_four(void **state)
{
	(void)state;
	put(0x1f1, 1, 0);
	put(0x1f4, 4, (PAYLOAD_SIZE - 1024) / 16);
	assert_int_equal(load(), 0);
	assert_memory_equal(fake_guest_at(&vm, 0x1000000, 512), image + 5 * 512, 512);
}

static void test_address(void **state)
{
	(void)state;
	put(0x258, 8, 0x1000001);
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x1200200);
	put(0x258, 8, 0); /* none preferred */
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x200200);
	put(0x234, 1, 0);
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x100200);
	put(0x230, 4, 3); /* nothing to a kernel that is not relocatable */
	assert_int_equal(load(), 0);
	put(0x234, 1, 1);
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: damaged Linux image: alignment 0x3; expected "
			       "a power of 2");
	put(0x230, 4, 0);
	expect_error(-ENOEXEC, "vm a: kernel vmlinuz: damaged Linux image: alignment 0x0; expected "
			       "a power of 2");
	put(0x230, 4, 0x80000000);
	assert_int_equal(load(), -ENOSPC);
}

static void test_fits(void **state)
{
	(void)state;
	/* RAM ends at 63 MiB; the kernel begins at 16. */
	put(0x260, 4, 47 * MIB);
	assert_int_equal(load(), 0);
	put(0x260, 4, 47 * MIB + 1);
	expect_error(
		-ENOSPC,
		"vm a: kernel vmlinuz: needs 48129 KiB at 0x1000000; the VM has 63488 KiB free "
		"from 1 MiB on (memory = 65536 KiB)");
	put(0x260, 4, 0);
	put(0x258, 8, 63 * MIB);
	put(0x230, 4, 4096);
	assert_int_equal(load(), -ENOSPC);
	put(0x258, 8, 63 * MIB - 0x2000);
	assert_int_equal(load(), 0);
	put(0x258, 8, 63 * MIB - 0x1000); /* the payload alone is too long */
	assert_int_equal(load(), -ENOSPC);
	put(0x258, 8, UINT64_MAX);
	assert_int_equal(load(), -ENOSPC);
	put(0x258, 8, UINT64_MAX - 0x1000);
	put(0x234, 1, 0);
	assert_int_equal(load(), -ENOSPC);
	put(0x258, 8, 4 * GIB);
	assert_int_equal(load(), -ENOSPC);
}

/* The page tables map 4 GiB: a kernel is not put above even where there is RAM. */
static void test_not_above_4g(void **state)
{
	(void)state;
	fake_guest_destroy(&vm);
	setup_guest(5 * GIB);
	put(0x258, 8, 4 * GIB);
	assert_int_equal(load(), -ENOSPC);
	put(0x258, 8, 2 * GIB);
	assert_int_equal(load(), 0);
	assert_int_equal(start.rip, 0x80000200);
	assert_int_equal(fake_guest_u8(&vm, ZP + 0x1e8), 6);
	expect_e820(5, 4 * GIB, 6 * GIB, 1);
}

static void test_cmdline(void **state)
{
	u64 at;

	(void)state;
	memset(cfg.cmdline, 'c', VM_CMDLINE_MAX - 1);
	put(0x238, 4, VM_CMDLINE_MAX - 1);
	assert_int_equal(load(), 0);
	at = fake_guest_u32(&vm, ZP + 0x228);
	assert_memory_equal(fake_guest_at(&vm, at, VM_CMDLINE_MAX), cfg.cmdline, VM_CMDLINE_MAX);
	put(0x238, 4, VM_CMDLINE_MAX - 2);
	expect_error(-E2BIG, "vm a: kernel vmlinuz: the command line has 1023 bytes; expected at "
			     "most 1022");
	/* No limit given: that of the protocol before there was one. */
	put(0x238, 4, 0);
	cfg.cmdline[256] = '\0';
	expect_error(-E2BIG, "vm a: kernel vmlinuz: the command line has 256 bytes; expected at "
			     "most 255");
	cfg.cmdline[255] = '\0';
	assert_int_equal(load(), 0);
	cfg.cmdline[0] = '\0';
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u8(&vm, fake_guest_u32(&vm, ZP + 0x228)), 0);
}

static void test_modules_refused(void **state)
{
	(void)state;
	cfg.module_count = images.module_count = 1;
	expect_error(-EINVAL, "vm a: kernel vmlinuz: Linux takes no modules, 1 given; expected "
			      "initrd = NAME at most");
}

static void test_initrd(void **state)
{
	static u8 data[0x1801] = "\x1f\x8b";

	(void)state;
	for (unsigned i = 2; i < sizeof(data); i++)
		data[i] = (u8)(i * 3);
	images.initrd = (struct load_source){ data, sizeof(data), "rd" };
	assert_int_equal(load(), 0);
	assert_int_equal(shim_log_count(), 0);
	/* Right below the ACPI tables, at a page. */
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x218), 63 * MIB - 0x2000);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x21c), sizeof(data));
	assert_memory_equal(fake_guest_at(&vm, 63 * MIB - 0x2000, sizeof(data)), data,
			    sizeof(data));
	/* The kernel's limit is the last byte's address. */
	put(0x22c, 4, 40 * MIB - 0x800);
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x218), 40 * MIB - 0x2000);
	put(0x22c, 4, 40 * MIB - 0x801);
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x218), 40 * MIB - 0x3000);
	/* Below the kernel where only there is room, and nowhere. */
	put(0x22c, 4, 0x17fffff);
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x218), 16 * MIB - 0x2000);
	put(0x22c, 4, MIB);
	expect_error(-ENOSPC, "vm a: initrd rd: needs 7 KiB below 0x100001; the VM has 0 KiB free "
			      "there (memory = 65536 KiB)");
	put(0x22c, 4, 0xffffffff);
	assert_int_equal(load(), 0);
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x218), 63 * MIB - 0x2000);
}

static void test_initrd_fits_exactly(void **state)
{
	u8 *data = calloc(1, 39 * MIB + 1);

	(void)state;
	memcpy(data, "\x1f\x8b", 2);
	images.initrd = (struct load_source){ data, 39 * MIB, "rd" };
	assert_int_equal(load(), 0); /* 16 + 8 to 63 MiB */
	assert_int_equal(fake_guest_u32(&vm, ZP + 0x218), 24 * MIB);
	images.initrd.size++;
	expect_error(-ENOSPC,
		     "vm a: initrd rd: needs 39937 KiB below 0x4000000; the VM has 39936 KiB free "
		     "there (memory = 65536 KiB)");
	free(data);
}

/* Each write to the guest and each allocation may fail; nothing leaks, and it is said. */
static void test_failures(void **state)
{
	unsigned n;

	(void)state;
	images.initrd = (struct load_source){ "\x1f\x8b", 2, "rd" };
	for (n = 1;; n++) {
		int err;

		shim_log_reset();
		vm.fail_write = n;
		err = load();
		if (err == 0)
			break;
		assert_int_equal(err, -EFAULT);
		assert_int_equal(shim_log_count(), 1);
		assert_true(shim_log_contains("to the guest's memory failed"));
		assert_int_equal(shim_heap_live(), 0);
	}
	assert_int_equal(n, 3 + 2 + 3 + 6 + 1); /* BIOS data, images, tables, page tables */
	vm.fail_write = 0;
	for (n = 1; n <= 2; n++) {
		shim_log_reset();
		shim_heap_fail_after(n);
		assert_int_equal(load(), -ENOMEM);
		assert_int_equal(shim_log_count(), 1);
	}
	shim_heap_fail_after(0);
}

/* A kernel as distributions build them, where the build has fetched one. */
static void test_real_kernel(void **state)
{
	static u8 real[64 * MIB];
	FILE *f = fopen("build/deps/linux/vmlinuz", "rb");
	u64 load_at, setup_size, size;
	u32 paragraphs;

	(void)state;
	if (!f)
		skip();
	size = fread(real, 1, sizeof(real), f);
	fclose(f);
	fake_guest_destroy(&vm);
	setup_guest(256 * MIB);
	images.kernel = (struct load_source){ real, size, "vmlinuz" };
	assert_int_equal(load(), 0);
	assert_int_equal(shim_log_count(), 0);
	setup_size = (real[0x1f1] + 1) * 512;
	memcpy(&paragraphs, real + 0x1f4, 4);
	memcpy(&load_at, real + 0x258, 8);
	assert_int_equal(start.rip, load_at + 0x200);
	assert_memory_equal(fake_guest_at(&vm, load_at, paragraphs * 16ull), real + setup_size,
			    paragraphs * 16ull);
	images.kernel.size = setup_size + paragraphs * 16ull - 16;
	assert_int_equal(load(), -ENOEXEC);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start_state),
		TEST(test_page_tables),
		TEST(test_kernel_bytes),
		TEST(test_zero_page),
		TEST(test_bios_data),
		TEST(test_header_fields_are_ours),
		TEST(test_rsdp_needs_2_14),
		TEST(test_kind),
		TEST(test_truncated),
		TEST(test_setup_sects_zero_is_four),
		TEST(test_address),
		TEST(test_fits),
		TEST(test_not_above_4g),
		TEST(test_cmdline),
		TEST(test_modules_refused),
		TEST(test_initrd),
		TEST(test_initrd_fits_exactly),
		TEST(test_failures),
		TEST(test_real_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
