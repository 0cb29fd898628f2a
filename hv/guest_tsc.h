/*
 * How a guest's TSC counts: as the processor's does, or at another rate, which the processor makes
 * by a multiplier (TSC scaling). The guest's TSC at host tick t is guest_tsc_scale(t) plus the
 * vCPU's offset.
 */
#ifndef NEAP_HV_GUEST_TSC_H
#define NEAP_HV_GUEST_TSC_H

#include "core/types.h"

/* What the processor's multiplier is made of; both 0: it has none. */
struct tsc_scaling {
	u8 integer_bits, fraction_bits;
};

struct guest_tsc {
	u64 hz;
	u64 mult; /* guest's ticks for one of the host's, in units of 2^-fraction_bits; 0: just one
		   */
	u8 fraction_bits;
};

/*
 * For a guest that wants a TSC of wanted_hz (0: whatever there is) on a processor with one of
 * host_hz. False when the processor cannot do that; the guest then has the host's.
 */
bool guest_tsc_init(struct guest_tsc *g, u64 wanted_hz, u64 host_hz, struct tsc_scaling can);

/* guest_tsc_scale() where there is a multiplier: its slow half. */
u64 guest_tsc_multiply(const struct guest_tsc *g, u64 host);

/* The guest's ticks at a host tick, without offset; as the processor computes them. */
static inline u64 guest_tsc_scale(const struct guest_tsc *g, u64 host)
{
	return likely(!g->mult) ? host : guest_tsc_multiply(g, host);
}

/* The first host tick at which the guest's TSC is `delta` beyond what it is at host tick `now`;
 * UINT64_MAX when that is farther away than time goes. */
u64 guest_tsc_when_scaled(const struct guest_tsc *g, u64 now, u64 delta);
static inline u64 guest_tsc_when(const struct guest_tsc *g, u64 now, u64 delta)
{
	if (unlikely(g->mult))
		return guest_tsc_when_scaled(g, now, delta);
	return delta <= UINT64_MAX - now ? now + delta : UINT64_MAX;
}

#endif
