/* The loop that each processor is in, and its comings and goings. */
#include "storm.h"

static volatile uint32_t worker_switched; /* all have switched */

enum doom { DOOM_RUN, DOOM_HALT, DOOM_SPIN, DOOM_HALT_OFF, DOOM_KINDS };

void worker_kick(struct storm_cpu *target)
{
	apic_send(APIC_ASSERT | VECTOR_KICK, target->smp->apic_id);
}

void worker_kick_all(void)
{
	apic_send(APIC_TO_REST | APIC_ASSERT | VECTOR_KICK, 0);
}

/* It will be restarted: waits for that, in some way. */
static void worker_be_doomed(struct storm_cpu *c)
{
	enum doom doom = (enum doom)storm_random(c, DOOM_KINDS);

	if (doom == DOOM_SPIN || doom == DOOM_HALT_OFF)
		irq_disable();
	else
		irq_enable();
	c->retired = 1;
	for (;;) {
		if (doom == DOOM_HALT || doom == DOOM_HALT_OFF)
			__asm__ volatile("hlt" : : : "memory");
		else if (doom == DOOM_RUN)
			cpuid(0, 0);
		else
			cpu_pause();
	}
}

/* One that has stopped is found by the others. */
static void worker_watch_beat(const struct storm_cpu *target)
{
	uint64_t beat = target->beat;

	if (!target->gate || target->halting == HALT_PARKED || rdtsc() < beat + storm_timeout)
		return;
	if (target->beat != beat) /* this one stood still meanwhile */
		return;
	error_record(
		&(struct storm_error){ .what = "stands still: what it halts for, and the phase",
				       .part = NOBODY,
				       .vector = NOBODY,
				       .from = NOBODY,
				       .to = (int)target->index,
				       .since = beat,
				       .a = target->halting,
				       .b = storm_phase.number });
}

/* Looks after one more each time. */
static void worker_watch(struct storm_cpu *c)
{
	struct storm_cpu *target = &storm_cpus[c->watched];

	c->watched = (c->watched + 1) % smp_count;
	if (c->watched == 0)
		ipi_watch();
	slot_watch(target);
	worker_watch_beat(target);
}

/* Its timer may run on; but others wait for what it has begun, or for it to take an interrupt. */
static bool worker_may_retire(const struct storm_cpu *c)
{
	return part_tlb.is_idle(c) && !c->refs && ipi_lowest_idle(c);
}

static bool worker_step(struct storm_cpu *c)
{
	bool stop = storm_phase.over || c->retire, idle = true;
	unsigned int i;

	c->beat = rdtsc();
	for (i = 0; i < PART_COUNT; i++)
		if (storm_phase.parts >> i & 1)
			storm_parts[i]->step(c, stop);
	error_check(c);
	worker_watch(c);
	if (c->retire)
		return worker_may_retire(c);
	for (i = 0; i < PART_COUNT; i++)
		if (storm_phase.parts >> i & 1 && storm_parts[i]->is_idle)
			idle &= storm_parts[i]->is_idle(c);
	return stop && idle;
}

/* The first processor says when it is over. */
static void worker_look_at_clock(const struct storm_cpu *c)
{
	if (c->index || storm_phase.over || rdtsc() - storm_phase.start < storm_phase.length)
		return;
	__atomic_store_n(&storm_phase.over, 1, __ATOMIC_SEQ_CST);
	worker_kick_all();
}

/* Also where the phase was over before it was told to: others may still rely on it. */
static void worker_retire(struct storm_cpu *c)
{
	while (!worker_may_retire(c))
		cpu_pause();
	worker_be_doomed(c);
}

void worker_run(struct storm_cpu *c)
{
	while (!worker_step(c)) {
		worker_look_at_clock(c);
		cpu_pause();
	}
	if (c->retire)
		worker_retire(c);
}

/* Until there is another phase; answers interrupts meanwhile. */
static void worker_park(struct storm_cpu *c)
{
	irq_disable();
	c->halting = HALT_PARKED;
	while (c->done == storm_phase.number && !c->retire)
		irq_wait();
	c->beat = rdtsc();
	c->halting = HALT_NOT;
	irq_enable();
	if (c->retire)
		worker_retire(c);
}

static void worker_set_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
}

static void worker_prepare_apic(const struct storm_cpu *c)
{
	if (apic_x2apic)
		worker_set_x2apic();
	apic_write(APIC_SPURIOUS, APIC_ENABLED);
	logical_set_id(c);
}

/* Handlers go by `apic_x2apic`: so none may run between the first that switches and the last. */
static void worker_switch_other(struct storm_cpu *c)
{
	irq_disable();
	worker_set_x2apic();
	c->switched = 1;
	while (!worker_switched)
		cpu_pause();
	irq_enable();
}

void worker_switch(struct storm_cpu *c)
{
	uint64_t start = rdtsc();
	unsigned int i;

	storm_phase.parts = PHASE_SWITCH;
	storm_mb();
	storm_phase.number++;
	worker_kick_all();
	for (i = 1; i < smp_count; i++) {
		while (!storm_cpus[i].switched) {
			if (rdtsc() - start > storm_timeout)
				error_record(&(struct storm_error){ .what = "does not switch",
								    .part = NOBODY,
								    .vector = NOBODY,
								    .from = NOBODY,
								    .to = (int)i,
								    .since = start });
			error_check(c);
			cpu_pause();
		}
	}
	irq_disable();
	apic_enable_x2apic();
	storm_mb();
	worker_switched = 1;
	irq_enable();
	c->done = storm_phase.number;
}

void worker_enter(struct smp_cpu *smp)
{
	struct storm_cpu *c = &storm_cpus[smp->index];
	uint32_t number;

	c->halting = HALT_NOT;
	c->retire = c->retired = 0;
	c->timer = (struct storm_timer){ 0 };
	c->beat = rdtsc();
	worker_prepare_apic(c);
	slot_void(c);
	irq_enable();
	c->gate = 1;
	storm_mb(); /* a shootdown either sees the gate open, or was there before this */
	tlb_refresh();
	for (;;) {
		worker_park(c);
		number = storm_phase.number;
		if (storm_phase.parts & PHASE_SWITCH)
			worker_switch_other(c);
		else
			worker_run(c);
		__atomic_store_n(&c->done, number, __ATOMIC_SEQ_CST);
	}
}
