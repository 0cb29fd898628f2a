#include "arch/x86/vga_text.h"

#include <errno.h>

#include "arch/x86/pio.h"
#include "core/log.h"
#include "core/text_screen.h"
#include "mm/phys.h"

#define ATTRIBUTE   0x0700 /* grey on black, in the upper half of a cell */
#define MONO_BASE   0xb0000
#define CRTC_COLOUR 0x3d4
#define CRTC_MONO   0x3b4

/* IBM VGA, CRT controller: cursor location, in cells. */
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW	 0x0f

_Static_assert(VGA_MAX_COLS >= 80 && VGA_MAX_ROWS >= 25, "the mode that every VGA starts in");

/* Set at boot; then used under the log's lock. */
static struct text_screen screen;
static char cells[TEXT_SCREEN_CELLS(VGA_MAX_COLS, VGA_MAX_ROWS)];
static volatile u16 *memory;
static unsigned line_cells;
static u16 crtc;

static void draw(struct text_screen *t __unused, unsigned x, unsigned y, char c)
{
	memory[y * line_cells + x] = (u16)(ATTRIBUTE | (u8)c);
}

static void crtc_write(u8 index, u8 value)
{
	outb(crtc, index);
	outb(crtc + 1, value);
}

static void move_cursor(struct text_screen *t __unused, unsigned x, unsigned y)
{
	unsigned at = y * line_cells + x;

	crtc_write(CRTC_CURSOR_HIGH, (u8)(at >> 8));
	crtc_write(CRTC_CURSOR_LOW, (u8)at);
}

static void sink_write(struct log_sink *sink __unused, const char *s, size_t n)
{
	text_screen_write(&screen, s, n);
}

static const struct text_screen_ops screen_ops = { draw, move_cursor };
static struct log_sink sink = { .name = "vga", .write = sink_write };

int vga_text_init(const struct boot_framebuffer *fb)
{
	int r;

	if (fb->type != BOOT_FB_TEXT)
		return -ENODEV;
	line_cells = fb->pitch / sizeof(u16);
	crtc = fb->base.v == MONO_BASE ? CRTC_MONO : CRTC_COLOUR;
	memory = phys_map_device(fb->base, (u64)fb->pitch * fb->height);
	if (!memory)
		return -ENOMEM;
	r = text_screen_init(&screen, &screen_ops, MIN(fb->width, VGA_MAX_COLS),
			     MIN(fb->height, VGA_MAX_ROWS), cells, sizeof(cells));
	if (r < 0)
		return r;
	log_add_sink(&sink);
	return 0;
}
