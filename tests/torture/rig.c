#include "rig.h"

#include "core/time.h"
#include "mm/heap.h"

#define IRQ	    BIT(1)
#define STOP	    BIT(2)
#define SVR_VALUE   (LAPIC_SVR_ENABLE | 0xff)
#define SPURIOUS    0xff
#define TPR_HIGHEST 0xf0

struct rig *rigs;
struct apic_bus rig_bus;
static struct rig_hooks hooks;

/* --- what the local APIC wants --- */

static void notify(void *ctx)
{
	struct rig *r = ctx;

	sched_post(&r->thread, IRQ);
}

static void unexpected(void *ctx __unused)
{
	torture_fail("an NMI or INIT that nobody sent");
}

static void unexpected_sipi(void *ctx __unused, u8 vector)
{
	torture_fail("a start-up IPI (0x%x) that nobody sent", vector);
}

static bool no_extint(void *ctx __unused)
{
	return false;
}

static u8 ack_extint(void *ctx __unused)
{
	torture_fail("an acknowledged interrupt of a PIC that is not there");
	return 0;
}

static void level_ended(void *ctx, u8 vector)
{
	struct rig *r = ctx;

	r->level_eoi[vector]++;
	if (hooks.eoi)
		hooks.eoi(r, vector);
}

static const struct lapic_ops lapic_ops = {
	.notify = notify,
	.nmi = unexpected,
	.init = unexpected,
	.sipi = unexpected_sipi,
	.extint_pending = no_extint,
	.extint_ack = ack_extint,
	.eoi = level_ended,
};

/* --- the bus --- */

static struct lapic *by_id(void *ctx __unused, u32 apic_id)
{
	return apic_id < cpu_count() ? &rigs[apic_id].lapic : NULL;
}

static struct lapic *next(void *ctx __unused, u32 *cursor)
{
	return *cursor < cpu_count() ? &rigs[(*cursor)++].lapic : NULL;
}

static const struct apic_bus_ops bus_ops = { by_id, next };

/* --- the owner --- */

static void accept(struct rig *r, int pending)
{
	u8 vector = lapic_accept(&r->lapic, pending);

	TORTURE_CHECK(pending < 256 && vector == pending, "vector 0x%x became 0x%x", pending,
		      vector);
	r->accepted[vector]++;
	r->accepts++;
	TORTURE_CHECK(r->accepted[vector] <= READ_ONCE(r->raised[vector]),
		      "vector 0x%x was accepted %lu times, and raised %lu times", vector,
		      r->accepted[vector], r->raised[vector]);
	WRITE_ONCE(r->seen[vector], READ_ONCE(r->raised[vector]));
	if (hooks.serve)
		hooks.serve(r, vector);
}

/* As a guest: at times with nested interrupts, at times with all held up by the task priority. */
static void serve_all(struct rig *r)
{
	struct lapic *l = &r->lapic;
	unsigned in_service = 0;
	int vector;

	if (r->accepts % 7 == 0) {
		lapic_set_tpr(l, TPR_HIGHEST);
		TORTURE_CHECK(lapic_pending_vector(l) < 0, "an interrupt passes the task priority");
		lapic_set_tpr(l, 0);
	}
	while ((vector = lapic_pending_vector(l)) >= 0) {
		accept(r, vector);
		if (r->accepts % 3)
			lapic_eoi(l);
		else
			in_service++;
	}
	for (; in_service; in_service--)
		lapic_eoi(l);
}

static void own(void *arg)
{
	struct rig *r = arg;
	struct thread *t = &r->thread;

	for (;;) {
		u32 bits = atomic_fetch_and(&t->pending, ~(u32)(IRQ | STOP));

		if (bits & IRQ)
			serve_all(r);
		if (bits & STOP)
			return;
		if (r->accepts % 5 == 0)
			sched_yield();
		sched_block(IRQ | STOP);
	}
}

/* --- life --- */

void rig_begin(const struct rig_hooks *h)
{
	hooks = *h;
	rigs = torture_alloc(cpu_count() * sizeof(*rigs));
	apic_bus_init(&rig_bus, &bus_ops, NULL);
	for (u32 i = 0; i < cpu_count(); i++) {
		const struct lapic_config c = {
			.apic_id = i,
			.has_x2apic = true,
			.phys_bits = 40,
			.bus = &rig_bus,
			.ops = &lapic_ops,
			.ctx = &rigs[i],
		};

		rigs[i].cpu = i;
		rigs[i].page = torture_alloc(PAGE_SIZE);
		lapic_init(&rigs[i].lapic, rigs[i].page, &c);
		lapic_mmio_write(&rigs[i].lapic, LAPIC_SVR * 16, 4, SVR_VALUE);
	}
}

void rig_start(struct torture_worker *w)
{
	torture_spawn(&rigs[w->cpu].thread, "lapic owner", w->cpu, own, &rigs[w->cpu]);
	torture_meet(w);
}

void rig_stop(struct torture_worker *w)
{
	struct rig *r = &rigs[w->cpu];

	torture_meet(w);
	for (unsigned v = 0; v < 256; v++)
		rig_wait(r, (u8)v);
	sched_post(&r->thread, STOP);
	torture_join(&r->thread);
}

void rig_end(void)
{
	for (u32 i = 0; i < cpu_count(); i++) {
		struct rig *r = &rigs[i];

		TORTURE_CHECK(!r->accepted[SPURIOUS], "a spurious interrupt");
		TORTURE_CHECK(lapic_highest_irr(&r->lapic) < 0, "vector 0x%x is still requested",
			      lapic_highest_irr(&r->lapic));
		TORTURE_CHECK(lapic_highest_isr(&r->lapic) < 0, "vector 0x%x is still in service",
			      lapic_highest_isr(&r->lapic));
		lapic_fini(&r->lapic);
		heap_free(r->page);
	}
	heap_free(rigs);
}

void rig_count(struct rig *r, u8 vector)
{
	atomic_fetch_add(&r->raised[vector], 1);
}

void rig_wait(struct rig *r, u8 vector)
{
	u64 limit = torture_patience(), raised = READ_ONCE(r->raised[vector]);

	while (READ_ONCE(r->seen[vector]) < raised && torture_waiting())
		TORTURE_CHECK(time_now() < limit,
			      "vector 0x%x of CPU %u was raised %lu times, %lu were seen; owner: "
			      "state %u, pending 0x%x; posted 0x%lx, control 0x%x",
			      vector, r->cpu, raised, r->seen[vector], (unsigned)r->thread.state,
			      r->thread.pending, r->lapic.posted->pir[vector / 64],
			      r->lapic.posted->control);
}
