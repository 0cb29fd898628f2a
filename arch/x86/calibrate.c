#include "arch/x86/calibrate.h"

#include <errno.h>

#include "core/time.h"

/* How far the rate can be off, in parts of 2^32. */
static u64 doubt(const struct estimate *e)
{
	return time_muldiv(e->unsure, 1ull << 32, e->ticks);
}

u64 calibrate(int (*measure)(struct estimate *e))
{
	u64 least = UINT64_MAX, hz = 0;

	for (unsigned i = 0; i < CALIBRATE_TRIES && least > (1ull << 32) / CALIBRATE_SURE; i++) {
		struct estimate e;
		int err = measure(&e);

		if (err == -EAGAIN)
			continue;
		if (err)
			break;
		if (!hz || doubt(&e) < least) {
			least = doubt(&e);
			hz = e.hz;
		}
	}
	return hz;
}
