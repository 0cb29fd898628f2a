/*
 * HLT, and what ends it: an interrupt with IF set, an NMI with IF clear, the timer. Who halts says
 * for what, and somebody else sends it; the first processor halts for its timer only, so that there
 * is always one awake. One that does not wake is found by its loop's beat (worker.c).
 */
#include "storm.h"

#define TRIES 4u /* to find one that halts */

/* halt_code.S: halts with IF clear unless *wake is set, between its two labels. */
void halt_for_nmi(const volatile uint32_t *wake);
extern const char halt_for_nmi_begin[], halt_for_nmi_end[];

/* The NMI that came between the look at `wake` and the HLT must not be slept through. */
void halt_handle_nmi(struct storm_cpu *c, struct trap_frame *frame)
{
	c->wake = 1;
	if (frame->rip >= (uintptr_t)halt_for_nmi_begin &&
	    frame->rip < (uintptr_t)halt_for_nmi_end)
		frame->rip = (uintptr_t)halt_for_nmi_end;
}

static void halt_wake(struct storm_cpu *c, struct storm_cpu *target)
{
	if (target->halting == HALT_FOR_IPI)
		slot_send(c, target, SLOT_WAKE);
	else if (target->halting == HALT_FOR_NMI)
		slot_send(c, target, SLOT_NMI);
}

static void halt_until_irq(struct storm_cpu *c)
{
	irq_disable();
	c->halting = HALT_FOR_IPI;
	while (!c->wake && !c->retire && !storm_phase.over)
		irq_wait();
	c->halting = HALT_NOT;
	irq_enable();
}

static void halt_until_nmi(struct storm_cpu *c)
{
	irq_disable();
	c->halting = HALT_FOR_NMI;
	while (!c->wake)
		halt_for_nmi(&c->wake);
	c->halting = HALT_NOT;
	irq_enable();
}

static void halt_until_timer(struct storm_cpu *c)
{
	irq_disable();
	c->halting = HALT_FOR_TIMER;
	while (*(volatile uint32_t *)&c->timer.expect)
		irq_wait();
	c->halting = HALT_NOT;
	irq_enable();
}

/* Arms the timer, or takes it as it is. */
static void halt_with_timer(struct storm_cpu *c)
{
	if (!*(volatile uint32_t *)&c->timer.expect)
		timer_arm(c);
	c->count[PART_HALT].sent++;
	halt_until_timer(c);
	c->count[PART_HALT].arrived++;
}

static void halt_step(struct storm_cpu *c, bool stop)
{
	unsigned int i;

	for (i = 0; i < TRIES; i++)
		halt_wake(c, storm_random_cpu(c));
	if (stop)
		return;
	c->wake = 0;
	switch (storm_random(c, 4)) {
	case 0:
		halt_with_timer(c);
		break;
	case 1:
		if (c->index)
			halt_until_irq(c);
		break;
	case 2:
		if (c->index)
			halt_until_nmi(c);
		break;
	default: /* stays awake for a turn */
		break;
	}
}

/* It does not halt while its loop asks; but the timer it has armed may still be running. */
static bool halt_is_idle(const struct storm_cpu *c)
{
	return part_timer.is_idle(c);
}

const struct storm_part_ops part_halt = { "halt", halt_step, halt_is_idle };
