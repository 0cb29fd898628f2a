#include "core/patience.h"

#include "core/time.h"

void patience_begin(struct patience *p, u64 ns)
{
	p->last = time_now();
	p->left = time_ns_to_ticks(ns);
}

bool patience_is_over(struct patience *p)
{
	u64 now = time_now(), step = MIN(now - p->last, time_ns_to_ticks(PATIENCE_STEP_NS));

	p->last = now;
	p->left -= MIN(step, p->left);
	return p->left == 0;
}
