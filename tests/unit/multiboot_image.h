/*
 * A small multiboot kernel and a guest to load it into, for the tests of the multiboot loader.
 * Included by one file of a program, after cmocka.h.
 */
#ifndef NEAP_TESTS_MULTIBOOT_IMAGE_H
#define NEAP_TESTS_MULTIBOOT_IMAGE_H

#include <stdio.h>

#include "fake_guest.h"
#include "hv/load/load.h"
#include "shim.h"

/*
 * The kernel most tests load, offsets written out so that no mistake is shared with the loader:
 * ELF header, 3 program headers at 0x34, multiboot header at 0x100, text at 0x200 (0x80 bytes),
 * data at 0x280 (0x10 bytes, 0x1000 in memory), symbols at 0x300, strings at 0x330, section headers
 * at 0x400: null, text, bss, symbols, strings.
 */
#define FILE_SIZE 0x500
#define MB_AT	  0x100
#define PH(i)	  (0x34 + (i)*32)
#define SH(i)	  (0x400 + (i)*40)

static u8 image[9000];
static struct vm vm;
static struct vm_config cfg;
static struct load_images images;
static struct start_state start;

static inline void put(unsigned at, unsigned bytes, u64 value)
{
	memcpy(image + at, &value, bytes);
}

static inline void put32s(unsigned at, unsigned n, const u32 *values)
{
	memcpy(image + at, values, n * 4);
}

#define PUT32S(at, ...) put32s((at), sizeof((u32[]){ __VA_ARGS__ }) / 4, (u32[]){ __VA_ARGS__ })

static inline void put_header(unsigned at, u32 flags)
{
	PUT32S(at, 0x1badb002, flags, 0u - 0x1badb002 - flags);
}

static inline void build_sections(void)
{
	PUT32S(SH(1), 1, 1, 6, 0xc0100000, 0x200, 0x80, 0, 0, 16, 0);
	PUT32S(SH(2), 7, 8, 3, 0xc0103010, 0x290, 0xff0, 0, 0, 16, 0);
	PUT32S(SH(3), 12, 2, 0, 0, 0x300, 0x25, 4, 1, 4, 16);
	PUT32S(SH(4), 20, 3, 0, 0, 0x330, 0x30, 0, 0, 1, 0);
}

static inline void build_image(void)
{
	memset(image, 0, sizeof(image));
	for (unsigned i = 0x200; i < 0x400; i++)
		image[i] = (u8)(i * 5 + 1);
	PUT32S(0, 0x464c457f, 0x00010101, 0, 0, 0x00030002, 1, 0xc0100010, 0x34, 0x400);
	put(0x28, 2, 0x34);
	put(0x2a, 2, 32);
	put(0x2c, 2, 3);
	put(0x2e, 2, 40);
	put(0x30, 2, 5);
	put(0x32, 2, 4);
	/* type, offset, virtual, physical, size in file, in memory */
	PUT32S(PH(0), 1, 0x200, 0xc0100000, 0x100000, 0x80, 0x80);
	PUT32S(PH(1), 6, 0x34, 0, 0, 0x60, 0x60);
	PUT32S(PH(2), 1, 0x280, 0xc0103000, 0x103000, 0x10, 0x1000);
	put_header(MB_AT, 3);
	build_sections();
}

static inline void setup_guest(u64 memory)
{
	assert_int_equal(fake_guest_create(&vm, memory), 0);
	memset(&cfg, 0, sizeof(cfg));
	strcpy(cfg.name, "mach");
	cfg.memory = memory;
	strcpy(cfg.cmdline, "root=device:hd0");
	memset(&images, 0, sizeof(images));
	images.kernel = (struct load_source){ image, FILE_SIZE, "kern" };
	memset(&start, 0xa5, sizeof(start));
	shim_log_reset();
}

static inline int setup(void **state)
{
	(void)state;
	build_image();
	setup_guest(64 * MIB);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	fake_guest_destroy(&vm);
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static inline int load(void)
{
	/* An exact copy, so that the sanitizer sees a byte read too far. */
	struct load_images exact = images;
	u8 *kernel = malloc(images.kernel.size + 1);
	int err;

	exact.kernel.data = memcpy(kernel + 1, images.kernel.data, images.kernel.size);
	shim_log_reset();
	err = load_guest(&vm, &cfg, &exact, &vm.map, &start);
	free(kernel);
	return err;
}

static inline void expect_error(int err, const char *message)
{
	assert_int_equal(load(), err);
	if (strcmp(shim_log_last(), message) != 0)
		fail_msg("expected: %s\nlogged:   %s", message, shim_log_last());
	assert_int_equal(shim_log_count(), 1);
}

/* A field of the multiboot information. */
static inline u32 info(unsigned offset)
{
	return fake_guest_u32(&vm, start.regs.r[REG_RBX] + offset);
}

static inline const char *string_at(u64 gpa)
{
	return (const char *)fake_guest_at(&vm, gpa, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
