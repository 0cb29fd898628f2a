/*
 * Pairs of threads on different CPUs hand a ball back and forth, each asleep until it has it: every
 * post meets a thread that blocks, is about to, or still runs. A lost wake-up stops its pair.
 */
#include "torture.h"

#include "core/time.h"
#include "mm/heap.h"

#define PAIRS	    4 /* that begin on each CPU */
#define BALL	    BIT(1)
#define STOP	    BIT(2)
#define FAULT_AFTER 50

struct player {
	struct thread thread;
	struct player *other;
	u64 hits;
	bool serves; /* has the ball at first, and ends the game */
};

struct pair {
	struct player player[2];
	u64 seen, since; /* the worker's: hits when last they changed, and when that was */
};

static struct pair *pairs; /* PAIRS for each CPU */

static u32 wait_ball(void)
{
	struct thread *t = sched_current();
	u32 bits;

	while (!(READ_ONCE(t->pending) & (BALL | STOP)))
		sched_block(BALL | STOP);
	bits = atomic_fetch_and(&t->pending, ~(u32)(BALL | STOP));
	/* Interrupts come in between turns only. */
	sched_yield();
	return bits;
}

static void play(void *arg)
{
	struct player *p = arg;
	bool fault = p->serves && torture_fault("wakeup");

	if (p->serves)
		sched_post(&p->other->thread, BALL);
	while (!(wait_ball() & STOP)) {
		WRITE_ONCE(p->hits, p->hits + 1);
		if (p->serves && !torture_on()) {
			sched_post(&p->other->thread, STOP);
			return;
		}
		if (!fault || p->hits != FAULT_AFTER)
			sched_post(&p->other->thread, BALL);
	}
}

static void start(struct pair *pair, u32 cpu, unsigned i)
{
	for (unsigned k = 0; k < 2; k++) {
		pair->player[k] = (struct player){ .other = &pair->player[!k], .serves = k == 1 };
	}
	/* Who waits is there before who serves. */
	torture_spawn(&pair->player[0].thread, "waits", (cpu + 1 + i) % cpu_count(), play,
		      &pair->player[0]);
	torture_spawn(&pair->player[1].thread, "serves", cpu, play, &pair->player[1]);
	pair->seen = 0;
	pair->since = time_now();
}

static u64 hits(const struct pair *pair)
{
	return READ_ONCE(pair->player[0].hits) + READ_ONCE(pair->player[1].hits);
}

static void tell(const struct pair *pair)
{
	const struct player *p = pair->player;

	torture_fail("a wake-up is lost: after %lu and %lu turns, CPU %u's thread has state %u, "
		     "pending 0x%x, CPU %u's %u, 0x%x",
		     p[0].hits, p[1].hits, p[0].thread.cpu->id, (unsigned)p[0].thread.state,
		     p[0].thread.pending, p[1].thread.cpu->id, (unsigned)p[1].thread.state,
		     p[1].thread.pending);
}

static void watch(struct torture_worker *w, struct pair *pair, u64 limit)
{
	u64 n = hits(pair), now = time_now();

	if (n != pair->seen) {
		pair->seen = n;
		pair->since = now;
		torture_beat(w);
	} else if (now > pair->since && now - pair->since > limit &&
		   !sched_is_over(&pair->player[1].thread)) {
		tell(pair);
	}
}

static void begin(void)
{
	pairs = torture_alloc(cpu_count() * PAIRS * sizeof(*pairs));
}

static void work(struct torture_worker *w)
{
	struct pair *mine = &pairs[w->cpu * PAIRS];
	u64 limit = time_ns_to_ticks(TORTURE_PATIENCE_NS);

	for (unsigned i = 0; i < PAIRS; i++)
		start(&mine[i], w->cpu, i);
	while (torture_on()) {
		for (unsigned i = 0; i < PAIRS; i++)
			watch(w, &mine[i], limit);
		sched_yield();
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		while (!torture_failed() && !sched_is_over(&mine[i].player[0].thread)) {
			watch(w, &mine[i], limit);
			sched_yield();
		}
		torture_join(&mine[i].player[1].thread);
		torture_join(&mine[i].player[0].thread);
		w->operations += hits(&mine[i]);
	}
}

/* The waiter has had the ball each time that the other has served it. */
static void end(void)
{
	for (u32 i = 0; i < cpu_count() * PAIRS; i++) {
		const struct player *p = pairs[i].player;

		TORTURE_CHECK(p[0].hits == p[1].hits, "%lu turns here, %lu there", p[0].hits,
			      p[1].hits);
	}
	heap_free(pairs);
}

const struct torture_part part_pingpong = { "pingpong", begin, work, end };
