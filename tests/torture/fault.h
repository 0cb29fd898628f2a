/* Memory that runs out on purpose: the torture is linked with the allocators' calls wrapped. */
#ifndef NEAP_TESTS_TORTURE_FAULT_H
#define NEAP_TESTS_TORTURE_FAULT_H

#include "core/sched.h"

/*
 * The n-th allocation from now on by this thread, while it is on this CPU, gets nothing (0: all get
 * what they want). One thread a CPU at a time.
 */
void fault_set(struct thread *thread, u32 n);

/* Ends that; whether an allocation has failed. */
bool fault_end(void);

#endif
