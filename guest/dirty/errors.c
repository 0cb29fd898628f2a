/* Calls for a log that are refused, each with its reason. */
#include <errno.h>
#include <stdio.h>
#include "dirty.h"

#define LOGGED	 210
#define UNLOGGED 211

static struct dirty_slot logged = { .id = LOGGED, .gfn = 0x40000, .pages = 200 };
static struct dirty_slot unlogged = { .id = UNLOGGED, .gfn = 0x41000, .pages = 200 };

static const struct {
	const char *name;
	struct slots_call call;
	int expected;
} cases[] = {
	{ "no log", { SLOTS_LOG, { UNLOGGED, 0, 200, 0x100000 } }, -EINVAL },
	{ "not a word's first page", { SLOTS_LOG, { LOGGED, 1, 64, 0x100000 } }, -EINVAL },
	{ "no pages", { SLOTS_LOG, { LOGGED, 0, 0, 0x100000 } }, -EINVAL },
	{ "part of a word", { SLOTS_LOG, { LOGGED, 0, 65, 0x100000 } }, -EINVAL },
	{ "more pages than there are", { SLOTS_LOG, { LOGGED, 0, 201, 0x100000 } }, -EINVAL },
	{ "pages behind the last", { SLOTS_LOG, { LOGGED, 192, 64, 0x100000 } }, -EINVAL },
	{ "a page far behind", { SLOTS_LOG, { LOGGED, UINT64_MAX - 63, 64, 0x100000 } }, -EINVAL },
	{ "pages that wrap", { SLOTS_LOG, { LOGGED, 64, UINT64_MAX - 63, 0x100000 } }, -EINVAL },
	{ "nowhere to put it", { SLOTS_LOG, { LOGGED, 0, 200, 0xfec00000 } }, -EFAULT },
	{ "beyond all addresses", { SLOTS_LOG, { LOGGED, 0, 200, UINT64_MAX - 7 } }, -EFAULT },
	{ "the last word", { SLOTS_LOG, { LOGGED, 192, 8, 0 } }, 0 },
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

bool dirty_test_errors(void)
{
	unsigned int i, failed = 0;

	if (!dirty_create(&logged, SLOTS_DIRTY_LOG) || !dirty_create(&unlogged, 0))
		return false;
	*dirty_page(&logged, 77) = 1;
	for (i = 0; i < CASES; i++) {
		struct slots_call call = cases[i].call;
		int result;

		if (!call.arg[3])
			call.arg[3] = (uintptr_t)logged.log;
		result = slots_do(&call, NULL, NULL);
		if (result == cases[i].expected)
			continue;
		printf("dirty: %s: FAILED: %d, not %d\n", cases[i].name, result, cases[i].expected);
		failed++;
	}
	/* What could not be handed out is not lost. */
	if (dirty_read(&logged, NULL, NULL) != 1 || !dirty_has(logged.log, 77))
		failed++;
	printf("dirty: %u errors, %u failed\n", (unsigned int)CASES + 1, failed);
	return !failed && dirty_delete(&logged) && dirty_delete(&unlogged);
}
