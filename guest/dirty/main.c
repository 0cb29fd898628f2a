/*
 * dirty: reads the dirty log of slots of its own by Neap's test hypercalls, while all of its
 * processors write them. Exit status 0; 1 if something was seen that must not be.
 *
 * Words: errors (calls that are refused), exact=N (rounds of known writes), storm=N (readings while
 * all write), bench (what a reading costs).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dirty.h"
#include "team.h"

static unsigned int main_number(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) || word[n] != '='
		       ? 0
		       : (unsigned int)strtoul(word + n + 1, NULL, 0);
}

int main(int argc, char **argv)
{
	bool ok = team_start();
	unsigned int n;
	int i;

	for (i = 1; ok && i < argc; i++) {
		if (!strcmp(argv[i], "errors"))
			ok = dirty_test_errors();
		else if (!strcmp(argv[i], "bench"))
			ok = dirty_bench();
		else if ((n = main_number(argv[i], "exact")) != 0)
			ok = dirty_test_exact(n);
		else if ((n = main_number(argv[i], "storm")) != 0)
			ok = dirty_test_storm(n);
		else
			printf("dirty: unknown word %s\n", argv[i]);
	}
	printf("dirty: %s\n", ok ? "ok" : "FAILED");
	return !ok;
}
