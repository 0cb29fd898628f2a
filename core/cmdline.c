#include "core/cmdline.h"

#include <string.h>

const char *cmdline_find(const char *cmdline, const char *key)
{
	const char *found = NULL;
	bool at_start = true;

	for (; *cmdline; at_start = cmdline_ends(*cmdline++)) {
		if (at_start && !strncmp(cmdline, key, strlen(key)))
			found = cmdline + strlen(key);
	}
	return found;
}

bool cmdline_is(const char *cmdline, const char *key, const char *value)
{
	const char *found = cmdline_find(cmdline, key);

	return found && !strncmp(found, value, strlen(value)) && cmdline_ends(found[strlen(value)]);
}
