#include "core/text_screen.h"

#include <errno.h>
#include <string.h>

#define TAB_STOP 8

static void mark_dirty(struct text_screen *t, unsigned low, unsigned high)
{
	t->dirty_low = MIN(t->dirty_low, low);
	t->dirty_high = MAX(t->dirty_high, high);
}

static void flush(struct text_screen *t)
{
	for (unsigned y = t->dirty_low; y < t->dirty_high; y++) {
		for (unsigned x = 0; x < t->cols; x++) {
			size_t i = (size_t)y * t->cols + x;

			if (t->want[i] == t->shown[i])
				continue;
			t->shown[i] = t->want[i];
			t->ops->draw(t, x, y, t->want[i]);
		}
	}
	t->dirty_low = t->rows;
	t->dirty_high = 0;
	if (t->ops->cursor)
		t->ops->cursor(t, MIN(t->x, t->cols - 1), t->y);
}

static void scroll(struct text_screen *t)
{
	size_t kept = (size_t)t->cols * (t->rows - 1);

	memmove(t->want, t->want + t->cols, kept);
	memset(t->want + kept, ' ', t->cols);
	mark_dirty(t, 0, t->rows);
}

static void new_line(struct text_screen *t)
{
	t->x = 0;
	if (t->y + 1 < t->rows)
		t->y++;
	else
		scroll(t);
}

static void put_visible(struct text_screen *t, char c)
{
	/* Only now, so that a full line followed by a newline takes one row. */
	if (t->x == t->cols)
		new_line(t);
	t->want[(size_t)t->y * t->cols + t->x++] = c;
	mark_dirty(t, t->y, t->y + 1);
}

static void put(struct text_screen *t, char c)
{
	switch (c) {
	case '\n':
		new_line(t);
		break;
	case '\r':
		t->x = 0;
		break;
	case '\b':
		t->x -= t->x > 0;
		break;
	case '\t':
		t->x = MIN(ALIGN_DOWN(t->x, TAB_STOP) + TAB_STOP, t->cols);
		break;
	default:
		put_visible(t, c >= ' ' && c <= '~' ? c : '?');
	}
}

int text_screen_init(struct text_screen *t, const struct text_screen_ops *ops, unsigned cols,
		     unsigned rows, char *cells, size_t size)
{
	size_t n = (size_t)cols * rows;

	if (!cols || !rows || n / cols != rows || size / 2 < n)
		return -EINVAL;
	*t = (struct text_screen){
		.ops = ops, .cols = cols, .rows = rows, .want = cells, .shown = cells + n
	};
	memset(t->want, ' ', n);
	memset(t->shown, 0, n); /* no character: so that each cell is drawn */
	mark_dirty(t, 0, rows);
	flush(t);
	return 0;
}

void text_screen_write(struct text_screen *t, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(t, s[i]);
	flush(t);
}
