/*
 * Threads that are created, run somewhere and end, in a loop: each runs exactly once, with its
 * argument, on its CPU and its own stack, and the stacks are used again.
 */
#include "torture.h"

#include "mm/heap.h"
#include "mm/host_map.h"

#define THREADS	  8 /* of each worker at a time */
#define STACK_USE 2048

struct child {
	struct thread thread;
	u32 cpu;
	u32 runs; /* atomic */
};

static struct child *children;
static u64 stacks_frames; /* free frames, once no more stacks are made */

static void run(void *arg)
{
	struct child *c = arg;
	volatile u8 on_stack[STACK_USE];
	u8 mark = (u8)(u64)c;

	for (unsigned i = 0; i < STACK_USE; i += 64)
		on_stack[i] = (u8)(mark + i);
	TORTURE_CHECK(this_cpu()->id == c->cpu, "a thread of CPU %u", c->cpu);
	if (mark & 16)
		sched_yield();
	for (unsigned i = 0; i < STACK_USE; i += 64)
		TORTURE_CHECK(on_stack[i] == (u8)(mark + i), "a stack has another user");
	atomic_fetch_add(&c->runs, 1);
}

static void begin(void)
{
	children = torture_alloc(cpu_count() * THREADS * sizeof(*children));
	stacks_frames = 0;
}

static void one_round(struct torture_worker *w, struct child *mine)
{
	for (unsigned i = 0; i < THREADS; i++) {
		mine[i].cpu = torture_random(w, cpu_count());
		mine[i].runs = 0;
		torture_spawn(&mine[i].thread, "child", mine[i].cpu, run, &mine[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		torture_join(&mine[i].thread);
		TORTURE_CHECK(torture_failed() || mine[i].runs == 1, "a thread ran %u times",
			      mine[i].runs);
	}
}

static void work(struct torture_worker *w)
{
	struct child *mine = &children[w->cpu * THREADS];

	/* As many as there can ever be at once. */
	for (unsigned i = 0; i < THREADS; i++) {
		mine[i].cpu = w->cpu;
		torture_spawn(&mine[i].thread, "child", w->cpu, run, &mine[i]);
	}
	torture_meet(w);
	for (unsigned i = 0; i < THREADS; i++)
		torture_join(&mine[i].thread);
	torture_meet(w);
	if (w->cpu == 0)
		stacks_frames = torture_free_frames();
	torture_meet(w);
	while (torture_going(w))
		one_round(w, mine);
}

static void end(void)
{
	TORTURE_CHECK(torture_free_frames() == stacks_frames,
		      "%lu frames were free, now %lu: stacks are lost", stacks_frames,
		      torture_free_frames());
	heap_free(children);
}

const struct torture_part part_threads = { "threads", begin, work, end };
