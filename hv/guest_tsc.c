#include "hv/guest_tsc.h"

#include "core/time.h"

/* SDM vol. 3 25.6.5: 16 and 48 bits; APM vol. 2 15.30.5: 8 and 32. */
_Static_assert(sizeof(u64) * 8 == 16 + 48, "the wider one fits");

u64 guest_tsc_multiply(const struct guest_tsc *g, u64 host)
{
	return (u64)((unsigned __int128)host * g->mult >> g->fraction_bits);
}

u64 guest_tsc_when_scaled(const struct guest_tsc *g, u64 now, u64 delta)
{
	u64 target, when;

	if (__builtin_add_overflow(guest_tsc_multiply(g, now), delta, &target))
		return UINT64_MAX;
	when = time_muldiv(target, BIT(g->fraction_bits), g->mult);
	if (when != UINT64_MAX && guest_tsc_multiply(g, when) < target)
		when++;
	return when;
}

bool guest_tsc_init(struct guest_tsc *g, u64 wanted_hz, u64 host_hz, struct tsc_scaling can)
{
	unsigned bits = can.integer_bits + can.fraction_bits;
	u64 mult;

	*g = (struct guest_tsc){ .hz = host_hz };
	if (!wanted_hz || wanted_hz == host_hz)
		return true;
	if (!bits)
		return false;
	/* The largest value stands for all that are too large. */
	mult = time_muldiv(wanted_hz, BIT(can.fraction_bits), host_hz);
	if (!mult || mult >= (bits < 64 ? BIT(bits) : UINT64_MAX))
		return false;
	*g = (struct guest_tsc){ wanted_hz, mult, can.fraction_bits };
	return true;
}
