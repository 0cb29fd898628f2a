/*
 * slots: changes its VM's memory slots by Neap's test hypercalls while all of its processors touch
 * the memory. Exit status 0; 1 if something was seen that must not be.
 *
 * Words: errors (calls that are refused), changes=N, magic=N (32 bits, of what it writes), seed=N,
 * bench (what changes cost), off (there are no such calls), leave (ends in the midst of a change).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "slots.h"

static bool main_number(const char *word, const char *name, uint64_t *value)
{
	size_t n = strlen(name);

	if (strncmp(word, name, n) || word[n] != '=')
		return false;
	*value = strtoull(word + n + 1, NULL, 0);
	return true;
}

static bool main_off(void)
{
	unsigned int op;

	for (op = 0; op < SLOTS_OPS; op++)
		if (slots_make(&(struct slots_call){ .op = op }, NULL) != SLOTS_UNKNOWN)
			return false;
	printf("slots: no such calls\n");
	return true;
}

/* The worker has a large slot to make while the VM goes. */
static bool main_leave(void)
{
	const struct slots_call call = { SLOTS_CREATE, { 9, 0x80000, 4096, 0, SLOTS_NEW } };

	printf("slots: leaving\n");
	return slots_make(&call, NULL) == 0;
}

int main(int argc, char **argv)
{
	uint64_t changes = 0, magic = 0x51075107, seed = 1;
	bool ok = true;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "errors"))
			ok &= slots_test_errors();
		else if (!strcmp(argv[i], "off"))
			ok &= main_off();
		else if (!strcmp(argv[i], "bench"))
			ok &= slots_bench();
		else if (!strcmp(argv[i], "leave"))
			ok &= main_leave();
		else if (!main_number(argv[i], "changes", &changes) &&
			 !main_number(argv[i], "magic", &magic) &&
			 !main_number(argv[i], "seed", &seed))
			printf("slots: unknown word %s\n", argv[i]);
	}
	if (changes)
		ok &= slots_test_changes((unsigned int)changes, (uint32_t)magic, seed);
	printf("slots: %s\n", ok ? "ok" : "FAILED");
	return !ok;
}
