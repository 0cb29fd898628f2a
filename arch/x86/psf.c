#include "arch/x86/psf.h"

#include <errno.h>
#include <string.h>

#define PSF1_HEADER   4
#define PSF1_MODE_512 0x01
#define PSF2_HEADER   32

_Static_assert(PSF_MAX_WIDTH >= 16 && PSF_MAX_HEIGHT >= 32, "the largest console fonts");

static u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Checks what both formats come down to. */
static int finish(const u8 *data, size_t n, u32 start, u32 glyph_size, struct psf_font *f)
{
	if (!f->width || f->width > PSF_MAX_WIDTH || !f->height || f->height > PSF_MAX_HEIGHT)
		return -EINVAL;
	f->row_bytes = DIV_ROUND_UP(f->width, 8);
	if (glyph_size != f->row_bytes * f->height || f->count <= '~' || start > n ||
	    (n - start) / glyph_size < f->count)
		return -EINVAL;
	f->glyphs = data + start;
	return 0;
}

/* Two magic bytes, mode, bytes per glyph; always 8 pixels wide. */
static int parse_psf1(const u8 *data, size_t n, struct psf_font *f)
{
	f->count = data[2] & PSF1_MODE_512 ? 512 : 256;
	f->width = 8;
	f->height = data[3];
	return finish(data, n, PSF1_HEADER, f->height, f);
}

/* Words: magic, version, header size, flags, count, bytes per glyph, height, width. */
static int parse_psf2(const u8 *data, size_t n, struct psf_font *f)
{
	if (n < PSF2_HEADER)
		return -EINVAL;
	f->count = get32(data + 16);
	f->height = get32(data + 24);
	f->width = get32(data + 28);
	return finish(data, n, get32(data + 8), get32(data + 20), f);
}

int psf_parse(const u8 *data, size_t n, struct psf_font *font)
{
	static const u8 magic1[] = { 0x36, 0x04 }, magic2[] = { 0x72, 0xb5, 0x4a, 0x86 };

	if (n >= PSF1_HEADER && !memcmp(data, magic1, sizeof(magic1)))
		return parse_psf1(data, n, font);
	if (n >= PSF1_HEADER && !memcmp(data, magic2, sizeof(magic2)))
		return parse_psf2(data, n, font);
	return -EINVAL;
}

const u8 *psf_glyph(const struct psf_font *font, char c)
{
	unsigned i = (u8)c;

	if (i >= font->count)
		i = ' ';
	return font->glyphs + (size_t)i * font->row_bytes * font->height;
}
