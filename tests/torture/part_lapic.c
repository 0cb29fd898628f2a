/*
 * Interrupts to a local APIC from all CPUs while its owner accepts them: each vector is accepted at
 * least once after it was last raised, and never more often than it was raised.
 */
#include "rig.h"

#define VECTOR_FIRST 0x20
#define VECTORS	     (0xff - VECTOR_FIRST)
#define WAIT_EVERY   32

/* Every third is level-triggered: its EOI goes to the I/O APICs. */
static bool is_level(u8 vector)
{
	return vector % 3 == 0;
}

static void begin(void)
{
	rig_begin(&(struct rig_hooks){ .serve = NULL });
}

static void work(struct torture_worker *w)
{
	rig_start(w);
	while (torture_going(w)) {
		struct rig *r = &rigs[torture_random(w, cpu_count())];
		/* Few vectors at times, so that several raise the same one. */
		u32 range = w->operations % 1024 < 512 ? VECTORS : 4;
		u8 vector = (u8)(VECTOR_FIRST + torture_random(w, range));

		rig_count(r, vector);
		TORTURE_CHECK(lapic_deliver(&r->lapic, vector, is_level(vector)),
			      "vector 0x%x is refused", vector);
		if (w->operations % WAIT_EVERY == 0)
			rig_wait(r, vector);
	}
	rig_stop(w);
}

static void end(void)
{
	for (u32 i = 0; i < cpu_count(); i++) {
		const struct rig *r = &rigs[i];

		for (unsigned v = 0; v < 256; v++)
			TORTURE_CHECK(r->level_eoi[v] == (is_level((u8)v) ? r->accepted[v] : 0),
				      "vector 0x%x: %lu EOIs for the I/O APICs, accepted %lu times",
				      v, r->level_eoi[v], r->accepted[v]);
	}
	rig_end();
}

const struct torture_part part_lapic = { "lapic", begin, work, end };
