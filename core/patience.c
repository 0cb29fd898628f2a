#include "core/patience.h"

#include "core/time.h"

void patience_begin(struct patience *p, u64 ns)
{
	p->last = time_now();
	p->left = time_ns_to_ticks(ns);
}

bool patience_is_over(struct patience *p)
{
	/* Who waits may have moved to a CPU whose clock is a little behind. */
	u64 now = time_now(), passed = now > p->last ? now - p->last : 0;
	u64 step = MIN(passed, time_ns_to_ticks(PATIENCE_STEP_NS));

	p->last = now;
	p->left -= MIN(step, p->left);
	return p->left == 0;
}
