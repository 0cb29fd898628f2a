#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "hv/load/initrd.h"
#include "shim.h"

static struct load_source initrd;

/* Checks an exact copy, so that the sanitizer sees a byte read too far. */
static int check(void)
{
	static const struct vm_config cfg = { .name = "a" };
	const struct load_job job = { .cfg = &cfg };
	struct load_source exact = initrd;
	u8 *copy = malloc(initrd.size + 1);
	int err;

	exact.data = memcpy(copy + 1, initrd.data, initrd.size);
	err = initrd_check(&job, &exact);
	free(copy);
	return err;
}

static void set_initrd(const void *data, u64 size)
{
	initrd = (struct load_source){ data, size, "rd" };
	shim_log_reset();
}

static void test_initrd_formats(void **state)
{
	static const struct {
		const char *bytes;
		unsigned n;
	} known[] = {
		{ "\x1f\x8b\x08", 3 },
		{ "BZh9", 4 },
		{ "\xfd"
		  "7zXZ\0",
		  6 },
		{ "\x5d\0\0\x80", 4 },
		{ "\x89LZO", 4 },
		{ "\x02\x21\x4c\x18", 4 },
		{ "\x28\xb5\x2f\xfd", 4 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		set_initrd(known[i].bytes, known[i].n);
		assert_int_equal(check(), 0);
		assert_int_equal(shim_log_count(), 0);
	}
	set_initrd("rootfs", 6);
	assert_int_equal(check(), 0);
	assert_string_equal(
		shim_log_last(),
		"vm a: initrd rd: begins with 72 6f; expected cpio (newc), gzip, bzip2, "
		"xz, lzma, lzop, lz4 or zstd");
	set_initrd("\x1f", 1);
	assert_int_equal(check(), 0);
	assert_true(shim_log_contains("begins with 1f 00"));
	set_initrd("", 0);
	assert_int_equal(check(), -EINVAL);
	assert_string_equal(shim_log_last(), "vm a: initrd rd: empty; expected an archive");
}

/* Appends a newc member to the archive of n bytes; returns its new length. */
static size_t add_member(u8 *p, size_t n, const char *name, const char *content)
{
	char header[111];
	size_t name_size = strlen(name) + 1, size = strlen(content);

	snprintf(header, sizeof(header),
		 "070701%08x%08x%08x%08x%08x%08x%08X%08x%08x%08x%08x%08X%08x", 1, 0100644, 0, 0, 1,
		 0, (unsigned)size, 0, 0, 0, 0, (unsigned)name_size, 0);
	memcpy(p + n, header, 110);
	memcpy(p + n + 110, name, name_size);
	n = (n + 110 + name_size + 3) & ~3ul;
	memcpy(p + n, content, size);
	return (n + size + 3) & ~3ul;
}

/* Three members: bytes 0 to 129, 132 to 280, and the end mark up to 401; padded to 404. */
static size_t build_cpio(u8 *data)
{
	size_t n = add_member(data, 0, "init", "#!/bin/sh -e\n");

	assert_int_equal(n, 132);
	n = add_member(data, n, "file-of-20-bytes", "0123456789abcdef0123");
	assert_int_equal(n, 280);
	n = add_member(data, n, "TRAILER!!!", "");
	assert_int_equal(n, 404);
	return n;
}

static void test_cpio_cut(void **state)
{
	static u8 data[512];
	size_t full = build_cpio(data);

	(void)state;
	for (size_t n = 6; n <= full; n++) {
		set_initrd(data, n);
		if (n >= 401) {
			assert_int_equal(check(), 0);
			assert_int_equal(shim_log_count(), 0);
		} else if ((n >= 129 && n <= 132) || n == 280) {
			assert_int_equal(check(), 0);
			assert_string_equal(shim_log_last(), "vm a: initrd rd: the cpio archive "
							     "has no end mark; truncated?");
		} else {
			assert_int_equal(check(), -EINVAL);
			assert_true(shim_log_contains("truncated or damaged cpio archive"));
		}
	}
	set_initrd(data, 232);
	assert_int_equal(check(), -EINVAL);
	assert_string_equal(shim_log_last(),
			    "vm a: initrd rd: a truncated or damaged cpio archive: the member at "
			    "byte 132 is not within the 232 bytes");
}

static void test_cpio_more(void **state)
{
	static u8 data[2048];
	size_t n = build_cpio(data), full = n;

	(void)state;
	/* Padding, a second archive, then packed data. */
	n = add_member(data, 512, "x", "y");
	n = add_member(data, n, "TRAILER!!!", "");
	memcpy(data + n, "\0\0\0\0\x1f\x8b", 6);
	set_initrd(data, n + 6);
	assert_int_equal(check(), 0);
	assert_int_equal(shim_log_count(), 0);
	memcpy(data + n + 4, "junk", 4);
	set_initrd(data, n + 8);
	assert_int_equal(check(), 0);
	assert_true(shim_log_contains("unknown data behind the cpio archive, at byte"));
	/* A size that is no number, and ones far beyond. */
	data[54] = 'g';
	set_initrd(data, full);
	assert_int_equal(check(), -EINVAL);
	memset(data + 54, 'f', 8);
	assert_int_equal(check(), -EINVAL);
	memset(data + 94, 'f', 8);
	assert_int_equal(check(), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initrd_formats),
		cmocka_unit_test(test_cpio_cut),
		cmocka_unit_test(test_cpio_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
