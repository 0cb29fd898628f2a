#include "core/panic_test.h"

#include "core/cmdline.h"
#include "core/panic.h"
#include "core/types.h"

#define WILD_ADDRESS 0xffff900000000000ull /* canonical, and never mapped */
#define KEY	     "panic="

extern char image_start[];

static __attribute__((noinline)) void panic_test_fault(volatile char *p)
{
	*p = 1;
}

static __attribute__((noinline)) u64 panic_test_recurse(volatile u64 *left)
{
	volatile u64 frame[64];

	frame[0] = *left;
	if (--*left == 0)
		return frame[0];
	/* Not a tail call: the frame is needed after it. */
	return panic_test_recurse(left) + frame[0];
}

void panic_test(const char *cmdline)
{
	volatile u64 left = UINT64_MAX;

	if (cmdline_is(cmdline, KEY, "test"))
		panic("panic=test on the command line");
	if (cmdline_is(cmdline, KEY, "fault"))
		panic_test_fault((volatile char *)WILD_ADDRESS);
	if (cmdline_is(cmdline, KEY, "write"))
		panic_test_fault((volatile char *)image_start);
	if (cmdline_is(cmdline, KEY, "overflow"))
		panic("recursion ended with %lu", panic_test_recurse(&left));
}
