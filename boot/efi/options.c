#include "boot/efi/options.h"

#include <string.h>

#include "hv/manifest_span.h"

/* A text that is appended to, and cut at the buffer's end. */
struct output {
	char *to;
	size_t used, room;
	bool cut;
};

static void put(struct output *o, char c)
{
	if (o->used + 1 < o->room)
		o->to[o->used++] = c;
	else
		o->cut = true;
}

/* Ends the text without its outer blanks. */
static enum options_result finish(struct output *o)
{
	struct span s = span_trim((struct span){ o->to, o->used });

	memmove(o->to, s.s, s.n);
	o->to[s.n] = '\0';
	if (!s.n)
		return OPTIONS_NONE;
	return o->cut ? OPTIONS_CUT : OPTIONS_TAKEN;
}

static u32 unit_at(const u8 *p, size_t i)
{
	return p[2 * i] | (u32)p[2 * i + 1] << 8;
}

static bool is_blank(u32 c)
{
	return c == ' ' || c == '\t';
}

static bool is_text(const u8 *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		u32 c = unit_at(p, i);

		if ((c < ' ' && c != '\t') || c > '~')
			return false;
	}
	return true;
}

/* Units of the first word, quotes and blanks before it included. */
static size_t first_word(const u8 *p, size_t n)
{
	size_t i = 0;
	bool quoted = false;

	while (i < n && is_blank(unit_at(p, i)))
		i++;
	for (; i < n && (quoted || !is_blank(unit_at(p, i))); i++) {
		if (unit_at(p, i) == '"')
			quoted = !quoted;
	}
	return i;
}

static bool ends_in_efi(const u8 *p, size_t n)
{
	static const char suffix[] = { '.', 'e', 'f', 'i' };

	if (n > 0 && unit_at(p, n - 1) == '"')
		n--;
	if (n < sizeof(suffix))
		return false;
	for (size_t i = 0; i < sizeof(suffix); i++) {
		if ((unit_at(p, n - sizeof(suffix) + i) | 0x20) != (u8)(suffix[i] | 0x20))
			return false;
	}
	return true;
}

enum options_result options_from_load_options(const void *options, size_t size, bool named,
					      char *to, size_t room)
{
	struct output o = { to, 0, room, false };
	const u8 *p = options;
	size_t n = 0, at;

	to[0] = '\0';
	while (n < size / 2 && unit_at(p, n))
		n++;
	if (!is_text(p, n))
		return OPTIONS_BINARY;
	at = first_word(p, n);
	if (!named && !ends_in_efi(p, at))
		at = 0;
	while (at < n && is_blank(unit_at(p, at)))
		at++;
	for (; at < n; at++)
		put(&o, (char)unit_at(p, at));
	return finish(&o);
}

enum options_result options_from_text(const char *text, size_t n, char *to, size_t room)
{
	struct output o = { to, 0, room, false };
	size_t at = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	/* Blanks at either end are not worth a complaint about the length. */
	while (n > at && (u8)text[n - 1] <= ' ')
		n--;
	while (at < n && (u8)text[at] <= ' ')
		at++;
	for (; at < n; at++)
		put(&o, (u8)text[at] < ' ' ? ' ' : text[at]);
	return finish(&o);
}
