#include "arch/x86/fb_draw.h"

#include <errno.h>

_Static_assert(FB_MAX_COLS >= 80 && FB_MAX_ROWS >= 25, "no less than a text screen");

/* The size most significant bits of an 8-bit component, put to pos. */
static u32 component(u8 value, u8 pos, u8 size)
{
	u32 v = size >= 8 ? (u32)value << (size - 8) : (u32)value >> (8 - size);

	return v << pos;
}

u32 fb_colour(const struct boot_framebuffer *fb, u8 red, u8 green, u8 blue)
{
	return component(red, fb->red_pos, fb->red_size) |
	       component(green, fb->green_pos, fb->green_size) |
	       component(blue, fb->blue_pos, fb->blue_size);
}

static bool mask_fits(u8 pos, u8 size, u8 bpp)
{
	return pos < 32 && size <= 16 && pos + size <= bpp;
}

static bool format_is_known(const struct boot_framebuffer *fb)
{
	u32 bytes = DIV_ROUND_UP(fb->bpp, 8);

	if (fb->type != BOOT_FB_RGB ||
	    !(fb->bpp == 15 || fb->bpp == 16 || fb->bpp == 24 || fb->bpp == 32))
		return false;
	/* Pixels of 2 and 4 bytes are written at once, which wants them aligned. */
	if (bytes != 3 && (fb->pitch % bytes || fb->base.v % bytes))
		return false;
	return mask_fits(fb->red_pos, fb->red_size, fb->bpp) &&
	       mask_fits(fb->green_pos, fb->green_size, fb->bpp) &&
	       mask_fits(fb->blue_pos, fb->blue_size, fb->bpp) &&
	       (u64)fb->width * bytes <= fb->pitch;
}

/* The least scale at which the grid is not larger than what we keep. */
static unsigned pick_scale(const struct boot_framebuffer *fb, const struct psf_font *font)
{
	unsigned wide = DIV_ROUND_UP(fb->width / font->width + 1, FB_MAX_COLS + 1);
	unsigned high = DIV_ROUND_UP(fb->height / font->height + 1, FB_MAX_ROWS + 1);

	return MAX(wide, high);
}

int fb_surface_init(struct fb_surface *s, const struct boot_framebuffer *fb, volatile void *base,
		    const struct psf_font *font)
{
	if (!format_is_known(fb))
		return -EINVAL;
	*s = (struct fb_surface){ .base = base,
				  .pitch = fb->pitch,
				  .pixel_bytes = DIV_ROUND_UP(fb->bpp, 8),
				  .scale = pick_scale(fb, font),
				  .foreground = fb_colour(fb, 0xc8, 0xc8, 0xc8),
				  .background = fb_colour(fb, 0, 0, 0),
				  .font = *font };
	s->cols = MIN(fb->width / (font->width * s->scale), FB_MAX_COLS);
	s->rows = MIN(fb->height / (font->height * s->scale), FB_MAX_ROWS);
	return s->cols && s->rows ? 0 : -EINVAL;
}

static volatile u8 *put_pixel(const struct fb_surface *s, volatile u8 *p, u32 colour)
{
	switch (s->pixel_bytes) {
	case 4:
		*(volatile u32 *)p = colour;
		break;
	case 2:
		*(volatile u16 *)p = (u16)colour;
		break;
	default:
		p[0] = (u8)colour;
		p[1] = (u8)(colour >> 8);
		p[2] = (u8)(colour >> 16);
	}
	return p + s->pixel_bytes;
}

/* One line of the screen through a row of a glyph. */
static void draw_line(const struct fb_surface *s, volatile u8 *p, const u8 *row)
{
	for (unsigned i = 0; i < s->font.width; i++) {
		bool set = row[i / 8] & (0x80u >> (i % 8));

		for (unsigned n = 0; n < s->scale; n++)
			p = put_pixel(s, p, set ? s->foreground : s->background);
	}
}

void fb_draw_char(const struct fb_surface *s, unsigned x, unsigned y, char c)
{
	const u8 *row = psf_glyph(&s->font, c);
	size_t line = (size_t)y * s->font.height * s->scale;
	volatile u8 *p =
		s->base + line * s->pitch + (size_t)x * s->font.width * s->scale * s->pixel_bytes;

	for (unsigned i = 0; i < s->font.height; i++, row += s->font.row_bytes) {
		for (unsigned n = 0; n < s->scale; n++, p += s->pitch)
			draw_line(s, p, row);
	}
}
