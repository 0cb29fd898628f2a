#include "arch/x86/framebuffer.h"

#include <errno.h>

#include "arch/x86/fb_draw.h"
#include "core/log.h"
#include "core/text_screen.h"
#include "mm/phys.h"

/* From arch/x86/font.S. */
extern const u8 font_start[], font_end[];

/* Set at boot; then used under the log's lock. */
static struct fb_surface surface;
static struct text_screen screen;
static char cells[TEXT_SCREEN_CELLS(FB_MAX_COLS, FB_MAX_ROWS)];

static void draw(struct text_screen *t __unused, unsigned x, unsigned y, char c)
{
	fb_draw_char(&surface, x, y, c);
}

static void sink_write(struct log_sink *sink __unused, const char *s, size_t n)
{
	text_screen_write(&screen, s, n);
}

static const struct text_screen_ops screen_ops = { draw, NULL };
static struct log_sink sink = { .name = "framebuffer", .write = sink_write };

/* The loader may leave a picture; the grid need not cover the screen's edges. */
static void clear(const struct boot_framebuffer *fb, volatile u8 *base)
{
	for (u32 y = 0; y < fb->height; y++) {
		volatile u8 *line = base + (size_t)y * fb->pitch;

		for (u32 i = 0; i + 4 <= fb->pitch; i += 4)
			*(volatile u32 *)(line + i) = 0;
	}
}

int framebuffer_init(const struct boot_framebuffer *fb)
{
	struct psf_font font;
	volatile u8 *base;
	int r;

	if (fb->type != BOOT_FB_RGB)
		return -ENODEV;
	r = psf_parse(font_start, (u64)font_end - (u64)font_start, &font);
	if (r < 0)
		return r;
	base = phys_map_framebuffer(fb->base, (u64)fb->pitch * fb->height);
	if (!base)
		return -ENOMEM;
	r = fb_surface_init(&surface, fb, base, &font);
	if (r < 0)
		return r;
	clear(fb, base);
	r = text_screen_init(&screen, &screen_ops, surface.cols, surface.rows, cells,
			     sizeof(cells));
	if (r < 0)
		return r;
	log_add_sink(&sink);
	return 0;
}
