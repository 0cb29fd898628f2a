/*
 * The scheduler's policy on several CPUs: the real code and real stacks, on CPUs that are simulated
 * one step after the other, with a clock that a test moves. What a step does is atomic for the
 * others: races are the torture's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "shim.h"

/* The C library has a sched_yield() too; the idle loop's HLT ends the CPU's step. */
#define sched_yield	  neap_sched_yield
#define cpu_sti_hlt_cli() sim_halt()
static void sim_halt(void);
#include "core/sched.c"

#define CPUS   8
#define BODIES 80
#define STACK  65536
#define TICK   100000u /* ns of a step, and ticks of the clock: SHIM_HZ is 1 GHz */
#define MS     (1000000 / TICK)
#define WORK   BIT(1)
#define STOP   BIT(2)
_Static_assert(SHIM_HZ == 1000000000ull, "a tick of the clock is a nanosecond");

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpus[CPUS];
static u32 cpu_total;
static void *main_sp, *cpu_sp[CPUS];
static char *idle_stacks[CPUS];
static bool halted[CPUS], kicked[CPUS];
static unsigned kicks;
static u64 seed;

/* A thread, and what a test wants of it. */
static struct body {
	struct thread t;
	u64 steps, since;   /* it ran; set to 0 by reset_steps() */
	bool spins;	    /* yields as a guest that waits */
	u64 works;	    /* steps for each WORK posted; 0: never sleeps */
	u64 wakes, latency; /* the latter: of the last wake-up, in steps */
	u64 posted_at;
	int loaded_on;
} bodies[BODIES];
static unsigned body_count;
static u64 step_now;

u32 cpu_count(void)
{
	return cpu_total;
}

void trap_irq_window(void)
{
}

void apic_send_ipi(u32 apic_id, u8 vector)
{
	assert_int_equal(vector, VEC_KICK);
	kicked[apic_id] = true;
	kicks++;
}

void *kstack_alloc(void)
{
	char *p = aligned_alloc(16, STACK);

	return p ? p + STACK : NULL;
}

/* --- the machine --- */

static void end_step(void)
{
	switch_stacks(&cpu_sp[this_cpu()->id], main_sp);
}

static void sim_halt(void)
{
	halted[this_cpu()->id] = true;
	end_step();
}

static void step_cpu(u32 i)
{
	if (halted[i] && !kicked[i])
		return;
	halted[i] = kicked[i] = false;
	shim_use_cpu(&cpus[i]);
	switch_stacks(&main_sp, cpu_sp[i]);
}

static void run(u64 steps)
{
	for (; steps; steps--) {
		step_now++;
		shim_run_until(time_now() + TICK);
		for (u32 i = 0; i < cpu_total; i++)
			step_cpu(i);
	}
}

/* As an interrupt on CPU `on`. */
static void post(u32 on, struct body *b, u32 bits)
{
	shim_use_cpu(&cpus[on]);
	kicked[on] = true;
	b->posted_at = step_now;
	sched_post(&b->t, bits);
}

static void make_cpu(u32 i)
{
	u64 *sp;

	idle_stacks[i] = aligned_alloc(16, STACK);
	sp = (u64 *)(idle_stacks[i] + STACK) - 1;
	memset(&cpus[i], 0, sizeof(cpus[i]));
	cpus[i].self = &cpus[i];
	cpus[i].id = cpus[i].apic_id = i;
	cpu_table[i] = &cpus[i];
	shim_use_cpu(&cpus[i]);
	sched_init_cpu();
	*--sp = (u64)sched_idle;
	for (unsigned k = 0; k < 6; k++)
		*--sp = 0;
	cpu_sp[i] = sp;
	halted[i] = kicked[i] = false;
}

static void machine(u32 n)
{
	cpu_total = n;
	/* None idles still from the test before. */
	for (u32 i = 0; i < CPUS; i++)
		(void)sched_place_claim(i);
	for (u32 i = 0; i < n; i++)
		make_cpu(i);
	run(2);
}

static u32 random_below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

/* --- threads --- */

