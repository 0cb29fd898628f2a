/* Calls that are refused, each with its reason. */
#include <errno.h>
#include <stdio.h>
#include "slots.h"

#define FREE_GFN 0x40000ull /* 1 GiB: no RAM there */

static const struct {
	const char *name;
	struct slots_call call;
	int expected;
} cases[] = {
	{ "no call yet", { SLOTS_RESULT, { 0 } }, -ENOENT },
	{ "id of 17 bits", { SLOTS_CREATE, { 65536, FREE_GFN, 1, 0, SLOTS_NEW } }, -EINVAL },
	{ "id of 33 bits", { SLOTS_CREATE, { 1ull << 32, FREE_GFN, 1, 0, SLOTS_NEW } }, -EINVAL },
	{ "no pages", { SLOTS_CREATE, { 9, FREE_GFN, 0, 0, SLOTS_NEW } }, -EINVAL },
	{ "more pages than there are",
	  { SLOTS_CREATE, { 9, FREE_GFN, 1ull << 40, 0, SLOTS_NEW } },
	  -EINVAL },
	{ "more than the guest may have",
	  { SLOTS_CREATE, { 9, 1 << 20, 1 << 19, 0, SLOTS_NEW } },
	  -ENOMEM },
	{ "pages that wrap", { SLOTS_CREATE, { 9, 0x200000, UINT64_MAX, 0, 0 } }, -EINVAL },
	{ "frame beyond all", { SLOTS_CREATE, { 9, 1ull << 40, 1, 0, SLOTS_NEW } }, -EINVAL },
	{ "frame of 64 bits", { SLOTS_CREATE, { 9, UINT64_MAX, 1, 0, SLOTS_NEW } }, -EINVAL },
	{ "unknown flag", { SLOTS_CREATE, { 9, FREE_GFN, 1, 4, SLOTS_NEW } }, -EINVAL },
	{ "the hypervisor's flag",
	  { SLOTS_CREATE, { 9, FREE_GFN, 1, 1u << 31, SLOTS_NEW } },
	  -EINVAL },
	{ "flag of 33 bits", { SLOTS_CREATE, { 9, FREE_GFN, 1, 1ull << 32, SLOTS_NEW } }, -EINVAL },
	{ "over RAM", { SLOTS_CREATE, { 9, 0x100, 1, 0, SLOTS_NEW } }, -EEXIST },
	{ "over the local APIC", { SLOTS_CREATE, { 9, 0xfee00, 1, 0, SLOTS_NEW } }, -EINVAL },
	{ "up to the I/O APIC", { SLOTS_CREATE, { 9, 0xf0000, 0xec01, 0, 0 } }, -EINVAL },
	{ "an id that is taken", { SLOTS_CREATE, { 0, FREE_GFN, 1, 0, SLOTS_NEW } }, -EEXIST },
	{ "frames of nobody", { SLOTS_CREATE, { 9, FREE_GFN, 1, 0, 0x50000 } }, -ENOENT },
	{ "more than the source has", { SLOTS_CREATE, { 9, FREE_GFN, 0xa1, 0, 0 } }, -EINVAL },
	{ "move of nothing", { SLOTS_MOVE, { 9, FREE_GFN } }, -ENOENT },
	{ "move of 33 bits", { SLOTS_MOVE, { 1ull << 32, FREE_GFN } }, -ENOENT },
	{ "move to the devices", { SLOTS_MOVE, { 3, 0xfec00 } }, -EINVAL },
	{ "move beyond all", { SLOTS_MOVE, { 3, UINT64_MAX } }, -EINVAL },
	{ "move over RAM", { SLOTS_MOVE, { 3, 0x90 } }, -EEXIST },
	{ "delete of nothing", { SLOTS_DELETE, { 9 } }, -ENOENT },
	{ "flags of nothing", { SLOTS_FLAGS, { 9, 0 } }, -ENOENT },
	{ "flags that are none", { SLOTS_FLAGS, { 3, 1ull << 31 } }, -EINVAL },
	{ "flags of 33 bits", { SLOTS_FLAGS, { 3, 1ull << 32 } }, -EINVAL },
	{ "log of nothing", { SLOTS_LOG, { 9, 0, 1, 0x100000 } }, -ENOENT },
	{ "log of 33 bits", { SLOTS_LOG, { 1ull << 32, 0, 1, 0x100000 } }, -ENOENT },
	{ "log where none is", { SLOTS_LOG, { 3, 0, 1, 0x100000 } }, -EINVAL },
	{ "a number too high", { SLOTS_OPS, { 0 } }, SLOTS_UNKNOWN },
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

/* A second call before the result of the first was taken. */
static bool errors_busy(void)
{
	static const struct slots_call call = { SLOTS_DELETE, { 9 } };
	bool ok = slots_make(&call, NULL) == 0 && slots_make(&call, NULL) == -EBUSY;
	int result = slots_do(&(struct slots_call){ .op = SLOTS_RESULT }, NULL, NULL);

	while (result == -EINPROGRESS)
		result = slots_make(&(struct slots_call){ .op = SLOTS_RESULT }, NULL);
	if (!ok || result != -ENOENT)
		printf("slots: two calls at once: FAILED\n");
	return ok && result == -ENOENT;
}

bool slots_test_errors(void)
{
	unsigned int i, failed = 0;

	for (i = 0; i < CASES; i++) {
		int result = slots_do(&cases[i].call, NULL, NULL);

		if (result == cases[i].expected)
			continue;
		printf("slots: %s: FAILED: %d, not %d\n", cases[i].name, result, cases[i].expected);
		failed++;
	}
	failed += !errors_busy();
	printf("slots: %u errors, %u failed\n", (unsigned int)CASES + 1, failed);
	return !failed;
}
