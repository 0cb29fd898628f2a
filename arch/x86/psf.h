/* Console fonts in the PSF formats 1 and 2 (as the Linux console uses them). */
#ifndef NEAP_ARCH_X86_PSF_H
#define NEAP_ARCH_X86_PSF_H

#include "core/types.h"

/* Largest glyph taken, pixels. */
#define PSF_MAX_WIDTH  32
#define PSF_MAX_HEIGHT 64

struct psf_font {
	const u8 *glyphs;
	unsigned count;
	unsigned width, height; /* pixels */
	unsigned row_bytes;	/* bytes per pixel row, the leftmost pixel in the topmost bit */
};

/* Looks into n bytes of data, which the font then points to. -EINVAL: no font that we can use. */
int psf_parse(const u8 *data, size_t n, struct psf_font *font) __must_check;

/*
 * The glyph of an ASCII character, which in a console font has the character's own number; an empty
 * one's when there is none.
 */
const u8 *psf_glyph(const struct psf_font *font, char c);

#endif