static void body_evict(struct thread *t)
{
	struct body *b = container_of(t, struct body, t);

	assert_int_equal(b->loaded_on, this_cpu()->id);
	b->loaded_on = -1;
}

/* As ensure_loaded() in hv/vcpu.c. */
static void body_load(struct body *b)
{
	if (this_cpu()->resident == &b->t) {
		assert_int_equal(b->loaded_on, this_cpu()->id);
		return;
	}
	assert_null(this_cpu()->resident);
	assert_int_equal(b->loaded_on, -1);
	sched_hold();
	b->loaded_on = (int)this_cpu()->id;
}

static void body_step(struct body *b)
{
	b->steps++;
	assert_int_equal(b->loaded_on, this_cpu()->id);
	assert_ptr_equal(b->t.cpu, this_cpu());
	assert_true(!b->t.allowed || cpu_set_has(b->t.allowed, this_cpu()->id));
	end_step();
	if (b->spins)
		sched_yield_spinning();
	if (READ_ONCE(b->t.pending) & THREAD_RESCHED) {
		sched_preempt();
		body_load(b);
	}
}

static void body_sleep(struct body *b)
{
	while (!(READ_ONCE(b->t.pending) & (WORK | STOP)))
		sched_block(WORK | STOP);
	atomic_fetch_and(&b->t.pending, ~(u32)WORK);
	body_load(b);
	b->wakes++;
	b->latency = step_now - b->posted_at;
}

static void body_main(void *arg)
{
	struct body *b = arg;

	body_load(b);
	while (!(READ_ONCE(b->t.pending) & STOP)) {
		if (b->works)
			body_sleep(b);
		for (u64 i = 0; i < MAX(b->works, 1u) && !(READ_ONCE(b->t.pending) & STOP); i++)
			body_step(b);
	}
	sched_let_go();
}

static struct body *add(u32 cpu, u32 weight, const struct cpu_set *allowed)
{
	struct body *b = &bodies[body_count++];

	memset(b, 0, sizeof(*b));
	b->loaded_on = -1;
	assert_int_equal(sched_prepare(&b->t, "body", cpu, body_main, b), 0);
	sched_set_share(&b->t, weight, allowed);
	b->t.evict = body_evict;
	return b;
}

static struct body *start(u32 cpu, u32 weight, const struct cpu_set *allowed)
{
	struct body *b = add(cpu, weight, allowed);

	shim_use_cpu(&cpus[0]);
	kicked[0] = true;
	sched_start(&b->t);
	return b;
}

static struct body *start_sleeper(u32 cpu, u64 works, const struct cpu_set *allowed)
{
	struct body *b = add(cpu, SCHED_WEIGHT_DEFAULT, allowed);

	b->works = works;
	shim_use_cpu(&cpus[0]);
	kicked[0] = true;
	sched_start(&b->t);
	return b;
}

static void reset_steps(void)
{
	for (unsigned i = 0; i < body_count; i++)
		bodies[i].steps = 0;
}

/* Its part of one CPU, in percent, since the last reset. */
static u64 percent(const struct body *b, u64 steps)
{
	return (100 * b->steps + steps / 2) / steps;
}

static struct cpu_set everywhere;

static int set_up(void **unused)
{
	(void)unused;
	body_count = 0;
	step_now = 0;
	kicks = 0;
	seed = 0x9e3779b97f4a7c15;
	shim_set_time(1000000000);
	cpu_set_add_all(&everywhere);
	return 0;
}

/* All end, and leave nothing behind. */
static int tear_down(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < body_count; i++)
		post(0, &bodies[i], STOP);
	run(600 * MS);
	for (unsigned i = 0; i < body_count; i++) {
		assert_true(sched_is_over(&bodies[i].t));
		assert_int_equal(bodies[i].loaded_on, -1);
		free((char *)bodies[i].t.stack_top - STACK);
	}
	for (u32 i = 0; i < cpu_total; i++) {
		assert_int_equal(cpus[i].runqueue.length, 0);
		assert_int_equal(cpus[i].runqueue.movable, 0);
		assert_int_equal(cpus[i].runqueue.load, 0);
		assert_true(rb_is_empty(&cpus[i].runqueue.ready));
		assert_true(halted[i]);
		assert_null(cpus[i].resident);
		assert_false(timer_is_armed(&slice_timers[i]));
		free(idle_stacks[i]);
	}
	return 0;
}

