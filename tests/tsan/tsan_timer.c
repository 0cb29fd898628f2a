/* The timer queue: a thread is a CPU; devices behind locks set and cancel their timers on all. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/time.h"
#include "shim.h"
#include "tsan.h"

/* In place of the shim's. */
#include "core/timer.c"

#define DEVICES 4
#define DELAY	2000

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpus[TSAN_THREADS];
static u64 ticks; /* atomic */
static u32 ended; /* atomic: threads that have taken a device down, of all rounds */

static struct device {
	struct timer timer;
	struct spinlock lock; /* guards all below, and timer_set() */
	bool armed;
	u64 deadline, sets, ends;
} devices[DEVICES];

static struct periodic {
	struct timer timer;
	u64 fired; /* its CPU's; by whoever took it down, then */
} periodics[TSAN_THREADS];

u32 cpu_count(void)
{
	return TSAN_THREADS;
}

void apic_timer_program(u64 deadline)
{
	(void)deadline;
}

u64 time_now(void)
{
	return atomic_fetch_add(&ticks, 1);
}

static void fire(struct timer *timer)
{
	struct device *d = container_of(timer, struct device, timer);

	spin_lock(&d->lock);
	if (d->armed && !timer_is_armed(timer)) {
		TSAN_CHECK(time_now() >= d->deadline);
		d->armed = false;
		d->ends++;
	}
	spin_unlock(&d->lock);
}

static void set(struct tsan_thread *t, struct device *d)
{
	spin_lock(&d->lock);
	d->sets++;
	d->ends += d->armed;
	d->armed = true;
	d->deadline = time_now() + tsan_random(t, DELAY);
	timer_set(&d->timer, d->deadline);
	spin_unlock(&d->lock);
}

static void cancel(struct device *d)
{
	spin_lock(&d->lock);
	d->ends += d->armed;
	d->armed = false;
	timer_cancel(&d->timer);
	spin_unlock(&d->lock);
}

/* Sets itself again each time, until it is taken down by another CPU. */
static void tick(struct timer *timer)
{
	struct periodic *p = container_of(timer, struct periodic, timer);

	p->fired++;
	timer_set(timer, time_now() + 2);
}

/* The next CPU's periodic device is taken down while it ticks. */
static void take_down(struct tsan_thread *t)
{
	struct periodic *mine = &periodics[t->id];
	struct periodic *theirs = &periodics[(t->id + 1) % TSAN_THREADS];

	timer_init(&mine->timer, tick);
	timer_set(&mine->timer, time_now());
	pthread_barrier_wait(&tsan_barrier);
	for (u32 i = tsan_random(t, 16); i; i--)
		timer_run_expired();
	timer_cancel_sync(&theirs->timer);
	TSAN_CHECK(!timer_is_armed(&theirs->timer));
	/* A callback after this is a race that is reported. */
	theirs->fired = 0;
	/* Interrupts are taken meanwhile. */
	atomic_fetch_add(&ended, 1);
	while (load_acquire(&ended) % TSAN_THREADS)
		timer_run_expired();
}

static void *be_cpu(void *arg)
{
	struct tsan_thread *t = arg;

	shim_use_cpu(&cpus[t->id]);
	do {
		for (unsigned i = 0; i < 50; i++, t->operations++) {
			struct device *d = &devices[tsan_random(t, DEVICES)];

			if (tsan_random(t, 3))
				set(t, d);
			else
				cancel(d);
			timer_run_expired();
		}
		take_down(t);
	} while (tsan_meet(t));
	atomic_fetch_add(&ticks, DELAY);
	timer_run_expired();
	return NULL;
}

static void test_timers(void **unused)
{
	(void)unused;
	for (u32 i = 0; i < TSAN_THREADS; i++) {
		cpus[i].self = &cpus[i];
		cpus[i].id = i;
		cpu_table[i] = &cpus[i];
		timer_queue_init(&cpus[i].timers);
	}
	for (u32 i = 0; i < DEVICES; i++)
		timer_init(&devices[i].timer, fire);
	assert_true(tsan_run(be_cpu) > 100);
	for (u32 i = 0; i < DEVICES; i++) {
		assert_false(timer_is_armed(&devices[i].timer));
		assert_int_equal(devices[i].sets, devices[i].ends);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_timers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
