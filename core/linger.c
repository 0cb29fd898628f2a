#include "core/linger.h"

#include <stdlib.h>

#include "core/cmdline.h"
#include "core/log.h"

u64 linger_seconds(const char *cmdline)
{
	const char *value = cmdline_find(cmdline, "linger=");
	u64 seconds;
	char *end;

	if (!value)
		return LINGER_DEFAULT;
	seconds = strtoull(value, &end, 10);
	/* The library's conversion takes blanks and a sign, too. */
	if (*value >= '0' && *value <= '9' && cmdline_ends(*end) && seconds <= LINGER_MAX)
		return seconds;
	log_warn("linger= wants a number of seconds, %u at most; it is %u", LINGER_MAX,
		 LINGER_DEFAULT);
	return LINGER_DEFAULT;
}
