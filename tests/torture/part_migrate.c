/*
 * Threads that may run on any CPU, as vCPUs do: posted to from everywhere they sleep, run, yield
 * and are preempted, and so they move. Each keeps something in its CPU's registers, by
 * sched_hold(). None runs on two CPUs at once; what it keeps is taken out on the CPU where it was
 * put in, before another one puts something there; and every post is seen.
 */
#include "torture.h"

#include "arch/x86/trap.h"
#include "core/time.h"
#include "mm/heap.h"

#define RUNNERS 4 /* for each CPU */
/* Not too small a part of all: where the host takes an emulated CPU away for 50 ms, the thread that
 * it was taken from has had as much time, and waits while the others get theirs. */
#define LEAST_WEIGHT 50
#define WORK	     BIT(1)
#define STOP	     BIT(2)
#define NOWHERE	     UINT32_MAX

struct runner {
	struct thread thread;
	u32 running; /* atomic: 1 while it does */
	u32 loaded;  /* the CPU its state is in */
	u64 sent;    /* atomic; counted before WORK is posted */
	u64 seen;    /* of sent, when WORK was last taken */
	u64 wakes;
};

static struct runner *runners;
static struct runner *registers[CPU_MAX]; /* whose state is in; the CPU's own */
static struct cpu_set everywhere;

static u32 runner_count(void)
{
	return cpu_count() * RUNNERS;
}

static void evict(struct thread *t)
{
	struct runner *r = container_of(t, struct runner, thread);
	u32 cpu = this_cpu()->id;

	TORTURE_CHECK(r->loaded == cpu, "state of CPU %u is taken out", r->loaded);
	TORTURE_CHECK(registers[cpu] == r, "somebody else's state is in");
	registers[cpu] = NULL;
	r->loaded = NOWHERE;
}

/* It has just begun to run here. */
static void load(struct runner *r)
{
	u32 cpu = this_cpu()->id;

	TORTURE_CHECK(atomic_xchg(&r->running, 1u) == 0, "a thread runs twice");
	TORTURE_CHECK(r->thread.cpu == this_cpu(), "a thread of CPU %u", r->thread.cpu->id);
	if (this_cpu()->resident == &r->thread) {
		TORTURE_CHECK(r->loaded == cpu, "state of CPU %u is in use", r->loaded);
		return;
	}
	TORTURE_CHECK(r->loaded == NOWHERE, "state is still in CPU %u", r->loaded);
	TORTURE_CHECK(!registers[cpu], "state of another one is still in");
	registers[cpu] = r;
	r->loaded = cpu;
	sched_hold();
}

static void pause(struct runner *r, void (*how)(void))
{
	atomic_xchg(&r->running, 0u);
	how();
	load(r);
}

static void sleep(void)
{
	sched_block(WORK | STOP);
}

/* Some more or less long work, in which slices end. */
static void work_a_while(struct runner *r)
{
	for (u64 i = r->wakes * 37 % 400; i; i--) {
		cpu_relax();
		if (i % 16 == 0)
			trap_irq_window();
		if (i % 64 == 0)
			sched_yield_spinning();
		if (READ_ONCE(r->thread.pending) & THREAD_RESCHED)
			pause(r, sched_preempt);
	}
	if (r->wakes % 5 == 0)
		pause(r, sched_yield);
}

static void run(void *arg)
{
	struct runner *r = arg;
	u32 bits = 0;

	load(r);
	while (!(bits & STOP)) {
		while (!(READ_ONCE(r->thread.pending) & (WORK | STOP)))
			pause(r, sleep);
		bits = atomic_fetch_and(&r->thread.pending, ~(u32)(WORK | STOP));
		WRITE_ONCE(r->seen, READ_ONCE(r->sent));
		WRITE_ONCE(r->wakes, r->wakes + 1);
		work_a_while(r);
	}
	sched_let_go();
	atomic_xchg(&r->running, 0u);
}

static void wait_seen(const struct runner *r)
{
	u64 sent = READ_ONCE(r->sent), limit = torture_patience();

	while (READ_ONCE(r->seen) < sent && torture_waiting())
		TORTURE_CHECK(
			time_now() < limit,
			"a wake-up is lost: %lu posts, %lu seen; the thread has state %u on CPU "
			"%u, pending 0x%x",
			sent, r->seen, (unsigned)r->thread.state, r->thread.cpu->id,
			r->thread.pending);
}

static u64 moves(void)
{
	u64 n = 0;

	for (u32 i = 0; i < runner_count(); i++)
		n += READ_ONCE(runners[i].thread.migrations);
	return n;
}

static bool enough(void)
{
	return cpu_count() == 1 || moves();
}

static void begin(void)
{
	torture_need(enough);
	runners = torture_alloc(runner_count() * sizeof(*runners));
	cpu_set_add_all(&everywhere);
}

static void start(struct runner *r, u32 cpu, u32 weight)
{
	r->loaded = NOWHERE;
	if (sched_prepare(&r->thread, "runner", cpu, run, r)) {
		torture_fail("no memory for a stack");
		return;
	}
	sched_set_share(&r->thread, weight, &everywhere);
	r->thread.evict = evict;
	sched_start(&r->thread);
}

static void storm(struct torture_worker *w)
{
	while (torture_going(w)) {
		struct runner *r = &runners[torture_random(w, runner_count())];

		atomic_fetch_add(&r->sent, 1);
		sched_post(&r->thread, WORK);
		/* Bursts, and pauses in which all fall asleep and CPUs idle. */
		if (w->operations % 256 == 0)
			wait_seen(r);
	}
}

static void work(struct torture_worker *w)
{
	struct runner *mine = &runners[w->cpu * RUNNERS];

	for (u32 i = 0; i < RUNNERS; i++)
		start(&mine[i], w->cpu, LEAST_WEIGHT + 100 * i);
	torture_meet(w);
	storm(w);
	torture_meet(w);
	for (u32 i = 0; i < RUNNERS; i++) {
		wait_seen(&mine[i]);
		sched_post(&mine[i].thread, STOP);
		torture_join(&mine[i].thread);
	}
}

static void end(void)
{
	for (u32 i = 0; i < cpu_count(); i++)
		TORTURE_CHECK(!registers[i], "state is still in CPU %u", i);
	TORTURE_CHECK(enough(), "nobody moved");
	heap_free(runners);
}

const struct torture_part part_migrate = { "migrate", begin, work, end };
