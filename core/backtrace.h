/* Backtraces of the hypervisor itself, which is built with frame pointers. */
#ifndef NEAP_CORE_BACKTRACE_H
#define NEAP_CORE_BACKTRACE_H

#include "core/types.h"

/* Frames shown at most, the one at rip included. */
#define BACKTRACE_MAX 32

/*
 * Logs (as errors) where rip is, then the callers found along the frame pointers from rbp. Only
 * memory in [stack_low, stack_high), which the caller knows to be mapped, is read. Any context.
 */
void backtrace_log(u64 rip, u64 rbp, u64 stack_low, u64 stack_high);

#endif
