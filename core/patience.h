/*
 * The bound of a wait, in time that has passed here: a step counts for PATIENCE_STEP_NS at most. So
 * a machine that was stopped as a whole (an emulator's, a debugger's) finds its waits where it left
 * them.
 */
#ifndef NEAP_CORE_PATIENCE_H
#define NEAP_CORE_PATIENCE_H

#include "core/types.h"

struct patience {
	u64 last, left; /* ticks */
};

#define PATIENCE_STEP_NS 100000000ull

/* A wait of ns, at most, begins. Any context. */
void patience_begin(struct patience *patience, u64 ns);

/* To be called again and again while one waits: true when the time is over. Any context. */
bool patience_is_over(struct patience *patience);

#endif
