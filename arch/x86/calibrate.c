#include "arch/x86/calibrate.h"

#include <errno.h>

#include "core/time.h"

#define ALL (1ull << 32)

/* How far the rate can be off, in parts of ALL. */
static u64 doubt(const struct estimate *e)
{
	return time_muldiv(e->unsure, ALL, e->ticks);
}

static bool is_sure(u64 now, u64 before)
{
	u64 more = MAX(now, before);

	return now <= ALL / CALIBRATE_SURE ||
	       (more <= ALL / CALIBRATE_LIKELY && more / 2 <= MIN(now, before));
}

u64 calibrate(int (*measure)(struct estimate *e))
{
	u64 least = UINT64_MAX, hz = 0;
	bool sure = false;

	for (unsigned i = 0; i < CALIBRATE_TRIES && !sure; i++) {
		struct estimate e;
		int err = measure(&e);

		if (err == -EAGAIN)
			continue;
		if (err)
			break;
		sure = is_sure(doubt(&e), least);
		if (!hz || doubt(&e) < least) {
			least = doubt(&e);
			hz = e.hz;
		}
	}
	return hz;
}
