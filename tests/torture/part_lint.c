/*
 * A level-triggered wire at LINT0: it is raised again the moment that its interrupt was served,
 * while the owner ends that one or masks and unmasks the entry. No rise is forgotten.
 */
#include "rig.h"

#include "core/spinlock.h"
#include "core/time.h"
#include "mm/heap.h"

#define VECTOR	 0x41
#define LVT_OPEN (LAPIC_LVT_LEVEL | VECTOR)
#define SPINS	 2000 /* until it sleeps */

/* The device at the wire; one worker's, for the next CPU's local APIC. */
struct device {
	struct spinlock lock; /* guards the wire */
	u64 risen, served;
};

static struct device *devices;

static void write_lvt(struct rig *r, u32 value)
{
	lapic_mmio_write(&r->lapic, LAPIC_LVT_LINT0 * 16, 4, value);
}

static void serve(struct rig *r, u8 vector)
{
	struct device *d = &devices[r->cpu];

	TORTURE_CHECK(vector == VECTOR, "vector 0x%x", vector);
	spin_lock(&d->lock);
	lapic_set_lint(&r->lapic, 0, false);
	WRITE_ONCE(d->served, d->risen);
	spin_unlock(&d->lock);
	if (r->accepts % 4 == 0) {
		write_lvt(r, LVT_OPEN | LAPIC_LVT_MASKED);
		write_lvt(r, LVT_OPEN);
	}
}

static void begin(void)
{
	devices = torture_alloc(cpu_count() * sizeof(*devices));
	rig_begin(&(struct rig_hooks){ .serve = serve });
	for (u32 i = 0; i < cpu_count(); i++)
		write_lvt(&rigs[i], LVT_OPEN);
}

static bool is_served(const struct device *d)
{
	for (unsigned i = 0; i < SPINS; i++) {
		if (READ_ONCE(d->served) == d->risen)
			return true;
	}
	return false;
}

static void rise(struct rig *r, struct device *d)
{
	u64 limit = torture_patience();

	rig_count(r, VECTOR);
	spin_lock(&d->lock);
	d->risen++;
	lapic_set_lint(&r->lapic, 0, true);
	spin_unlock(&d->lock);
	while (!is_served(d) && torture_waiting())
		TORTURE_CHECK(time_now() < limit,
			      "LINT0 has risen %lu times, %lu were served; lint 0x%x, remote IRR "
			      "%u, entry 0x%x",
			      d->risen, d->served, r->lapic.lint, r->lapic.lint_remote_irr,
			      lapic_reg(&r->lapic, LAPIC_LVT_LINT0));
}

static void work(struct torture_worker *w)
{
	u32 cpu = (w->cpu + 1) % cpu_count();

	rig_start(w);
	while (torture_going(w))
		rise(&rigs[cpu], &devices[cpu]);
	rig_stop(w);
}

static void end(void)
{
	rig_end();
	heap_free(devices);
}

const struct torture_part part_lint = { "lint", begin, work, end };
