/*
 * A storm of posts: every CPU sets bits of threads on all CPUs, which run, sleep or are about to.
 * What was posted is seen: who posts counts first, who takes a bit then reads the count.
 */
#include "torture.h"

#include "core/time.h"
#include "mm/heap.h"

#define RECEIVERS 3 /* on each CPU */
#define BITS	  4
#define FIRST_BIT 1
#define ALL_BITS  (((1u << BITS) - 1) << FIRST_BIT)
#define STOP	  BIT(FIRST_BIT + BITS)

struct receiver {
	struct thread thread;
	u64 sent[BITS]; /* atomic; counted before the bit is posted */
	u64 seen[BITS]; /* of sent, when the bit was last taken */
	u64 wakes;
};

static struct receiver *receivers;

static void take(struct receiver *r, u32 bits)
{
	for (unsigned b = 0; b < BITS; b++) {
		if (bits & (1u << (b + FIRST_BIT)))
			WRITE_ONCE(r->seen[b], READ_ONCE(r->sent[b]));
	}
}

static void receive(void *arg)
{
	struct receiver *r = arg;
	struct thread *t = &r->thread;
	u32 bits;

	do {
		sched_block(ALL_BITS | STOP);
		bits = atomic_fetch_and(&t->pending, ~(u32)(ALL_BITS | STOP));
		take(r, bits);
		WRITE_ONCE(r->wakes, r->wakes + 1);
		/* Still there when the next post comes, or just gone. */
		for (u64 i = r->wakes % 64; i; i--)
			cpu_relax();
		if (r->wakes % 2)
			sched_yield();
	} while (!(bits & STOP));
}

/* Waits until all that was sent by now has been seen. */
static void wait_seen(const struct receiver *r)
{
	u64 limit = torture_patience();

	for (unsigned b = 0; b < BITS; b++) {
		u64 sent = READ_ONCE(r->sent[b]);

		while (READ_ONCE(r->seen[b]) < sent && torture_waiting())
			TORTURE_CHECK(time_now() < limit,
				      "a wake-up is lost: of bit %u, %lu posts, %lu seen; CPU %u's "
				      "thread has state %u, pending 0x%x",
				      b, sent, r->seen[b], r->thread.cpu->id,
				      (unsigned)r->thread.state, r->thread.pending);
	}
}

static void begin(void)
{
	receivers = torture_alloc(cpu_count() * RECEIVERS * sizeof(*receivers));
}

static void storm(struct torture_worker *w)
{
	while (torture_going(w)) {
		struct receiver *r = &receivers[torture_random(w, cpu_count() * RECEIVERS)];
		unsigned b = torture_random(w, BITS);

		atomic_fetch_add(&r->sent[b], 1);
		sched_post(&r->thread, 1u << (b + FIRST_BIT));
		/* Bursts, and pauses in which all fall asleep. */
		if (w->operations % 1024 == 0)
			wait_seen(r);
	}
}

static void work(struct torture_worker *w)
{
	struct receiver *mine = &receivers[w->cpu * RECEIVERS];

	for (unsigned i = 0; i < RECEIVERS; i++)
		torture_spawn(&mine[i].thread, "receiver", w->cpu, receive, &mine[i]);
	torture_meet(w);
	storm(w);
	torture_meet(w);
	for (unsigned i = 0; i < RECEIVERS; i++) {
		wait_seen(&mine[i]);
		sched_post(&mine[i].thread, STOP);
		torture_join(&mine[i].thread);
	}
}

static void end(void)
{
	u64 wakes = 0;

	for (u32 i = 0; i < cpu_count() * RECEIVERS; i++)
		wakes += receivers[i].wakes;
	TORTURE_CHECK(wakes, "nobody woke up");
	heap_free(receivers);
}

const struct torture_part part_wakeup = { "wakeup", begin, work, end };
