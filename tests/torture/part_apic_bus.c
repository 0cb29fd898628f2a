/*
 * The bus between the local APICs: all CPUs send by id, to logical destinations, to everyone and to
 * whoever has the lowest priority.
 */
#include "rig.h"

#define VECTOR_ID     0x30
#define VECTOR_ALL    0x50
#define VECTOR_LOWEST 0x60
#define VECTOR_LOGIC  0x70
#define WAIT_EVERY    16
#define CLUSTER	      16

static u64 lowest_sent; /* atomic */

static unsigned send(struct apic_msg *msg)
{
	msg->assert_level = true;
	msg->x2apic = true;
	return apic_bus_send(&rig_bus, NULL, msg);
}

static void to_one(struct torture_worker *w)
{
	struct rig *r = &rigs[torture_random(w, cpu_count())];
	u8 vector = (u8)(VECTOR_ID + w->cpu % 16);
	struct apic_msg msg = { .delivery = APIC_FIXED, .vector = vector, .dest = r->cpu };

	rig_count(r, vector);
	TORTURE_CHECK(send(&msg) == 1, "a message to APIC id %u has not one taker", r->cpu);
	if (w->operations % WAIT_EVERY == 0)
		rig_wait(r, vector);
}

static void to_nobody(struct torture_worker *w)
{
	struct apic_msg msg = { .delivery = APIC_FIXED,
				.vector = VECTOR_ID,
				.dest = cpu_count() + torture_random(w, 1000) };

	TORTURE_CHECK(send(&msg) == 0, "a message to nobody has a taker");
}

static void to_all(struct torture_worker *w)
{
	u8 vector = (u8)(VECTOR_ALL + w->cpu % 16);
	struct apic_msg msg = { .delivery = APIC_FIXED,
				.vector = vector,
				.dest = APIC_BROADCAST_X2APIC };
	unsigned n;

	for (u32 i = 0; i < cpu_count(); i++)
		rig_count(&rigs[i], vector);
	n = send(&msg);
	TORTURE_CHECK(n == cpu_count(), "a broadcast has %u takers", n);
	if (w->operations % WAIT_EVERY == 0)
		rig_wait(&rigs[cpu_count() - 1], vector);
}

/* All of a cluster at once; they are in x2APIC mode. */
static void to_cluster(struct torture_worker *w)
{
	u32 cluster = torture_random(w, DIV_ROUND_UP(cpu_count(), CLUSTER));
	u32 first = cluster * CLUSTER, n = MIN(cpu_count() - first, (u32)CLUSTER);
	u8 vector = (u8)(VECTOR_LOGIC + w->cpu % 16);
	struct apic_msg msg = { .delivery = APIC_FIXED,
				.vector = vector,
				.logical = true,
				.dest = cluster << 16 | ((1u << n) - 1) };

	for (u32 i = first; i < first + n; i++)
		rig_count(&rigs[i], vector);
	TORTURE_CHECK(send(&msg) == n, "a message to %u of a cluster has not as many takers", n);
}

/* One of all, it does not matter who: each may get as many as were sent. */
static void to_lowest(void)
{
	struct apic_msg msg = { .delivery = APIC_LOWEST,
				.vector = VECTOR_LOWEST,
				.dest = APIC_BROADCAST_X2APIC };

	for (u32 i = 0; i < cpu_count(); i++)
		rig_count(&rigs[i], VECTOR_LOWEST);
	atomic_fetch_add(&lowest_sent, 1);
	TORTURE_CHECK(send(&msg) == 1, "a message to the lowest priority has not one taker");
}

static void begin(void)
{
	lowest_sent = 0;
	rig_begin(&(struct rig_hooks){ .serve = NULL });
	for (u32 i = 0; i < cpu_count(); i++) {
		u64 base = lapic_base(&rigs[i].lapic) | LAPIC_BASE_EXTD;

		TORTURE_CHECK(lapic_set_base(&rigs[i].lapic, base) == 0, "x2APIC mode is refused");
	}
}

/* Of these it is known only that each was accepted, by someone, once it was sent the last time. */
static void settle_lowest(struct torture_worker *w)
{
	torture_meet(w);
	if (w->cpu == 0) {
		for (u32 i = 0; i < cpu_count(); i++) {
			struct apic_msg msg = { .delivery = APIC_FIXED,
						.vector = VECTOR_LOWEST,
						.dest = i };

			rig_count(&rigs[i], VECTOR_LOWEST);
			TORTURE_CHECK(send(&msg) == 1, "APIC id %u does not answer", i);
		}
	}
	torture_meet(w);
}

static void work(struct torture_worker *w)
{
	rig_start(w);
	while (torture_going(w)) {
		switch (w->operations % 5) {
		case 0:
			to_all(w);
			break;
		case 1:
			to_cluster(w);
			break;
		case 2:
			to_lowest();
			break;
		case 3:
			to_nobody(w);
			break;
		default:
			to_one(w);
		}
	}
	settle_lowest(w);
	rig_stop(w);
}

static void end(void)
{
	u64 accepted = 0;

	for (u32 i = 0; i < cpu_count(); i++)
		accepted += rigs[i].accepted[VECTOR_LOWEST];
	TORTURE_CHECK(accepted <= lowest_sent + cpu_count(),
		      "%lu messages to the lowest priority were accepted %lu times", lowest_sent,
		      accepted);
	TORTURE_CHECK(!lowest_sent || accepted > 0, "none to the lowest priority was accepted");
	rig_end();
}

const struct torture_part part_apic_bus = { "apic_bus", begin, work, end };
