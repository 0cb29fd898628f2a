/* The first thing that went wrong: who found it, what the target looks like, and the end. */
#include <stdio.h>
#include <stdlib.h>
#include "storm.h"

#define REPORT_PATIENCE_MS 10000 /* how long others leave the report to the first processor */
#define SNAPSHOT_MS	   10000

struct error_snapshot {
	volatile uint32_t wanted, there;
	uint64_t rip, rflags;
	uint32_t tpr, ppr, irr[8], isr[8];
};

struct storm_error storm_error = { .from = NOBODY, .to = NOBODY };

static struct error_snapshot error_snapshot;
static uint64_t error_when;
static volatile uint32_t error_claimed, error_reporter;

bool apic_bit(uint32_t bank, unsigned int vector)
{
	return apic_read(bank + vector / 32 * 0x10) >> vector % 32 & 1;
}

void error_record(const struct storm_error *error)
{
	if (__atomic_exchange_n(&error_claimed, 1, __ATOMIC_SEQ_CST))
		return;
	storm_error = *error;
	error_when = rdtsc();
	__atomic_store_n(&storm_error.set, 1, __ATOMIC_SEQ_CST);
}

static void error_take_snapshot(uint64_t rip, uint64_t rflags)
{
	unsigned int i;

	error_snapshot.rip = rip;
	error_snapshot.rflags = rflags;
	error_snapshot.tpr = apic_read(APIC_TPR);
	error_snapshot.ppr = apic_read(APIC_PPR);
	for (i = 0; i < 8; i++) {
		error_snapshot.irr[i] = apic_read(APIC_IRR + i * 0x10);
		error_snapshot.isr[i] = apic_read(APIC_ISR + i * 0x10);
	}
	__atomic_store_n(&error_snapshot.there, 1, __ATOMIC_SEQ_CST);
}

bool error_handle_nmi(struct storm_cpu *c, const struct trap_frame *frame)
{
	if (!storm_error.set)
		return false;
	if (error_snapshot.wanted && storm_error.to == (int)c->index)
		error_take_snapshot(frame->rip, frame->rflags);
	return true;
}

static void error_print_bank(const char *name, const uint32_t *bank)
{
	unsigned int i;

	iprintf(" %s", name);
	for (i = 8; i-- > 0;)
		iprintf("%s%08lx", i == 7 ? " " : "_", (unsigned long)bank[i]);
}

/* By an NMI: it gets through whatever the target does, unless that is what is wrong. */
static void error_print_target(struct storm_cpu *c)
{
	struct storm_cpu *target;
	uint64_t start = rdtsc();

	if (storm_error.to == NOBODY)
		return;
	target = &storm_cpus[storm_error.to];
	error_snapshot.wanted = 1;
	if (target == c)
		error_take_snapshot(0, 0);
	else
		apic_send(APIC_NMI | APIC_ASSERT, target->smp->apic_id);
	while (!error_snapshot.there && rdtsc() - start < storm_hz / 1000 * SNAPSHOT_MS)
		cpu_pause();
	iprintf("storm: cpu %d: gate %u, halting %u, retire %u, retired %u, done %u of %u, starts "
		"%u\n",
		storm_error.to, (unsigned int)target->gate, (unsigned int)target->halting,
		(unsigned int)target->retire, (unsigned int)target->retired,
		(unsigned int)target->done, (unsigned int)storm_phase.number,
		(unsigned int)target->smp->starts);
	if (!error_snapshot.there) {
		iprintf("storm: cpu %d: does not answer an NMI\n", storm_error.to);
		return;
	}
	iprintf("storm: cpu %d: rip %#lx rflags %#lx tpr %#x ppr %#x", storm_error.to,
		error_snapshot.rip, error_snapshot.rflags, (unsigned int)error_snapshot.tpr,
		(unsigned int)error_snapshot.ppr);
	error_print_bank("irr", error_snapshot.irr);
	error_print_bank("isr", error_snapshot.isr);
	iprintf("\n");
}

static void error_report(struct storm_cpu *c)
{
	const struct storm_error *e = &storm_error;

	iprintf("\nstorm: ERROR: %s: %s", e->part == NOBODY ? "storm" : storm_parts[e->part]->name,
		e->what);
	if (e->vector != NOBODY)
		iprintf(", vector %#x", (unsigned int)e->vector);
	if (e->from != NOBODY)
		iprintf(", from cpu %d", e->from);
	if (e->to != NOBODY)
		iprintf(", to cpu %d", e->to);
	if (e->since)
		iprintf(", after %lu us", (error_when - e->since) / (storm_hz / 1000000));
	iprintf(" (%#lx, %#lx), seen by cpu %u\n", e->a, e->b, (unsigned int)c->index);
	error_print_target(c);
	iprintf("storm: failed\n");
	exit(1);
}

void error_check(struct storm_cpu *c)
{
	if (!storm_error.set)
		return;
	for (;;) {
		bool may = c->index == 0 ||
			   rdtsc() - error_when > storm_hz / 1000 * REPORT_PATIENCE_MS;

		if (may && !__atomic_exchange_n(&error_reporter, 1, __ATOMIC_SEQ_CST))
			error_report(c);
		cpu_pause();
	}
}
