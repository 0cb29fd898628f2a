#include "hv/options.h"

#include <string.h>

#include "core/log.h"
#include "hv/manifest_span.h"

/* What may be behind the `=`, in words; NULL: who reads the option says what is wrong. */
static const struct {
	const char *key, *values;
} options[] = {
	{ "serial", NULL },	  { "console", NULL },
	{ "linger", NULL },	  { "boot_cpu", NULL },
	{ "vid", "on off" },	  { "posted", "on off" },
	{ "dirty", "wp ad pml" }, { "panic", "test fault write overflow" },
};

static bool is_among(struct span value, const char *words)
{
	struct span rest = { words, strlen(words) }, word;

	for (word = span_take_word(&rest); word.n > 0; word = span_take_word(&rest)) {
		if (word.n == value.n && !memcmp(word.s, value.s, word.n))
			return true;
	}
	return false;
}

static void check_word(struct span word)
{
	struct span value = word, key;

	if (!span_split(&value, '=', &key))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		if (!span_equals(key, options[i].key))
			continue;
		if (options[i].values && !is_among(value, options[i].values))
			log_warn("command line: " SPAN_FMT " is ignored; expected one of: %s",
				 SPAN_ARG(word), options[i].values);
		return;
	}
	log_warn("command line: there is no option " SPAN_FMT, SPAN_ARG(word));
}

void options_check(const char *cmdline)
{
	struct span rest = { cmdline, strlen(cmdline) }, word;

	for (word = span_take_word(&rest); word.n > 0; word = span_take_word(&rest))
		check_word(word);
}
