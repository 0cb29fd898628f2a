/* Drawing characters into a linear frame buffer. It is only ever written: reading one is slow. */
#ifndef NEAP_ARCH_X86_FB_DRAW_H
#define NEAP_ARCH_X86_FB_DRAW_H

#include "arch/x86/psf.h"
#include "boot/boot_info.h"

/* Largest grid; a screen with more room gets each font pixel drawn larger. */
#define FB_MAX_COLS 240
#define FB_MAX_ROWS 90

struct fb_surface {
	volatile u8 *base;
	u32 pitch;	      /* bytes per line */
	unsigned pixel_bytes; /* 2, 3 or 4 */
	unsigned scale;	      /* screen pixels per font pixel, both ways */
	unsigned cols, rows;
	u32 foreground, background;
	struct psf_font font;
};

/* A colour of 8-bit components in the screen's format. */
u32 fb_colour(const struct boot_framebuffer *fb, u8 red, u8 green, u8 blue);

/*
 * Lays the character grid over the screen, whose pixels are at base. -EINVAL: not a format that we
 * can draw, or too small for one character.
 */
int fb_surface_init(struct fb_surface *s, const struct boot_framebuffer *fb, volatile void *base,
		    const struct psf_font *font) __must_check;

/* x and y count characters and are inside of the grid. */
void fb_draw_char(const struct fb_surface *s, unsigned x, unsigned y, char c);

#endif