/* --- shares --- */

static void check_weights(u32 a, u32 b, u64 expected)
{
	struct body *x = start(0, a, &everywhere), *y = start(0, b, &everywhere);

	run(50 * MS);
	reset_steps();
	run(10000 * MS);
	assert_in_range(percent(x, 10000 * MS), expected - 1, expected + 1);
	assert_in_range(percent(x, 10000 * MS) + percent(y, 10000 * MS), 99, 101);
	assert_in_range(x->t.run_ticks / TICK, x->steps - 5, x->steps + 60 * MS);
}

static void test_equal_weights(void **unused)
{
	(void)unused;
	machine(1);
	check_weights(100, 100, 50);
}

static void test_three_to_one(void **unused)
{
	(void)unused;
	machine(1);
	check_weights(300, 100, 75);
}

static void test_edges_of_weights(void **unused)
{
	(void)unused;
	machine(1);
	check_weights(SCHED_WEIGHT_MAX, 1, 100);
	assert_true(bodies[1].steps > 0);
}

static void check_parts(unsigned n, u64 expected)
{
	run(100 * MS);
	reset_steps();
	run(12000 * MS);
	for (unsigned i = 0; i < n; i++)
		assert_in_range(percent(&bodies[i], 12000 * MS), expected - 3, expected + 3);
}

static void test_three_on_two(void **unused)
{
	(void)unused;
	machine(2);
	for (unsigned i = 0; i < 3; i++)
		start(0, 100, &everywhere);
	check_parts(3, 67);
}

static void test_five_on_four(void **unused)
{
	(void)unused;
	machine(4);
	for (unsigned i = 0; i < 5; i++)
		start(0, 100, &everywhere);
	check_parts(5, 80);
}

/* As many as CPUs, all of them begun on one: each soon has its own, and no tick. */
static void test_one_each(void **unused)
{
	unsigned before;

	(void)unused;
	machine(4);
	for (unsigned i = 0; i < 4; i++)
		start(1, 100, &everywhere);
	check_parts(4, 100);
	before = kicks;
	run(1000 * MS);
	assert_int_equal(kicks, before);
	for (u32 i = 0; i < 4; i++)
		assert_false(timer_is_armed(&slice_timers[i]));
}

/* One that deserves a whole CPU gets it; the others share the rest. */
static void test_weights_on_two(void **unused)
{
	(void)unused;
	machine(2);
	start(0, 300, &everywhere);
	for (unsigned i = 0; i < 3; i++)
		start(1, 100, &everywhere);
	run(1000 * MS);
	reset_steps();
	run(6000 * MS);
	assert_in_range(percent(&bodies[0], 6000 * MS), 97, 100);
	for (unsigned i = 1; i < 4; i++)
		assert_in_range(percent(&bodies[i], 6000 * MS), 30, 37);
}

/* --- where they may run --- */

static void test_pinned(void **unused)
{
	struct cpu_set one = { { BIT(1) } }, two = { { BIT(2) | BIT(3) } };

	(void)unused;
	machine(4);
	start(1, 100, &one);
	start(1, 100, &one);
	for (unsigned i = 0; i < 3; i++)
		start(3, 100, &two);
	run(100 * MS);
	reset_steps();
	run(6000 * MS);
	for (unsigned i = 0; i < 2; i++) {
		assert_in_range(percent(&bodies[i], 6000 * MS), 49, 51);
		assert_int_equal(bodies[i].t.migrations, 0);
	}
	for (unsigned i = 2; i < 5; i++)
		assert_in_range(percent(&bodies[i], 6000 * MS), 64, 70);
	assert_true(halted[0]);
	post(0, &bodies[0], STOP); /* the sets are about to go */
	for (unsigned i = 1; i < 5; i++)
		post(0, &bodies[i], STOP);
	run(10 * MS);
}

