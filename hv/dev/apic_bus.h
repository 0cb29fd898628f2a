/* Routing of interrupt messages between the local APICs, I/O APICs and MSI sources of one VM. */
#ifndef NEAP_HV_DEV_APIC_BUS_H
#define NEAP_HV_DEV_APIC_BUS_H

#include "core/atomic.h"
#include "hv/apic_msg.h"

struct lapic;

#define APIC_BROADCAST_XAPIC  0xffu
#define APIC_BROADCAST_X2APIC UINT32_MAX

/* How the bus finds the local APICs. Any CPU, while others are being added; may not wait. */
struct apic_bus_ops {
	/* The one with that id, or NULL. Takes a time that does not depend on how many there are.
	 */
	struct lapic *(*lapic_by_id)(void *ctx, u32 apic_id);
	/*
	 * The next in order of APIC id, NULL after the last. *cursor is 0 to begin, then for ops to
	 * keep its place in.
	 */
	struct lapic *(*next)(void *ctx, u32 *cursor);
};

struct apic_bus {
	const struct apic_bus_ops *ops;
	void *ctx;
	u32 xapic_count; /* local APICs in xAPIC mode, or about to be; atomic */
	u32 last_lowest; /* id of whom the last lowest-priority message went to; a hint, unordered
			  */
};

/* Before anything is on the bus. */
void apic_bus_init(struct apic_bus *bus, const struct apic_bus_ops *ops, void *ctx);

/*
 * Sends a message. from is the sending local APIC, NULL when it comes from elsewhere (then the
 * shorthand must be APIC_DEST). Returns how many accepted it; 0 also when it is not a legal
 * message, which is dropped. Any CPU; takes no lock; at most one pass over the local APICs, none
 * for a single physical destination or a logical x2APIC one.
 */
unsigned apic_bus_send(struct apic_bus *bus, struct lapic *from, const struct apic_msg *msg);

/* A local APIC enters (+1, before it shows its mode) or leaves (-1, after) xAPIC mode. */
static inline void apic_bus_count_xapic(struct apic_bus *bus, int change)
{
	atomic_fetch_add(&bus->xapic_count, (u32)change);
}

/* Logical id in x2APIC mode: cluster number and one bit of 16 (SDM vol. 3 11.12.10.2). */
static inline u32 apic_x2apic_ldr(u32 apic_id)
{
	return apic_id >> 4 << 16 | 1u << (apic_id & 0xf);
}

#endif
