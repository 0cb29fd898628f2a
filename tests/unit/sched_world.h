/*
 * The scheduler on several CPUs: the real code and real stacks, on CPUs that are simulated one step
 * after the other, with a clock that a test moves. What a step does is atomic for the others: races
 * are the torture's. Included by one file of a program.
 */
#ifndef NEAP_TESTS_SCHED_WORLD_H
#define NEAP_TESTS_SCHED_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "shim.h"

/* The C library has a sched_yield() too; the idle loop's HLT ends the CPU's step. */
#define sched_yield	  neap_sched_yield
#define cpu_sti_hlt_cli() sim_halt()
static inline void sim_halt(void);
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

static inline void end_step(void)
{
	switch_stacks(&cpu_sp[this_cpu()->id], main_sp);
}

static inline void sim_halt(void)
{
	halted[this_cpu()->id] = true;
	end_step();
}

static inline void step_cpu(u32 i)
{
	if (halted[i] && !kicked[i])
		return;
	halted[i] = kicked[i] = false;
	shim_use_cpu(&cpus[i]);
	switch_stacks(&main_sp, cpu_sp[i]);
}

static inline void run(u64 steps)
{
	for (; steps; steps--) {
		step_now++;
		shim_run_until(time_now() + TICK);
		for (u32 i = 0; i < cpu_total; i++)
			step_cpu(i);
	}
}

/* As an interrupt on CPU `on`. */
static inline void post(u32 on, struct body *b, u32 bits)
{
	shim_use_cpu(&cpus[on]);
	kicked[on] = true;
	b->posted_at = step_now;
	sched_post(&b->t, bits);
}

static inline void make_cpu(u32 i)
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

static inline void machine(u32 n)
{
	cpu_total = n;
	/* None idles still from the test before. */
	for (u32 i = 0; i < CPUS; i++)
		(void)sched_place_claim(i);
	for (u32 i = 0; i < n; i++)
		make_cpu(i);
	run(2);
}

static inline u32 random_below(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

/* --- threads --- */

static inline void body_evict(struct thread *t)
{
	struct body *b = container_of(t, struct body, t);

	assert_int_equal(b->loaded_on, this_cpu()->id);
	b->loaded_on = -1;
}

/* As ensure_loaded() in hv/vcpu.c. */
static inline void body_load(struct body *b)
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

static inline void body_step(struct body *b)
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

static inline void body_sleep(struct body *b)
{
	while (!(READ_ONCE(b->t.pending) & (WORK | STOP)))
		sched_block(WORK | STOP);
	atomic_fetch_and(&b->t.pending, ~(u32)WORK);
	body_load(b);
	b->wakes++;
	b->latency = step_now - b->posted_at;
}

static inline void body_main(void *arg)
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

static inline struct body *add(u32 cpu, u32 weight, const struct cpu_set *allowed)
{
	struct body *b = &bodies[body_count++];

	memset(b, 0, sizeof(*b));
	b->loaded_on = -1;
	assert_int_equal(sched_prepare(&b->t, "body", cpu, body_main, b), 0);
	sched_set_share(&b->t, weight, allowed);
	b->t.evict = body_evict;
	return b;
}

static inline struct body *start(u32 cpu, u32 weight, const struct cpu_set *allowed)
{
	struct body *b = add(cpu, weight, allowed);

	shim_use_cpu(&cpus[0]);
	kicked[0] = true;
	sched_start(&b->t);
	return b;
}

static inline struct body *start_sleeper(u32 cpu, u64 works, const struct cpu_set *allowed)
{
	struct body *b = add(cpu, SCHED_WEIGHT_DEFAULT, allowed);

	b->works = works;
	shim_use_cpu(&cpus[0]);
	kicked[0] = true;
	sched_start(&b->t);
	return b;
}

static inline void reset_steps(void)
{
	for (unsigned i = 0; i < body_count; i++)
		bodies[i].steps = 0;
}

/* Its part of one CPU, in percent, since the last reset. */
static inline u64 percent(const struct body *b, u64 steps)
{
	return (100 * b->steps + steps / 2) / steps;
}

static struct cpu_set everywhere;

static inline int set_up(void **unused)
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
static inline int tear_down(void **unused)
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

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
