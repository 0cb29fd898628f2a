/*
 * Time in TSC ticks. The TSC is calibrated once at boot; every conversion is exact integer
 * arithmetic in 128 bits. On the host, the unit-test shim supplies a settable clock.
 */
#ifndef NEAP_CORE_TIME_H
#define NEAP_CORE_TIME_H

#include "core/types.h"

#define NSEC_PER_SEC 1000000000ull

/*
 * Ticks since power-on; one clock on all CPUs, as arch/x86/tsc_sync.c has set them, where the TSC
 * is invariant.
 */
u64 time_now(void);

/* Ticks per second, > 0 once calibrated. */
u64 time_hz(void);

/* a * mul / div with 128 bits between, rounded down; UINT64_MAX if it is above. */
static inline u64 time_muldiv(u64 a, u64 mul, u64 div)
{
	/* 64x64/64 by the two instructions made for it; the quotient must fit 64 bits. */
	u64 lo, hi;

	__asm__("mulq %3" : "=a"(lo), "=d"(hi) : "a"(a), "rm"(mul) : "cc");
	if (hi >= div)
		return UINT64_MAX;
	__asm__("divq %2" : "+a"(lo), "+d"(hi) : "rm"(div) : "cc");
	return lo;
}

/* Between nanoseconds and ticks of the TSC, rounded down; UINT64_MAX for what does not fit.
 * After calibration. */
static inline u64 time_ns_to_ticks(u64 ns)
{
	return time_muldiv(ns, time_hz(), NSEC_PER_SEC);
}

static inline u64 time_ticks_to_ns(u64 ticks)
{
	return time_muldiv(ticks, NSEC_PER_SEC, time_hz());
}

#endif
