#include "hv/load/initrd.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"

/* cpio's "new ASCII" header: 13 fields of 8 hexadecimal digits after the 6 bytes of magic. */
#define CPIO_HEADER    110
#define CPIO_FILE_SIZE 54
#define CPIO_NAME_SIZE 94
#define CPIO_DIGITS    8
#define CPIO_END       "TRAILER!!!" /* name of the member that ends an archive */

static const struct {
	const char *bytes;
	u8 n;
} packed[] = {
	{ "\x1f\x8b", 2 }, /* gzip */
	{ "BZh", 3 },	   /* bzip2 */
	{ "\xfd"
	  "7zXZ\0",
	  6 },			   /* xz */
	{ "\x5d\0\0", 3 },	   /* lzma */
	{ "\x89LZO", 4 },	   /* lzop */
	{ "\x02\x21\x4c\x18", 4 }, /* lz4, the legacy frame */
	{ "\x28\xb5\x2f\xfd", 4 }, /* zstd */
};

static bool is_packed(const u8 *p, u64 n)
{
	for (unsigned i = 0; i < ARRAY_SIZE(packed); i++) {
		if (n >= packed[i].n && memcmp(p, packed[i].bytes, packed[i].n) == 0)
			return true;
	}
	return false;
}

static bool is_cpio(const u8 *p, u64 n)
{
	return n >= 6 && memcmp(p, "07070", 5) == 0 && (p[5] == '1' || p[5] == '2');
}

/* One field's value; false when it is not hexadecimal. */
static bool cpio_field(const u8 *p, u32 *value)
{
	*value = 0;
	for (unsigned i = 0; i < CPIO_DIGITS; i++) {
		u8 c = p[i] | 0x20; /* lower case; digits have that bit */

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (u32)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (u32)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

/*
 * Steps over the member at offset `at` of the n bytes. Returns the offset behind it, which is
 * larger; 0 when it is damaged or goes beyond the end. Name and data are padded to 4 bytes.
 */
static u64 cpio_step(const u8 *p, u64 n, u64 at, bool *last)
{
	u32 file, name;
	u64 data;

	if (!is_cpio(p + at, n - at) || n - at < CPIO_HEADER)
		return 0;
	if (!cpio_field(p + at + CPIO_FILE_SIZE, &file) ||
	    !cpio_field(p + at + CPIO_NAME_SIZE, &name))
		return 0;
	data = ALIGN_UP(at + CPIO_HEADER + name, 4);
	if (name > n - at - CPIO_HEADER || (file != 0 && data + file > n))
		return 0;
	*last = name == sizeof(CPIO_END) &&
		memcmp(p + at + CPIO_HEADER, CPIO_END, sizeof(CPIO_END)) == 0;
	return MIN(ALIGN_UP(data + file, 4), n);
}

/*
 * Walks the archives at the start, one behind the other with zeros between them, as Linux does;
 * what follows them may be packed. Each round moves on in the n bytes.
 */
static int walk_cpio(const struct load_job *job, const struct load_source *src)
{
	const u8 *p = src->data;
	u64 n = src->size, at = 0;
	bool last = true;

	while (at < n) {
		u64 next;

		if (last && p[at] == 0) {
			at++;
			continue;
		}
		if (last && !is_cpio(p + at, n - at)) {
			if (!is_packed(p + at, n - at))
				load_source_warn(
					job, "initrd", src,
					"unknown data behind the cpio archive, at byte %lu",
					(unsigned long)at);
			return 0;
		}
		next = cpio_step(p, n, at, &last);
		if (next == 0) {
			load_source_error(job, "initrd", src,
					  "a truncated or damaged cpio archive: the member at "
					  "byte %lu is not within the %lu bytes",
					  (unsigned long)at, (unsigned long)n);
			return -EINVAL;
		}
		at = next;
	}
	if (!last)
		load_source_warn(job, "initrd", src,
				 "the cpio archive has no end mark; truncated?");
	return 0;
}

int initrd_check(const struct load_job *job, const struct load_source *src)
{
	const u8 *p = src->data;

	if (src->size == 0) {
		load_source_error(job, "initrd", src, "empty; expected an archive");
		return -EINVAL;
	}
	if (is_cpio(p, src->size))
		return walk_cpio(job, src);
	if (!is_packed(p, src->size))
		load_source_warn(job, "initrd", src,
				 "begins with %02x %02x; expected cpio (newc), gzip, bzip2, xz, "
				 "lzma, lzop, lz4 or zstd",
				 p[0], src->size > 1 ? p[1] : 0);
	return 0;
}