/* The last CPU that there can be is one like the others. */
static void test_sets(void **unused)
{
	struct cpu_set s = { { 0 } };

	(void)unused;
	cpu_total = 0;
	assert_int_equal(cpu_set_next(&s, 0), CPU_MAX);
	cpu_set_add(&s, CPU_MAX - 1);
	assert_int_equal(cpu_set_next(&s, 0), CPU_MAX - 1);
	assert_int_equal(cpu_set_next(&s, CPU_MAX - 1), CPU_MAX - 1);
	assert_int_equal(cpu_set_next(&s, CPU_MAX), CPU_MAX);
	assert_true(cpu_set_has(&s, CPU_MAX - 1));
	assert_true(cpu_set_clear(&s, CPU_MAX - 1));
	assert_false(cpu_set_clear(&s, CPU_MAX - 1));
	cpu_set_mark(&s, 64);
	assert_int_equal(cpu_set_next(&s, 1), 64);
	assert_int_equal(cpu_set_next(&s, 65), CPU_MAX);
}

/* Its own CPU if that idles, state and all; another one at once if not. */
static void test_wakes_where_idle(void **unused)
{
	struct body *s, *hog;

	(void)unused;
	machine(4);
	s = start_sleeper(2, 1, &everywhere);
	run(5);
	assert_int_equal(s->loaded_on, 2);
	for (unsigned i = 0; i < 20; i++) {
		post(i % 4, s, WORK);
		run(3);
		assert_int_equal(s->wakes, i + 1);
		assert_int_equal(s->latency, 1);
		assert_int_equal(s->loaded_on, 2);
	}
	assert_int_equal(s->t.migrations, 0);
	hog = start(2, 100, &(struct cpu_set){ { BIT(2) } });
	run(5);
	assert_int_equal(s->loaded_on, -1);
	post(0, s, WORK);
	run(2);
	assert_int_equal(s->latency, 1);
	assert_int_equal(s->t.migrations, 1);
	assert_int_not_equal(s->loaded_on, 2);
	post(0, hog, STOP);
	run(5);
	assert_true(sched_is_over(&hog->t));
}

/* A thread that waits behind another one is taken by whoever has nothing to do. */
static void test_pull(void **unused)
{
	struct body *a, *b, *c;

	(void)unused;
	machine(2);
	a = start(0, 100, &everywhere);
	b = start(1, 100, &everywhere);
	c = start(0, 100, &everywhere);
	run(2);
	post(0, b->loaded_on == 1 ? b : a, STOP);
	run(3);
	reset_steps();
	run(10);
	assert_int_equal(a->steps + b->steps + c->steps, 20);
}

/* --- sleep and preemption --- */

/* Long sleep is no credit: half of the CPU from then on; but it goes first. */
static void test_sleeper_does_not_hoard(void **unused)
{
	struct body *hog, *s;

	(void)unused;
	machine(1);
	hog = start(0, 100, &everywhere);
	s = start_sleeper(0, 1000 * MS, &everywhere);
	run(5000 * MS);
	reset_steps();
	post(0, s, WORK);
	run(200 * MS);
	assert_in_range(s->latency, 1, 2);
	assert_in_range(percent(s, 200 * MS), 49, 53);
	assert_in_range(percent(hog, 200 * MS), 47, 51);
}

/* Who sleeps most of the time is served at once, though the CPU is never idle. */
static void test_latency(void **unused)
{
	struct body *s;

	(void)unused;
	machine(1);
	start(0, 100, &everywhere);
	start(0, 100, &everywhere);
	s = start_sleeper(0, 1, &everywhere);
	run(100 * MS);
	for (unsigned i = 0; i < 100; i++) {
		post(0, s, WORK);
		run(10 * MS);
		assert_int_equal(s->wakes, i + 1);
		assert_in_range(s->latency, 1, 2);
	}
}

