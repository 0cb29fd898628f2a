/* Console fonts, and characters drawn into a frame buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/fb_draw.h"

static void put32(u8 *p, u32 v)
{
	memcpy(p, &v, 4);
}

static u8 psf1[4 + 512 * 64];
static u8 psf2[64 + 256 * 4 * 64];

static void make_psf1(u8 mode, u8 height)
{
	memcpy(psf1, "\x36\x04", 2);
	psf1[2] = mode;
	psf1[3] = height;
}

static void make_psf2(u32 start, u32 count, u32 height, u32 width)
{
	memcpy(psf2, "\x72\xb5\x4a\x86", 4);
	put32(psf2 + 8, start);
	put32(psf2 + 16, count);
	put32(psf2 + 20, height * ((width + 7) / 8));
	put32(psf2 + 24, height);
	put32(psf2 + 28, width);
}

/* Parses a copy that ends where its memory ends. */
static int parse_n(const u8 *data, size_t n, struct psf_font *f)
{
	u8 *copy = malloc(n ? n : 1);
	int r;

	memcpy(copy, data, n);
	r = psf_parse(copy, n, f);
	free(copy);
	return r;
}

static void test_psf1(void **state)
{
	struct psf_font f;

	(void)state;
	make_psf1(0, 16);
	assert_int_equal(psf_parse(psf1, 4 + 256 * 16, &f), 0);
	assert_int_equal(f.count, 256);
	assert_int_equal(f.width, 8);
	assert_int_equal(f.height, 16);
	assert_ptr_equal(psf_glyph(&f, 'A'), psf1 + 4 + 65 * 16);
	assert_ptr_equal(psf_glyph(&f, (char)0xff), psf1 + 4 + 255 * 16);
	assert_int_equal(parse_n(psf1, 4 + 256 * 16 - 1, &f), -EINVAL);
	make_psf1(1, 16);
	assert_int_equal(parse_n(psf1, 4 + 512 * 16 - 1, &f), -EINVAL);
	assert_int_equal(parse_n(psf1, 4 + 512 * 16, &f), 0);
	assert_int_equal(f.count, 512);
	make_psf1(0, 0);
	assert_int_equal(parse_n(psf1, sizeof(psf1), &f), -EINVAL);
	make_psf1(0, PSF_MAX_HEIGHT);
	assert_int_equal(parse_n(psf1, sizeof(psf1), &f), 0);
	make_psf1(0, PSF_MAX_HEIGHT + 1);
	assert_int_equal(parse_n(psf1, sizeof(psf1), &f), -EINVAL);
	psf1[0] = 0;
	assert_int_equal(parse_n(psf1, sizeof(psf1), &f), -EINVAL);
	for (size_t n = 0; n < 4; n++)
		assert_int_equal(parse_n(psf1, n, &f), -EINVAL);
}

static void test_psf2(void **state)
{
	struct psf_font f;

	(void)state;
	make_psf2(40, 128, 20, 10);
	assert_int_equal(psf_parse(psf2, 40 + 128 * 40, &f), 0);
	assert_int_equal(f.row_bytes, 2);
	assert_ptr_equal(psf_glyph(&f, 'B'), psf2 + 40 + 66 * 40);
	assert_ptr_equal(psf_glyph(&f, (char)0x80), psf2 + 40 + ' ' * 40); /* it has none */
	assert_int_equal(parse_n(psf2, 40 + 128 * 40 - 1, &f), -EINVAL);
	assert_int_equal(parse_n(psf2, 31, &f), -EINVAL);
	make_psf2(32, 126, 16, 8); /* no tilde */
	assert_int_equal(parse_n(psf2, sizeof(psf2), &f), -EINVAL);
	make_psf2(32, 127, PSF_MAX_HEIGHT, PSF_MAX_WIDTH);
	assert_int_equal(parse_n(psf2, sizeof(psf2), &f), 0);
	make_psf2(32, 127, 16, PSF_MAX_WIDTH + 1);
	assert_int_equal(parse_n(psf2, sizeof(psf2), &f), -EINVAL);
	make_psf2(32, 127, 16, 0);
	assert_int_equal(parse_n(psf2, sizeof(psf2), &f), -EINVAL);
	make_psf2(0xfffffff0, 127, 16, 8);
	assert_int_equal(parse_n(psf2, sizeof(psf2), &f), -EINVAL);
	make_psf2(32, 0xffffffff, 16, 8);
	assert_int_equal(parse_n(psf2, sizeof(psf2), &f), -EINVAL);
	make_psf2(32, 127, 16, 8);
	put32(psf2 + 20, 15); /* glyphs of another size than they need */
	assert_int_equal(parse_n(psf2, sizeof(psf2), &f), -EINVAL);
}

