/* See apic_bus.h. Rules of delivery: SDM vol. 3 11.6 and 11.12.10. */
#include "hv/dev/apic_bus.h"

#include "hv/dev/lapic.h"

/* One message on its way: lowest-priority messages look for their target, others are delivered. */
struct apic_delivery_state {
	struct apic_bus *bus;
	const struct apic_msg *msg;
	unsigned accepted;
	struct lapic *best;
	u64 best_rank;
};

void apic_bus_init(struct apic_bus *bus, const struct apic_bus_ops *ops, void *ctx)
{
	bus->ops = ops;
	bus->ctx = ctx;
	bus->xapic_count = 0;
	bus->last_lowest = UINT32_MAX;
}

/* What a local APIC takes while it is disabled in SVR: anything but interrupts (11.4.7.2). */
static bool apic_deliver_to(struct lapic *l, const struct apic_msg *msg)
{
	const struct lapic_ops *ops = l->config.ops;
	void *ctx = l->config.ctx;

	if (lapic_mode(l) == LAPIC_MODE_DISABLED)
		return false;
	switch (msg->delivery) {
	case APIC_FIXED:
	case APIC_LOWEST:
		return lapic_deliver(l, msg->vector, msg->level);
	case APIC_NMI:
		ops->nmi(ctx);
		return true;
	case APIC_INIT:
		ops->init(ctx);
		return true;
	case APIC_SIPI:
		ops->sipi(ctx, msg->vector);
		return true;
	case APIC_EXTINT:
		if (!lapic_is_enabled(l))
			return false;
		lapic_deliver_extint(l);
		return true;
	default: /* SMI: there is no SMM; 3 is reserved */
		return false;
	}
}

/*
 * Lowest priority: the lowest task-priority class, and among equals the next in turn after the
 * last one chosen, by APIC id. Smaller is better.
 */
static u64 apic_rank(const struct apic_bus *bus, const struct lapic *l)
{
	u32 turn = l->config.apic_id - READ_ONCE(bus->last_lowest) - 1;

	return (u64)(lapic_reg(l, LAPIC_TPR) >> 4 & 0xf) << 32 | turn;
}

static void apic_visit(struct apic_delivery_state *state, struct lapic *l)
{
	u64 rank;

	if (state->msg->delivery != APIC_LOWEST) {
		state->accepted += apic_deliver_to(l, state->msg);
		return;
	}
	if (!lapic_is_enabled(l))
		return;
	rank = apic_rank(state->bus, l);
	if (!state->best || rank < state->best_rank) {
		state->best = l;
		state->best_rank = rank;
	}
}

static void apic_finish_lowest(struct apic_delivery_state *state)
{
	if (!state->best)
		return;
	WRITE_ONCE(state->bus->last_lowest, state->best->config.apic_id);
	state->accepted += apic_deliver_to(state->best, state->msg);
}

/* To everyone but `except` for whom the predicate holds. */
static void apic_send_many(struct apic_delivery_state *state, const struct lapic *except,
			   bool logical)
{
	struct apic_bus *bus = state->bus;
	struct lapic *l;
	u32 cursor = 0;

	while ((l = bus->ops->next(bus->ctx, &cursor)) != NULL) {
		if (l != except && (!logical || lapic_matches_logical(l, state->msg->dest)))
			apic_visit(state, l);
	}
}

/* A logical destination that only local APICs in x2APIC mode can match: at most 16, by id. */
static void apic_send_cluster(struct apic_delivery_state *state)
{
	struct apic_bus *bus = state->bus;
	u32 dest = state->msg->dest;

	for (u32 members = dest & 0xffff; members; members &= members - 1) {
		u32 id = dest >> 16 << 4 | (u32)__builtin_ctz(members);
		struct lapic *l = bus->ops->lapic_by_id(bus->ctx, id);

		if (l && lapic_mode(l) == LAPIC_MODE_X2APIC)
			apic_visit(state, l);
	}
}

static void apic_send_dest(struct apic_delivery_state *state)
{
	const struct apic_msg *msg = state->msg;
	struct apic_bus *bus = state->bus;
	struct lapic *l;

	if (msg->dest == (msg->x2apic ? APIC_BROADCAST_X2APIC : APIC_BROADCAST_XAPIC)) {
		apic_send_many(state, NULL, false);
	} else if (!msg->logical) {
		/*
		 * By id, whatever the modes. Ids above 254 need a sender that can name them; a
		 * target in xAPIC mode then answers nevertheless, or it could not be started.
		 */
		l = bus->ops->lapic_by_id(bus->ctx, msg->dest);
		if (l)
			apic_visit(state, l);
	} else if (msg->dest > 0xff || READ_ONCE(bus->xapic_count) == 0) {
		apic_send_cluster(state);
	} else {
		apic_send_many(state, NULL, true);
	}
}

unsigned apic_bus_send(struct apic_bus *bus, struct lapic *from, const struct apic_msg *msg)
{
	struct apic_delivery_state state = { .bus = bus, .msg = msg };
	bool init = msg->delivery == APIC_INIT || msg->delivery == APIC_SIPI;

	/* INIT level de-assert: processors of today ignore it (11.6.1). */
	if (msg->delivery == APIC_INIT && msg->level && !msg->assert_level)
		return 0;
	switch (msg->shorthand) {
	case APIC_DEST:
		apic_send_dest(&state);
		break;
	case APIC_SELF:
		if (from && !init) /* one cannot start oneself: table 11-3 */
			apic_visit(&state, from);
		break;
	case APIC_ALL:
		if (!init)
			apic_send_many(&state, NULL, false);
		break;
	case APIC_OTHERS:
		apic_send_many(&state, from, false);
		break;
	default:
		break;
	}
	apic_finish_lowest(&state);
	return state.accepted;
}
