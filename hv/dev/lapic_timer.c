/*
 * The local APIC's timer (SDM vol. 3 11.5.4). The count is not kept but computed from the time
 * that passed, so it costs nothing while nobody looks; only an unmasked timer arms the host's. The
 * host timer's callback merely flags the event, and the owner does the rest: so there is no lock,
 * and a vCPU that does not run cannot be made to interrupt the host periodically.
 */
#include "core/time.h"
#include "hv/dev/lapic.h"

_Static_assert(NSEC_PER_SEC / LAPIC_TIMER_HZ * LAPIC_TIMER_MIN_CLOCKS == 20000, "as documented");

/* Any CPU. May be late, or stale: lapic_timer_expired() looks again. */
static void lapic_timer_fn(struct timer *timer)
{
	struct lapic *l = container_of(timer, struct lapic, timer.timer);

	atomic_fetch_or(&l->events, LAPIC_EVENT_TIMER);
	l->config.ops->notify(l->config.ctx);
}

/* Clocks since t->base. */
static u64 lapic_timer_clocks(const struct lapic_timer *t)
{
	u64 now = time_now();

	/* Another CPU's TSC may be a little behind the one that set base. */
	return now > t->base ? time_muldiv(now - t->base, LAPIC_TIMER_HZ, time_hz()) : 0;
}

/* The first tick at which that many clocks have passed. */
static u64 lapic_timer_ticks(const struct lapic_timer *t, u64 clocks)
{
	u64 ticks = time_muldiv(clocks, time_hz(), LAPIC_TIMER_HZ);

	if (time_muldiv(ticks, LAPIC_TIMER_HZ, time_hz()) < clocks)
		ticks++;
	return t->base + ticks;
}

/* Clocks until the end of the period that clock `clocks` lies in; t->next is after it. */
static u64 lapic_timer_remaining(const struct lapic_timer *t, u64 clocks)
{
	u64 remaining = t->next - clocks;

	/* An interrupt may serve several periods, see lapic_timer_advance(). */
	return remaining > t->period ? (remaining - 1) % t->period + 1 : remaining;
}

/* Owner. Arms the host's timer for what the guest's is about to do. */
static void lapic_timer_arm(struct lapic *l)
{
	struct lapic_timer *t = &l->timer;

	if (!t->next || t->masked)
		timer_cancel(&t->timer);
	else
		timer_set(&t->timer, lapic_timer_ticks(t, t->next));
}

/* Moves on after the count reached 0. Whole periods only, so nothing is lost to latency. */
static void lapic_timer_advance(struct lapic_timer *t, u64 clocks)
{
	u64 from = clocks;

	if (t->mode != LAPIC_PERIODIC) {
		t->next = 0;
		return;
	}
	if (t->period < LAPIC_TIMER_MIN_CLOCKS)
		from += LAPIC_TIMER_MIN_CLOCKS - 1;
	t->next += ((from - t->next) / t->period + 1) * t->period;
}

static bool lapic_timer_raise(struct lapic *l)
{
	u8 vector = (u8)lapic_reg(l, LAPIC_LVT_TIMER);

	if (l->timer.masked)
		return false;
	if (vector < LAPIC_VECTOR_MIN)
		lapic_error(l, LAPIC_ESR_RECEIVE_VECTOR);
	else
		lapic_raise(l, vector);
	return true;
}

/* The guest's TSC at a host tick. */
static u64 lapic_timer_tsc(const struct lapic *l, u64 now)
{
	return guest_tsc_scale(&l->config.tsc, now) + l->timer.tsc_offset;
}

static bool lapic_timer_deadline_expired(struct lapic *l)
{
	struct lapic_timer *t = &l->timer;
	u64 now = time_now(), guest = lapic_timer_tsc(l, now);

	if (!t->deadline)
		return false;
	if (guest < t->deadline) {
		if (!t->masked)
			timer_set(&t->timer,
				  guest_tsc_when(&l->config.tsc, now, t->deadline - guest));
		return false;
	}
	t->deadline = 0;
	timer_cancel(&t->timer);
	return lapic_timer_raise(l);
}

bool lapic_timer_expired(struct lapic *l)
{
	struct lapic_timer *t = &l->timer;
	bool raised = false;
	u64 clocks;

	if (t->mode == LAPIC_TSC_DEADLINE)
		return lapic_timer_deadline_expired(l);
	if (!t->next)
		return false;
	clocks = lapic_timer_clocks(t);
	if (clocks >= t->next) {
		lapic_timer_advance(t, clocks);
		raised = lapic_timer_raise(l);
	}
	lapic_timer_arm(l); /* also when it was not time yet: the armed one is used up */
	return raised;
}

/* On a guest's access: what is due is not to be overtaken by the access. */
static void lapic_timer_catch_up(struct lapic *l)
{
	if (lapic_timer_expired(l))
		l->config.ops->notify(l->config.ctx);
}

