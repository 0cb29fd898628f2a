/*
 * Included before everything: a thread that spins lets others run. With fewer processors than
 * threads a ticket lock would otherwise wait for a time slice at each turn.
 */
#ifndef NEAP_TESTS_TSAN_PAUSE_H
#define NEAP_TESTS_TSAN_PAUSE_H

#include <sys/syscall.h>

long syscall(long number, ...);

static inline void tsan_pause(void)
{
	syscall(SYS_sched_yield);
}

#define __builtin_ia32_pause tsan_pause

#endif