/* Who has just run does not take the CPU from another one by a nap: no ping-pong. */
static void test_short_nap(void **unused)
{
	struct body *hog, *s;
	u64 before;

	(void)unused;
	machine(1);
	hog = start(0, 100, &everywhere);
	s = start_sleeper(0, 2, &everywhere);
	for (unsigned i = 0; i < 2000; i++) {
		post(0, s, WORK);
		run(1);
	}
	before = hog->t.switches;
	reset_steps();
	for (unsigned i = 0; i < 1000 * MS; i++) {
		post(0, s, WORK);
		run(1);
	}
	assert_in_range(percent(hog, 1000 * MS), 45, 55);
	assert_in_range(hog->t.switches - before, 100, 1000);
}

/* --- yields --- */

/* What it gave away while it spun comes back. */
static void test_spinner_keeps_its_share(void **unused)
{
	struct body *a, *b;

	(void)unused;
	machine(1);
	a = start(0, 100, &everywhere);
	b = start(0, 100, &everywhere);
	a->spins = true;
	run(30 * MS);
	assert_true(a->steps < b->steps);
	a->spins = false;
	run(5000 * MS);
	assert_in_range(a->steps, b->steps - 10 * MS, b->steps + 10 * MS);
}

/* Many that spin for one that does not: it gets nearly all of the CPU. */
static void test_spinners_give_way(void **unused)
{
	struct body *holder;

	(void)unused;
	machine(1);
	for (unsigned i = 0; i < 8; i++)
		start(0, 100, &everywhere)->spins = true;
	holder = start(0, 100, &everywhere);
	run(20 * MS);
	assert_true(holder->steps > 0);
	run(80 * MS);
	assert_true(holder->steps > 10 * MS);
}

static void test_alone_spinning(void **unused)
{
	struct body *a;

	(void)unused;
	machine(1);
	a = start(0, 100, &everywhere);
	a->spins = true;
	run(100);
	assert_int_equal(a->t.switches, 1);
}

/* --- many --- */

static void test_sixty_four(void **unused)
{
	(void)unused;
	machine(1);
	for (unsigned i = 0; i < 64; i++)
		start(0, 100, &everywhere);
	run(40 * MS);
	for (unsigned i = 0; i < 64; i++)
		assert_true(bodies[i].steps > 0);
	reset_steps();
	run(6400 * MS);
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(bodies[i].steps, 90 * MS, 110 * MS);
}

/* All kinds at once, posted to from everywhere: nobody is forgotten, and nothing is lost. */
static void test_storm(void **unused)
{
	u64 posts[40] = { 0 };
	struct cpu_set some = { { BIT(1) | BIT(3) | BIT(4) } };

	(void)unused;
	machine(6);
	for (unsigned i = 0; i < 40; i++)
		start_sleeper(i % 2 ? 1 : i % 6, 1 + i % 7, i % 2 ? &some : &everywhere);
	for (unsigned i = 0; i < 8; i++)
		start(0, 1 + 100 * i, &everywhere);
	for (unsigned n = 0; n < 20000; n++) {
		struct body *b = &bodies[random_below(40)];

		if (random_below(4) == 0 && !(READ_ONCE(b->t.pending) & WORK)) {
			posts[b - bodies]++;
			post(random_below(6), b, WORK);
		}
		run(1);
	}
	run(2000 * MS);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(bodies[i].wakes, posts[i]);
		assert_int_equal(bodies[i].t.state, THREAD_BLOCKED);
		post(0, &bodies[i], STOP);
	}
	run(1000 * MS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_equal_weights),
		T(test_three_to_one),
		T(test_edges_of_weights),
		T(test_three_on_two),
		T(test_five_on_four),
		T(test_one_each),
		T(test_weights_on_two),
		T(test_pinned),
		T(test_sets),
		T(test_wakes_where_idle),
		T(test_pull),
		T(test_sleeper_does_not_hoard),
		T(test_latency),
		T(test_short_nap),
		T(test_spinner_keeps_its_share),
		T(test_spinners_give_way),
		T(test_alone_spinning),
		T(test_sixty_four),
		T(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