u64 lapic_timer_deadline(struct lapic *l)
{
	if (l->timer.mode != LAPIC_TSC_DEADLINE || !l->timer.deadline)
		return 0;
	lapic_timer_catch_up(l);
	return l->timer.deadline;
}

void lapic_timer_set_deadline(struct lapic *l, u64 deadline)
{
	struct lapic_timer *t = &l->timer;
	u64 now, guest;

	if (unlikely(t->mode != LAPIC_TSC_DEADLINE))
		return;
	t->deadline = deadline;
	now = time_now();
	guest = lapic_timer_tsc(l, now);
	if (likely(deadline > guest && !t->masked)) {
		timer_set(&t->timer, guest_tsc_when(&l->config.tsc, now, deadline - guest));
		return;
	}
	timer_cancel(&t->timer);
	if (deadline)
		lapic_timer_catch_up(l);
}

void lapic_set_tsc_offset(struct lapic *l, u64 offset)
{
	l->timer.tsc_offset = offset;
	if (l->timer.deadline)
		lapic_timer_set_deadline(l, l->timer.deadline);
}

void lapic_timer_set_count(struct lapic *l, u32 count)
{
	struct lapic_timer *t = &l->timer;

	if (t->mode > LAPIC_PERIODIC)
		count = 0; /* writes are ignored (11.5.4.1) */
	lapic_set_reg(l, LAPIC_TIMER_INIT, count);
	t->base = time_now();
	t->period = (u64)count << t->shift;
	t->next = t->period;
	lapic_timer_arm(l);
}

u32 lapic_timer_count(struct lapic *l)
{
	struct lapic_timer *t = &l->timer;
	u64 clocks, remaining;

	if (!t->next)
		return 0;
	clocks = lapic_timer_clocks(t);
	if (likely(clocks < t->next))
		remaining = lapic_timer_remaining(t, clocks);
	else if (t->mode == LAPIC_PERIODIC)
		remaining = t->period - (clocks - t->next) % t->period;
	else
		return 0;
	return (u32)((remaining + BIT(t->shift) - 1) >> t->shift);
}

void lapic_timer_set_divide(struct lapic *l, u32 value)
{
	struct lapic_timer *t = &l->timer;
	u8 old = t->shift;
	u32 count;

	lapic_timer_catch_up(l);
	count = lapic_timer_count(l);
	lapic_set_reg(l, LAPIC_TIMER_DIVIDE, value & 0xb);
	/* Bits 3, 1, 0: 0 divides by 2, 1 by 4, ... 6 by 128, 7 by 1. */
	t->shift = (u8)(((value & 3) | (value >> 1 & 4)) + 1) & 7;
	if (!t->next)
		return;
	/* Go on from the same count. It may reach 0 this very moment: then it is still to fire. */
	t->base = time_now();
	t->period = t->period >> old << t->shift;
	t->next = (u64)MAX(count, 1u) << t->shift;
	lapic_timer_arm(l);
}

/*
 * Going to or from TSC-deadline mode disarms the timer (11.5.4.1). Between one-shot and periodic
 * it goes on counting from where it is, as processors do.
 */
void lapic_timer_lvt_changed(struct lapic *l)
{
	struct lapic_timer *t = &l->timer;
	u32 entry = lapic_reg(l, LAPIC_LVT_TIMER);
	u8 mode = (u8)(entry >> LAPIC_TIMER_SHIFT & 3);

	lapic_timer_catch_up(l); /* still under the old mode and mask */
	t->masked = entry & LAPIC_LVT_MASKED;
	if (mode != t->mode && (mode > LAPIC_PERIODIC || t->mode > LAPIC_PERIODIC)) {
		lapic_set_reg(l, LAPIC_TIMER_INIT, 0);
		t->deadline = 0;
		t->next = 0;
	} else if (mode != t->mode && t->next) {
		u64 clocks = lapic_timer_clocks(t);

		if (clocks < t->next)
			t->next = clocks + lapic_timer_remaining(t, clocks);
	}
	t->mode = mode;
	if (mode == LAPIC_TSC_DEADLINE)
		lapic_timer_set_deadline(l, t->deadline);
	else
		lapic_timer_arm(l);
}

void lapic_timer_init(struct lapic *l)
{
	timer_init(&l->timer.timer, lapic_timer_fn);
}

void lapic_timer_reset(struct lapic *l)
{
	struct lapic_timer *t = &l->timer;

	timer_cancel(&t->timer);
	atomic_fetch_and(&l->events, ~LAPIC_EVENT_TIMER);
	t->deadline = 0;
	t->next = 0;
	t->mode = LAPIC_ONE_SHOT;
	t->masked = true;
	t->shift = 1;
}
