/* Options on Neap's own command line: words of the form key=value. */
#ifndef NEAP_CORE_CMDLINE_H
#define NEAP_CORE_CMDLINE_H

#include "core/types.h"

/* The value of the last word that begins with `key` (which ends in '='), up to the next blank;
 * NULL: no such word. */
const char *cmdline_find(const char *cmdline, const char *key);

/* True when that value is exactly `value`. */
bool cmdline_is(const char *cmdline, const char *key, const char *value);

/* The end of a word. */
static inline bool cmdline_ends(char c)
{
	return c == '\0' || c == ' ' || c == '\t';
}

#endif
