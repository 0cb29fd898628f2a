#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/text_screen.h"

#define COLS 8
#define ROWS 3

static char device[ROWS][COLS + 1];
static unsigned drawn, cursor_x, cursor_y;

static void draw(struct text_screen *t, unsigned x, unsigned y, char c)
{
	assert_true(x < t->cols && y < t->rows);
	device[y][x] = c;
	drawn++;
}

static void cursor(struct text_screen *t, unsigned x, unsigned y)
{
	assert_true(x < t->cols && y < t->rows);
	cursor_x = x;
	cursor_y = y;
}

static const struct text_screen_ops ops = { draw, cursor };
static struct text_screen screen;
static char cells[TEXT_SCREEN_CELLS(COLS, ROWS)];

static int reset(void **state)
{
	(void)state;
	memset(device, 0, sizeof(device));
	drawn = 0;
	return text_screen_init(&screen, &ops, COLS, ROWS, cells, sizeof(cells));
}

static void put(const char *s)
{
	drawn = 0;
	text_screen_write(&screen, s, strlen(s));
}

static void expect(const char *a, const char *b, const char *c)
{
	assert_string_equal(device[0], a);
	assert_string_equal(device[1], b);
	assert_string_equal(device[2], c);
}

static void test_init_clears(void **state)
{
	(void)state;
	assert_int_equal(drawn, COLS * ROWS);
	expect("        ", "        ", "        ");
}

static void test_init_refuses(void **state)
{
	struct text_screen t;

	(void)state;
	assert_int_equal(text_screen_init(&t, &ops, 0, 3, cells, sizeof(cells)), -EINVAL);
	assert_int_equal(text_screen_init(&t, &ops, 3, 0, cells, sizeof(cells)), -EINVAL);
	assert_int_equal(text_screen_init(&t, &ops, COLS, ROWS, cells, sizeof(cells) - 1), -EINVAL);
	assert_int_equal(text_screen_init(&t, &ops, 0xffffffff, 0xffffffff, cells, sizeof(cells)),
			 -EINVAL);
}

static void test_write_draws_only_changes(void **state)
{
	(void)state;
	put("ab\n c");
	expect("ab      ", " c      ", "        ");
	assert_int_equal(drawn, 3); /* the blank was there */
	assert_int_equal(cursor_x, 2);
	assert_int_equal(cursor_y, 1);
}

static void test_scroll(void **state)
{
	(void)state;
	put("1\n2\n3");
	put("\n4");
	expect("2       ", "3       ", "4       ");
	assert_int_equal(drawn, 3);
	put("\n\n");
	expect("4       ", "        ", "        ");
}

static void test_same_text_scrolls_for_free(void **state)
{
	(void)state;
	put("x\nx\nx");
	put("\nx");
	assert_int_equal(drawn, 0);
}

static void test_full_line_takes_one_row(void **state)
{
	(void)state;
	put("12345678\nab");
	expect("12345678", "ab      ", "        ");
	put("\r12345678");
	assert_int_equal(cursor_x, COLS - 1);
	put("9");
	expect("12345678", "12345678", "9       ");
}

static void test_control_characters(void **state)
{
	(void)state;
	put("abc\rX\b\b\bY\n12\b3\t");
	expect("Ybc     ", "13      ", "        ");
	assert_int_equal(cursor_x, COLS - 1);
	put("\r\x1b\x80\x7f");
	expect("Ybc     ", "???     ", "        ");
}

static void test_tab_stops_at_the_edge(void **state)
{
	(void)state;
	put("a\tb");
	expect("a       ", "b       ", "        ");
}

static void test_one_by_one(void **state)
{
	struct text_screen t;

	(void)state;
	assert_int_equal(text_screen_init(&t, &ops, 1, 1, cells, 2), 0);
	text_screen_write(&t, "ab\nc", 4);
	assert_int_equal(device[0][0], 'c');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_init_clears, reset),
		cmocka_unit_test_setup(test_init_refuses, reset),
		cmocka_unit_test_setup(test_write_draws_only_changes, reset),
		cmocka_unit_test_setup(test_scroll, reset),
		cmocka_unit_test_setup(test_same_text_scrolls_for_free, reset),
		cmocka_unit_test_setup(test_full_line_takes_one_row, reset),
		cmocka_unit_test_setup(test_control_characters, reset),
		cmocka_unit_test_setup(test_tab_stops_at_the_edge, reset),
		cmocka_unit_test_setup(test_one_by_one, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
