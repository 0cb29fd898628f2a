/* Pieces of the manifest's text. Private to hv/manifest*.c and boot/efi/. */
#ifndef NEAP_HV_MANIFEST_SPAN_H
#define NEAP_HV_MANIFEST_SPAN_H

#include "core/types.h"

struct span {
	const char *s;
	size_t n;
};

/* Quoting in messages, cut to a length that leaves room for the rest of the line. */
#define SPAN_SHOWN  40
#define SPAN_FMT    "`%.*s%s`"
#define SPAN_ARG(x) (int)MIN((x).n, (size_t)SPAN_SHOWN), (x).s, (x).n > SPAN_SHOWN ? "..." : ""

/* Without blanks and tabs at both ends. */
struct span span_trim(struct span s);

/* Takes the first word off s, which is left trimmed. Empty when s is. */
struct span span_take_word(struct span *s);

/* Up to the first c, and s is left with what is behind it; false (nothing changed) without a c. */
bool span_split(struct span *s, char c, struct span *before);

/* Whether it is exactly that word. */
bool span_equals(struct span s, const char *word);

/* True when nothing but a comment is left. */
bool span_is_blank(struct span s);

/* Copies to size bytes with a terminating zero; false (nothing copied) when it does not fit. */
bool span_copy(struct span s, char *to, size_t size) __must_check;

/* A decimal number, digits only; false when there is none, or one above max. */
bool span_number(struct span s, u64 max, u64 *value) __must_check;

/*
 * Removes a pair of double quotes around s; false when it begins with one and does not end with
 * another.
 */
bool span_unquote(struct span *s) __must_check;

#endif
