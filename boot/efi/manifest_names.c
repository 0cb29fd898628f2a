#include "boot/efi/manifest_names.h"

#include <string.h>

#include "hv/manifest_span.h"

_Static_assert(MANIFEST_NAMES_MAX >= 2, "a kernel and its initrd");

static bool is_module_key(struct span key)
{
	return span_equals(key, "kernel") || span_equals(key, "initrd") ||
	       span_equals(key, "module");
}

/* A comment is no name; what has control characters or blanks in it is not one line of text. */
static bool is_name(struct span word)
{
	if (word.n == 0 || word.n >= BOOT_NAME_MAX || word.s[0] == '#')
		return false;
	for (size_t i = 0; i < word.n; i++) {
		if ((u8)word.s[i] <= ' ' || word.s[i] == 0x7f)
			return false;
	}
	return true;
}

static bool is_known(const struct manifest_names *names, struct span word)
{
	if (span_equals(word, MANIFEST_MODULE_NAME))
		return true;
	for (unsigned i = 0; i < names->count; i++) {
		if (span_equals(word, names->name[i]))
			return true;
	}
	return false;
}

static void add(struct manifest_names *names, struct span word)
{
	if (is_known(names, word))
		return;
	if (names->count == MANIFEST_NAMES_MAX)
		names->more = true;
	else if (span_copy(word, names->name[names->count], BOOT_NAME_MAX))
		names->count++;
}

static void scan_line(struct manifest_names *names, struct span line)
{
	struct span key, word;

	if (line.n > 0 && line.s[line.n - 1] == '\r')
		line.n--;
	if (span_is_blank(line) || !span_split(&line, '=', &key) || !is_module_key(span_trim(key)))
		return;
	word = span_take_word(&line);
	if (is_name(word))
		add(names, word);
}

void manifest_names_scan(const char *text, size_t n, struct manifest_names *out)
{
	struct span rest = { text, n }, line;

	memset(out, 0, sizeof(*out));
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		rest = (struct span){ text + 3, n - 3 };
	while (rest.n > 0) {
		if (!span_split(&rest, '\n', &line)) {
			line = rest;
			rest.n = 0;
		}
		scan_line(out, line);
	}
}
