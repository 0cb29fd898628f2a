/* What the host gives to the hypervisor's own files under test. */
#ifndef NEAP_TESTS_SHIM_H
#define NEAP_TESTS_SHIM_H

#include "core/types.h"
#include "core/timer.h"

/* The fake clock: time_now() returns it; time_hz() is SHIM_HZ. */
#define SHIM_HZ 1000000000ull
void shim_set_time(u64 ticks);

/* Advances the clock to `ticks`, running each armed timer at its deadline, in order. */
void shim_run_until(u64 ticks);

/* The heap: objects not yet freed, and a failure to inject: the n-th next allocation returns NULL (0: none). */
size_t shim_heap_live(void);
void shim_heap_fail_after(unsigned n);

/* Lines logged so far at a level or worse (enum log_level), and the last of them. */
unsigned shim_log_count(void);
const char *shim_log_last(void);
/* True when any line logged since shim_log_reset() contains the text. */
bool shim_log_contains(const char *text);
void shim_log_reset(void);

#endif