/* A font of 3x2 pixels (# for all characters, but a blank for the blank), and a screen for it. */
static u8 glyphs[256 * 2];
static const struct psf_font small = { glyphs, 256, 3, 2, 1 };
static u8 pixels[65536];
static struct boot_framebuffer fb;
static struct fb_surface s;

static int reset(void **state)
{
	(void)state;
	memset(glyphs, 0, sizeof(glyphs));
	glyphs['#' * 2] = 0xa0;	    /* # # */
	glyphs['#' * 2 + 1] = 0x40; /*  #  */
	memset(pixels, 0xee, sizeof(pixels));
	fb = (struct boot_framebuffer){ .type = BOOT_FB_RGB,
					.base = HPA(0xe0000000),
					.pitch = 64,
					.width = 10,
					.height = 5,
					.bpp = 32,
					.red_pos = 16,
					.red_size = 8,
					.green_pos = 8,
					.green_size = 8,
					.blue_pos = 0,
					.blue_size = 8 };
	return 0;
}

static void test_colours(void **state)
{
	(void)state;
	assert_int_equal(fb_colour(&fb, 0x12, 0x34, 0x56), 0x123456);
	fb.red_pos = 11;
	fb.red_size = 5;
	fb.green_pos = 5;
	fb.green_size = 6;
	fb.blue_size = 5;
	assert_int_equal(fb_colour(&fb, 0xff, 0xff, 0xff), 0xffff);
	assert_int_equal(fb_colour(&fb, 0xff, 0, 0), 0xf800);
	assert_int_equal(fb_colour(&fb, 0x07, 0x03, 0x07), 0);
	fb.red_pos = 20;
	fb.red_size = 10;
	assert_int_equal(fb_colour(&fb, 0xff, 0, 0), 0x3fc00000);
	fb.red_size = fb.green_size = fb.blue_size = 0;
	assert_int_equal(fb_colour(&fb, 0xff, 0xff, 0xff), 0);
}

/* The pixel at x, y is the foreground's (1), the background's (0) or untouched (-1). */
static int pixel(unsigned x, unsigned y)
{
	const u8 *p = pixels + y * fb.pitch + x * s.pixel_bytes;
	u32 v = 0, untouched = 0;

	memcpy(&v, p, s.pixel_bytes);
	memset(&untouched, 0xee, s.pixel_bytes);
	if (v == s.foreground)
		return 1;
	if (v == s.background)
		return 0;
	assert_int_equal(v, untouched);
	return -1;
}

static void check_hash_at_1_1(void)
{
	static const char want[5][11] = { "..........", "..........", "...# #....", "... # ....",
					  ".........." };

	assert_int_equal(fb_surface_init(&s, &fb, pixels, &small), 0);
	assert_int_equal(s.cols, 3);
	assert_int_equal(s.rows, 2);
	assert_int_equal(s.scale, 1);
	fb_draw_char(&s, 1, 1, '#');
	for (unsigned y = 0; y < 5; y++) {
		for (unsigned x = 0; x < 10; x++)
			assert_int_equal(pixel(x, y), want[y][x] == '#'	  ? 1
						      : want[y][x] == ' ' ? 0
									  : -1);
	}
}

