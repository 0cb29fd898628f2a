/* Threads that never yield of themselves take turns: the slice's end is told to whoever runs. */
#include "torture.h"

#include "arch/x86/trap.h"
#include "core/runqueue.h"
#include "core/time.h"
#include "mm/heap.h"

#define SPINNERS 3 /* on each CPU, beside the worker, which spins as well */

struct spinner {
	struct thread thread;
	u64 turns;
};

static struct spinner *spinners;

/* As a vCPU's thread in its guest: interrupts come in, and the pending word is looked at. */
static void spin_a_turn(void)
{
	while (!(READ_ONCE(sched_current()->pending) & THREAD_RESCHED) && torture_on()) {
		trap_irq_window();
		cpu_relax();
	}
}

static void spin(void *arg)
{
	struct spinner *s = arg;

	while (torture_on()) {
		spin_a_turn();
		WRITE_ONCE(s->turns, s->turns + 1);
		sched_yield();
	}
}

static bool enough(void)
{
	for (u32 i = 0; i < cpu_count() * SPINNERS; i++) {
		if (!READ_ONCE(spinners[i].turns))
			return false;
	}
	return true;
}

static void begin(void)
{
	torture_need(enough);
	spinners = torture_alloc(cpu_count() * SPINNERS * sizeof(*spinners));
}

/* This thread runs again though that one has not: then that one has had more, but for the slice
 * that a yield gives away. Both are bound to this CPU, and only switches there change what is read.
 */
static bool has_had_more(const struct thread *t)
{
	s64 behind = (s64)(sched_current()->vruntime - t->vruntime);

	return behind <= (s64)time_ns_to_ticks(2 * SCHED_SLICE_NS);
}

/* Each of the others had a turn between two of this thread's. */
static void take_turns(const struct spinner *mine)
{
	u64 before[SPINNERS];

	for (unsigned i = 0; i < SPINNERS; i++)
		before[i] = READ_ONCE(mine[i].turns);
	spin_a_turn();
	sched_yield();
	for (unsigned i = 0; torture_on() && i < SPINNERS; i++)
		TORTURE_CHECK(READ_ONCE(mine[i].turns) != before[i] ||
				      has_had_more(&mine[i].thread),
			      "thread %u of this CPU had no turn", i);
}

static void work(struct torture_worker *w)
{
	struct spinner *mine = &spinners[w->cpu * SPINNERS];

	for (unsigned i = 0; i < SPINNERS; i++)
		torture_spawn(&mine[i].thread, "spinner", w->cpu, spin, &mine[i]);
	sched_yield();
	while (torture_going(w))
		take_turns(mine);
	for (unsigned i = 0; i < SPINNERS; i++)
		torture_join(&mine[i].thread);
}

static void end(void)
{
	for (u32 i = 0; i < cpu_count() * SPINNERS; i++)
		TORTURE_CHECK(spinners[i].turns, "a thread of CPU %u never had a turn",
			      i / SPINNERS);
	heap_free(spinners);
}

const struct torture_part part_slices = { "slices", begin, work, end };
