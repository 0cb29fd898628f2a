/*
 * A grid of characters that scrolls, for whatever can draw one character at a place. It remembers
 * what is shown, so that the device is never read and only what changed is drawn. The caller
 * serializes.
 */
#ifndef NEAP_CORE_TEXT_SCREEN_H
#define NEAP_CORE_TEXT_SCREEN_H

#include "core/types.h"

struct text_screen;

struct text_screen_ops {
	void (*draw)(struct text_screen *screen, unsigned x, unsigned y, char c);
	void (*cursor)(struct text_screen *screen, unsigned x, unsigned y); /* NULL: none */
};

struct text_screen {
	const struct text_screen_ops *ops;
	unsigned cols, rows;
	unsigned x, y; /* where the next character goes; x == cols: on the next line */
	unsigned dirty_low, dirty_high; /* rows in which want and shown may differ */
	char *want, *shown;		/* cols * rows each */
};

/* Bytes of cell memory for a screen. */
#define TEXT_SCREEN_CELLS(cols, rows) (2ul * (cols) * (rows))

/*
 * Takes over cells (TEXT_SCREEN_CELLS bytes at least) and draws an empty screen. -EINVAL: no
 * columns or rows, or not enough cell memory.
 */
int text_screen_init(struct text_screen *t, const struct text_screen_ops *ops, unsigned cols,
		     unsigned rows, char *cells, size_t size) __must_check;

/*
 * Writes n characters and draws what they changed. Newline goes to the start of the next line;
 * carriage return, backspace and tab work; what cannot be shown becomes a question mark.
 */
void text_screen_write(struct text_screen *t, const char *s, size_t n);

#endif
