/*
 * Timers as devices use them: under the device's lock set, set again and cancelled from any CPU,
 * with callbacks that look again. None fires early, none is lost, and each setting comes to exactly
 * one end; after timer_cancel_sync() there is no callback, even if it sets its timer again.
 */
#include "torture.h"

#include "core/spinlock.h"
#include "core/time.h"
#include "core/timer.h"
#include "mm/heap.h"

#define DEVICES	  6	   /* of each CPU; any CPU uses any */
#define DELAY_MAX 2000000u /* ns */
#define PERIOD_NS 20000u

struct device {
	struct timer timer;
	struct spinlock lock; /* guards all below and the calls of timer_set() */
	bool armed;
	u64 deadline;
	u64 sets, fired, cancelled, replaced;
	u64 stale; /* callbacks that came too late to find it armed */
};

/* Sets itself again whatever happens, as a periodic device does; one for each CPU. */
struct periodic {
	struct timer timer;
	struct spinlock lock;
	u64 ticks;
	bool gone; /* its memory is given back, as it were */
};

static struct device *devices;
static struct periodic *periodics;
static u64 patience; /* ticks */

static void fire(struct timer *timer)
{
	struct device *d = container_of(timer, struct device, timer);
	u64 now;

	spin_lock(&d->lock);
	/* Not before: meanwhile it may have been set again, and have fired on another CPU, too. */
	now = time_now();
	if (!d->armed || timer_is_armed(timer)) {
		d->stale++;
	} else {
		TORTURE_CHECK(now >= d->deadline, "a timer fires %lu ticks early",
			      d->deadline - now);
		d->armed = false;
		d->fired++;
	}
	spin_unlock(&d->lock);
}

static void set(struct torture_worker *w, struct device *d)
{
	u64 ns = torture_random(w, 8) ? torture_random(w, DELAY_MAX) : 0;

	spin_lock(&d->lock);
	d->sets++;
	d->replaced += d->armed;
	d->armed = true;
	d->deadline = time_now() + time_ns_to_ticks(ns);
	timer_set(&d->timer, d->deadline);
	spin_unlock(&d->lock);
}

static void cancel(struct device *d)
{
	spin_lock(&d->lock);
	d->cancelled += d->armed;
	d->armed = false;
	timer_cancel(&d->timer);
	TORTURE_CHECK(!timer_is_armed(&d->timer), "a timer is armed after timer_cancel()");
	spin_unlock(&d->lock);
}

/* An armed timer fires some time. */
static void check_lost(struct device *d)
{
	u64 now;

	spin_lock(&d->lock);
	now = time_now();
	TORTURE_CHECK(!d->armed || now < d->deadline || now - d->deadline < patience,
		      "a timer has not fired %lu us after its deadline; %s",
		      time_ticks_to_ns(now - d->deadline) / 1000,
		      timer_is_armed(&d->timer) ? "armed" : "not armed");
	spin_unlock(&d->lock);
}

static void tick(struct timer *timer)
{
	struct periodic *p = container_of(timer, struct periodic, timer);

	TORTURE_CHECK(!READ_ONCE(p->gone), "a callback after timer_cancel_sync()");
	spin_lock(&p->lock);
	p->ticks++;
	timer_set(timer, time_now() + time_ns_to_ticks(PERIOD_NS));
	spin_unlock(&p->lock);
}

/* What taking a device down does, from another CPU than its timer's. */
static void take_down(struct torture_worker *w)
{
	struct periodic *p = &periodics[(w->cpu + 1) % cpu_count()];

	timer_cancel_sync(&p->timer);
	TORTURE_CHECK(!timer_is_armed(&p->timer), "a timer is armed after timer_cancel_sync()");
	WRITE_ONCE(p->gone, true);
}

static void start_periodic(struct torture_worker *w)
{
	struct periodic *p = &periodics[w->cpu];

	timer_init(&p->timer, tick);
	p->ticks = 0;
	WRITE_ONCE(p->gone, false);
	timer_set(&p->timer, time_now() + time_ns_to_ticks(PERIOD_NS));
}

/* The next CPU's is taken down while it ticks. */
static void periodic_round(struct torture_worker *w)
{
	start_periodic(w);
	torture_meet(w);
	for (u32 i = torture_random(w, 64); i; i--)
		sched_yield();
	take_down(w);
	torture_meet(w);
	/* It would fire here. */
	for (u32 i = 0; i < 16; i++)
		sched_yield();
}

static void one_operation(struct torture_worker *w)
{
	struct device *d = &devices[torture_random(w, cpu_count() * DEVICES)];

	switch (torture_random(w, 4)) {
	case 0:
		cancel(d);
		break;
	case 1:
		check_lost(d);
		break;
	default:
		set(w, d);
	}
}

static void begin(void)
{
	patience = time_ns_to_ticks(TORTURE_PATIENCE_NS);
	devices = torture_alloc(cpu_count() * DEVICES * sizeof(*devices));
	periodics = torture_alloc(cpu_count() * sizeof(*periodics));
	for (u32 i = 0; i < cpu_count() * DEVICES; i++)
		timer_init(&devices[i].timer, fire);
}

static bool all_fired(const struct device *mine)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		if (READ_ONCE(mine[i].armed))
			return false;
	}
	return true;
}

static void work(struct torture_worker *w)
{
	struct device *mine = &devices[w->cpu * DEVICES];

	do {
		for (unsigned i = 0; i < 500 && torture_going(w); i++)
			one_operation(w);
		periodic_round(w);
	} while (torture_meet(w));
	/* Nobody sets one any more. */
	while (!all_fired(mine) && torture_waiting()) {
		for (unsigned i = 0; i < DEVICES; i++)
			check_lost(&mine[i]);
	}
}

static void end(void)
{
	for (u32 i = 0; i < cpu_count() * DEVICES; i++) {
		const struct device *d = &devices[i];

		TORTURE_CHECK(d->sets == d->fired + d->cancelled + d->replaced,
			      "%lu settings: %lu fired, %lu were cancelled, %lu replaced", d->sets,
			      d->fired, d->cancelled, d->replaced);
		TORTURE_CHECK(!timer_is_armed(&d->timer), "a timer is still armed");
	}
	heap_free(devices);
	heap_free(periodics);
}

const struct torture_part part_timer = { "timer", begin, work, end };
