#include "boot/efi/screen_format.h"

/* Position and size of a colour's bits; false when they are not in one piece. */
static bool take_mask(u32 mask, u8 *pos, u8 *size)
{
	u32 ones;

	*pos = *size = 0;
	if (!mask)
		return false;
	*pos = (u8)__builtin_ctz(mask);
	ones = mask >> *pos;
	if (ones & (ones + 1))
		return false;
	*size = (u8)(32 - __builtin_clz(ones));
	return true;
}

static bool take_masks(const struct screen_mode *mode, struct boot_framebuffer *fb)
{
	u32 all = mode->red_mask | mode->green_mask | mode->blue_mask | mode->reserved_mask;

	if (!take_mask(mode->red_mask, &fb->red_pos, &fb->red_size) ||
	    !take_mask(mode->green_mask, &fb->green_pos, &fb->green_size) ||
	    !take_mask(mode->blue_mask, &fb->blue_pos, &fb->blue_size))
		return false;
	/* A pixel is as large as its highest bit, reserved ones included, wants it. */
	fb->bpp = (u8)ALIGN_UP(32u - (u32)__builtin_clz(all), 8u);
	return true;
}

static bool take_pixels(const struct screen_mode *mode, struct boot_framebuffer *fb)
{
	fb->bpp = 32;
	fb->red_size = fb->green_size = fb->blue_size = 8;
	fb->green_pos = 8;
	switch (mode->pixels) {
	case SCREEN_RGBX:
		fb->blue_pos = 16;
		return true;
	case SCREEN_BGRX:
		fb->red_pos = 16;
		return true;
	case SCREEN_BITMASK:
		return take_masks(mode, fb);
	default:
		return false;
	}
}

bool screen_format_convert(const struct screen_mode *mode, struct boot_framebuffer *fb)
{
	u64 pitch;

	*fb = (struct boot_framebuffer){ .type = BOOT_FB_NONE };
	if (!mode->base || !mode->width || !mode->height || mode->line_pixels < mode->width ||
	    !take_pixels(mode, fb))
		return false;
	pitch = (u64)mode->line_pixels * (fb->bpp / 8);
	if (pitch > UINT32_MAX || pitch * mode->height > mode->size ||
	    mode->size > UINT64_MAX - mode->base)
		return false;
	fb->type = BOOT_FB_RGB;
	fb->base = HPA(mode->base);
	fb->pitch = (u32)pitch;
	fb->width = mode->width;
	fb->height = mode->height;
	return true;
}
