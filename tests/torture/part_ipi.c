/*
 * Interrupts between processors: all send to all, as fast as they can. Interrupts that wait at a
 * local APIC merge, but what was counted before one was sent is seen after it: none is lost.
 */
#include "torture.h"

#include "arch/x86/apic.h"
#include "arch/x86/trap.h"
#include "core/panic.h"
#include "core/time.h"
#include "mm/heap.h"

#define VEC_STORM  0x51 /* a device's; Neap has none there */
#define VEC_ANSWER 0x52
#define BURST	   64

struct inbox {
	u64 sent;     /* atomic; counted before the interrupt is sent */
	u64 seen;     /* of sent, at the last interrupt; the receiver's */
	u64 taken;    /* interrupts, likewise */
	u64 asked;    /* by whom the next question is to be answered, + 1; atomic */
	u64 answers;  /* to this CPU's questions */
	u64 unwanted; /* of struct cpu, at the beginning */
};

static struct inbox *inboxes;

static void storm_irq(void *arg)
{
	struct inbox *in = &inboxes[this_cpu()->id];

	(void)arg;
	in->taken++;
	WRITE_ONCE(in->seen, READ_ONCE(in->sent));
}

/* A question is answered by an interrupt back. */
static void answer_irq(void *arg)
{
	struct inbox *in = &inboxes[this_cpu()->id];
	u64 who = atomic_xchg(&in->asked, 0);

	(void)arg;
	if (who) {
		atomic_fetch_add(&inboxes[who - 1].answers, 1);
		apic_send_ipi(cpu_table[who - 1]->apic_id, VEC_ANSWER);
	}
}

static void send(u32 cpu)
{
	atomic_fetch_add(&inboxes[cpu].sent, 1);
	apic_send_ipi(cpu_table[cpu]->apic_id, VEC_STORM);
}

static void wait_seen(u32 cpu)
{
	u64 limit = torture_patience(), sent = READ_ONCE(inboxes[cpu].sent);

	while (READ_ONCE(inboxes[cpu].seen) < sent && torture_waiting())
		TORTURE_CHECK(time_now() < limit,
			      "CPU %u has seen %lu of %lu interrupts, in %lu it took", cpu,
			      inboxes[cpu].seen, sent, inboxes[cpu].taken);
}

/* There and back, if nobody else asks at the moment. */
static void ask(struct torture_worker *w, u32 cpu)
{
	u64 limit = torture_patience(), nobody = 0, before = READ_ONCE(inboxes[w->cpu].answers);

	if (!atomic_cmpxchg(&inboxes[cpu].asked, &nobody, (u64)w->cpu + 1))
		return;
	apic_send_ipi(cpu_table[cpu]->apic_id, VEC_ANSWER);
	while (READ_ONCE(inboxes[w->cpu].answers) == before && torture_waiting())
		TORTURE_CHECK(time_now() < limit, "CPU %u does not answer", cpu);
}

static void begin(void)
{
	inboxes = torture_alloc(cpu_count() * sizeof(*inboxes));
	for (u32 i = 0; i < cpu_count(); i++)
		inboxes[i].unwanted = cpu_table[i]->irq_unexpected;
	if (trap_set_irq_handler(VEC_STORM, storm_irq, NULL) ||
	    trap_set_irq_handler(VEC_ANSWER, answer_irq, NULL))
		panic("torture: interrupt vectors are taken");
}

static void work(struct torture_worker *w)
{
	while (torture_going(w)) {
		u32 cpu = torture_random(w, cpu_count());

		/* Many to one at times, all to all otherwise. */
		for (unsigned i = 0; i < BURST; i++)
			send(w->operations % 4 ? (cpu + i) % cpu_count() : cpu);
		wait_seen(cpu);
		if (cpu != w->cpu)
			ask(w, cpu);
	}
}

static void end(void)
{
	for (u32 i = 0; i < cpu_count(); i++) {
		wait_seen(i);
		TORTURE_CHECK(inboxes[i].taken <= inboxes[i].sent,
			      "CPU %u took %lu interrupts, %lu were sent", i, inboxes[i].taken,
			      inboxes[i].sent);
		TORTURE_CHECK(cpu_table[i]->irq_unexpected == inboxes[i].unwanted,
			      "CPU %u took %lu interrupts that nobody sent", i,
			      cpu_table[i]->irq_unexpected - inboxes[i].unwanted);
	}
	/* A handler cannot be taken off again: the inboxes stay. */
}

const struct torture_part part_ipi = { "ipi", begin, work, end };
