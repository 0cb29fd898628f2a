/*
 * The local APIC's timer in its three modes. One-shot and TSC deadline: one interrupt each, not
 * before its time. Periodic: the n-th interrupt not before n periods have passed; fewer may come, as
 * those that fall due together are one.
 */
#include "storm.h"

#define CRYSTAL_DEFAULT 25000000ull
#define DIVIDE_BY_1	0xb
#define DIVIDE_BY_4	0x1
#define LENGTH_MIN_US	20u
#define LENGTH_MAX_US	2000u
#define PERIODS_MAX	20u
#define FAR_SECONDS	100u /* set, and taken back */
#define ROUNDING	4096 /* of the frequencies that CPUID names, as a fraction */

enum timer_kind { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE, TIMER_TAKEN_BACK, TIMER_KINDS };

static uint64_t timer_crystal_hz;

/* What may be wrong with LENGTH: its conversion to the timer's clock and back. */
static uint64_t timer_tolerance(uint64_t length)
{
	return length / ROUNDING + 2 * (storm_hz / timer_crystal_hz + 1);
}

static void timer_error(const struct storm_cpu *c, const char *what, uint64_t a, uint64_t b)
{
	error_record(&(struct storm_error){ .what = what,
					    .part = PART_TIMER,
					    .vector = VECTOR_TIMER,
					    .from = NOBODY,
					    .to = (int)c->index,
					    .since = c->timer.start,
					    .a = a,
					    .b = b });
}

static void timer_stop(struct storm_timer *t)
{
	if (t->mode == APIC_TIMER_DEADLINE)
		wrmsr(MSR_TSC_DEADLINE, 0);
	else
		apic_write(APIC_TIMER_COUNT, 0);
	t->expect = apic_bit(APIC_IRR, VECTOR_TIMER);
}

/* Interrupt number t->ticks of a periodic timer. */
static void timer_tick(struct storm_cpu *c, uint64_t now)
{
	struct storm_timer *t = &c->timer;
	uint64_t due = t->ticks * t->length;

	t->late = now + t->length + storm_timeout;
	if (now - t->start + timer_tolerance(due) < due)
		timer_error(c, "early: number, and TSC ticks until it was due", t->ticks,
			    due - (now - t->start));
	if (t->ticks >= t->wanted)
		timer_stop(t);
}

static void timer_handle(struct trap_frame *frame __attribute__((unused)))
{
	uint64_t now = rdtsc();
	struct storm_cpu *c = storm_this();
	struct storm_timer *t = &c->timer;

	c->count[PART_TIMER].arrived++;
	if (!t->expect) {
		timer_error(c, "spurious: mode and interrupts so far", t->mode, t->ticks);
	} else if (t->mode == APIC_TIMER_PERIODIC) {
		c->count[PART_TIMER].sent++;
		t->ticks++;
		timer_tick(c, now);
	} else {
		t->ticks++;
		t->expect--;
		if (now - t->start + timer_tolerance(t->length) < t->length)
			timer_error(c, "early: mode, and TSC ticks until it was due", t->mode,
				    t->length - (now - t->start));
	}
	apic_eoi();
}

static void timer_set_mode(struct storm_timer *t, uint32_t mode)
{
	t->mode = mode;
	apic_write(APIC_TIMER, mode | VECTOR_TIMER);
	storm_mb(); /* SDM 3A, 11.5.4.1: an xAPIC's entry before the deadline */
}

/* LENGTH in TSC ticks, in the mode that was set. */
static void timer_set(struct storm_timer *t, uint64_t length, bool slow)
{
	uint32_t divide = slow ? 4 : 1;
	uint64_t count = length * (timer_crystal_hz / 1000) / (storm_hz / 1000) / divide + 1;

	t->start = rdtsc();
	t->late = t->start + length + storm_timeout;
	if (t->mode == APIC_TIMER_DEADLINE) {
		t->length = length;
		wrmsr(MSR_TSC_DEADLINE, t->start + length);
		return;
	}
	t->length = count * divide * (storm_hz / 1000) / (timer_crystal_hz / 1000);
	apic_write(APIC_TIMER_DIVIDE, slow ? DIVIDE_BY_4 : DIVIDE_BY_1);
	apic_write(APIC_TIMER_COUNT, (uint32_t)count);
}

/* Set, and taken back before it is due, or just then: IRR says which. */
static void timer_take_back(struct storm_cpu *c, uint64_t length)
{
	struct storm_timer *t = &c->timer;
	bool far = storm_random(c, 2);

	timer_set(t, far ? FAR_SECONDS * storm_hz : length, false);
	while (!far && rdtsc() - t->start + LENGTH_MIN_US < length)
		cpu_pause();
	timer_stop(t);
	c->count[PART_TIMER].sent += t->expect;
}

static void timer_arm_kind(struct storm_cpu *c, enum timer_kind kind)
{
	struct storm_timer *t = &c->timer;
	uint64_t us = LENGTH_MIN_US + storm_random(c, LENGTH_MAX_US - LENGTH_MIN_US);
	uint64_t length = us * (storm_hz / 1000000);
	bool slow = storm_random(c, 2);

	t->ticks = 0;
	t->wanted = 1 + storm_random(c, PERIODS_MAX);
	switch (kind) {
	case TIMER_ONE_SHOT:
		timer_set_mode(t, 0);
		break;
	case TIMER_PERIODIC:
		timer_set_mode(t, APIC_TIMER_PERIODIC);
		break;
	default:
		timer_set_mode(t, APIC_TIMER_DEADLINE);
		break;
	}
	t->expect = 1;
	if (kind == TIMER_TAKEN_BACK) {
		timer_take_back(c, length);
		return;
	}
	c->count[PART_TIMER].sent += kind != TIMER_PERIODIC;
	/* Now and then a deadline that has passed. */
	if (kind == TIMER_DEADLINE && !storm_random(c, 8))
		length = 0;
	timer_set(t, length, slow);
}

/* Between the setting and what is noted of it no interrupt of its own may come. */
void timer_arm(struct storm_cpu *c)
{
	irq_disable();
	timer_arm_kind(c, (enum timer_kind)storm_random(c, TIMER_KINDS));
	irq_enable();
}

void timer_check(struct storm_cpu *c)
{
	const struct storm_timer *t = &c->timer;

	irq_disable();
	if (t->expect && rdtsc() > t->late)
		timer_error(c, "lost: mode, and interrupts so far", t->mode, t->ticks);
	irq_enable();
}

static void timer_step(struct storm_cpu *c, bool stop)
{
	if (*(volatile uint32_t *)&c->timer.expect)
		timer_check(c);
	else if (!stop)
		timer_arm(c);
}

static bool timer_is_idle(const struct storm_cpu *c)
{
	return !*(const volatile uint32_t *)&c->timer.expect;
}

void timer_init(void)
{
	timer_crystal_hz = cpuid(0, 0).eax >= 0x15 ? cpuid(0x15, 0).ecx : 0;
	if (!timer_crystal_hz)
		timer_crystal_hz = CRYSTAL_DEFAULT;
	trap_set_handler(VECTOR_TIMER, timer_handle);
}

const struct storm_part_ops part_timer = { "timer", timer_step, timer_is_idle };
