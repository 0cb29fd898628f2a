/*
 * Makes one clock of all processors' time-stamp counters, so that time_now() and the guests' TSCs
 * need no offset of the processor they run on: each started processor compares its counter with the
 * boot processor's, and moves it where they differ.
 */
#ifndef NEAP_ARCH_X86_TSC_SYNC_H
#define NEAP_ARCH_X86_TSC_SYNC_H

#include "core/types.h"

/*
 * The two sides of a comparison, for one processor after the other: the started processor, number
 * `cpu`, asks, and the boot processor answers until it is done. Before the started processor has a
 * timer set. Both are bounded in time, also if the other side does not come.
 */
void tsc_sync_ask(u32 cpu);
void tsc_sync_answer(u32 cpu);

/* One line for all that were compared. Boot CPU. */
void tsc_sync_print(void);

#endif