static void test_draw_32(void **state)
{
	(void)state;
	check_hash_at_1_1();
}

static void test_draw_24(void **state)
{
	(void)state;
	fb.bpp = 24;
	fb.pitch = 31;
	check_hash_at_1_1();
}

static void test_draw_16(void **state)
{
	(void)state;
	fb.bpp = 16;
	fb.pitch = 20;
	fb.red_pos = 11;
	fb.green_pos = 5;
	fb.red_size = fb.blue_size = 5;
	fb.green_size = 6;
	check_hash_at_1_1();
	fb.bpp = 15;
	fb.red_pos = 10;
	fb.green_size = 5;
	memset(pixels, 0xee, sizeof(pixels));
	check_hash_at_1_1();
}

static void test_last_cell_stays_inside(void **state)
{
	u8 *exact = malloc(6 * 4 * 4);

	(void)state;
	fb.pitch = 24;
	fb.width = 6;
	fb.height = 4;
	assert_int_equal(fb_surface_init(&s, &fb, exact, &small), 0);
	for (unsigned y = 0; y < s.rows; y++) {
		for (unsigned x = 0; x < s.cols; x++)
			fb_draw_char(&s, x, y, '#');
	}
	free(exact);
}

static void test_scale(void **state)
{
	(void)state;
	fb.width = 3 * FB_MAX_COLS;
	fb.height = 2 * FB_MAX_ROWS;
	fb.pitch = fb.width * 4;
	assert_int_equal(fb_surface_init(&s, &fb, pixels, &small), 0);
	assert_int_equal(s.scale, 1);
	assert_int_equal(s.cols, FB_MAX_COLS);
	assert_int_equal(s.rows, FB_MAX_ROWS);
	fb.width += 3;
	fb.pitch = fb.width * 4;
	assert_int_equal(fb_surface_init(&s, &fb, pixels, &small), 0);
	assert_int_equal(s.scale, 2);
	assert_int_equal(s.cols, (FB_MAX_COLS + 1) / 2);
	assert_int_equal(s.rows, FB_MAX_ROWS / 2);
	fb_draw_char(&s, 0, 0, '#');
	assert_int_equal(pixel(0, 0), 1);
	assert_int_equal(pixel(1, 1), 1);
	assert_int_equal(pixel(2, 0), 0);
	assert_int_equal(pixel(4, 1), 1);
	assert_int_equal(pixel(6, 0), -1);
	assert_int_equal(pixel(2, 3), 1);
	assert_int_equal(pixel(0, 4), -1);
}

static void refused(void)
{
	assert_int_equal(fb_surface_init(&s, &fb, pixels, &small), -EINVAL);
	reset(NULL);
}

static void test_refused(void **state)
{
	(void)state;
	fb.type = BOOT_FB_TEXT;
	refused();
	fb.bpp = 8;
	refused();
	fb.bpp = 0;
	refused();
	fb.pitch = 39;
	refused();
	fb.pitch = 42; /* would not keep pixels aligned */
	refused();
	fb.base.v++;
	refused();
	fb.width = 2;
	refused();
	fb.height = 1;
	refused();
	fb.red_pos = 25;
	refused();
	fb.blue_pos = 200;
	refused();
	fb.green_size = 255;
	refused();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_psf1),
		cmocka_unit_test(test_psf2),
		cmocka_unit_test_setup(test_colours, reset),
		cmocka_unit_test_setup(test_draw_32, reset),
		cmocka_unit_test_setup(test_draw_24, reset),
		cmocka_unit_test_setup(test_draw_16, reset),
		cmocka_unit_test_setup(test_last_cell_stays_inside, reset),
		cmocka_unit_test_setup(test_scale, reset),
		cmocka_unit_test_setup(test_refused, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
