/*
 * Measuring a rate by two readings: who reads may be stopped (an SMI, a hypervisor below) between
 * a clock and what is read against it. Each measurement says how far it can be off for that; the
 * surest of some is taken.
 */
#ifndef NEAP_ARCH_X86_CALIBRATE_H
#define NEAP_ARCH_X86_CALIBRATE_H

#include "core/types.h"

/*
 * A measurement that can be off by so small a part is as good as any. Where reading takes long, one
 * of the other part is, if another one was about as sure: neither was disturbed.
 */
#define CALIBRATE_SURE	 1000
#define CALIBRATE_LIKELY 100
#define CALIBRATE_TRIES	 16

struct estimate {
	u64 hz;
	u64 unsure; /* ticks in which the two readings may have been made, too many */
	u64 ticks;  /* that the measurement took, > 0 */
};

/*
 * The rate by the surest of CALIBRATE_TRIES measurements, or by the first one that is sure enough;
 * 0: none. measure() gives 0; -EAGAIN: not this time; another error: it never will. Boot CPU.
 */
u64 calibrate(int (*measure)(struct estimate *e)) __must_check;

#endif
