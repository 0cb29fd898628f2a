/*
 * RCU: every CPU reads objects that others replace and free, idles, stays in a "guest" that only a
 * kick brings out of, and now and then defers more than a queue takes. A freed object is
 * overwritten. Beside it a pipeline: what was replaced grows older by one with each grace period,
 * and nobody ever reads what is older than 1.
 */
#include "torture.h"

#include "arch/x86/trap.h"
#include "core/rcu.h"
#include "core/time.h"
#include "mm/heap.h"

#define SLOTS	   16
#define LIVE	   0x6c697665u
#define DEAD	   0xdeaddeadu
#define AGES	   10
#define STAGES	   (AGES + 2)
#define STORM	   (RCU_QUEUE_MAX + RCU_QUEUE_MAX / 2)
#define SLEEP_NS   200000ull
#define EARLY_NS   50000000ull
#define GUEST_NS   3000000ull
#define AWAKE	   BIT(1)
#define COUNT_MADE 0

struct object {
	struct rcu_head head;
	u32 magic, check; /* ~magic */
};

struct stage {
	u32 age; /* grace periods since it was replaced; others read it */
	bool used;
};

struct sleeper {
	struct timer timer;
	struct thread *thread;
};

static struct object *slots[SLOTS];
static struct stage stages[STAGES], *pipe_head;
static struct sleeper *sleepers;
static struct rcu_stats before;
static u64 freed; /* atomic */
static bool early;

static struct object *make_object(struct torture_worker *w)
{
	struct object *o = heap_alloc(sizeof(*o));

	if (!o) {
		torture_fail("no memory for an object: %lu are freed", freed);
		return NULL;
	}
	o->magic = LIVE;
	o->check = ~LIVE;
	w->count[COUNT_MADE]++;
	return o;
}

static void free_object(struct rcu_head *head)
{
	struct object *o = container_of(head, struct object, head);

	TORTURE_CHECK(READ_ONCE(o->magic) == LIVE, "an object is freed twice");
	WRITE_ONCE(o->magic, DEAD);
	WRITE_ONCE(o->check, DEAD);
	heap_free(o);
	atomic_fetch_add(&freed, 1);
}

static void linger_a_while(struct torture_worker *w)
{
	for (u32 i = torture_random(w, 200); i; i--)
		cpu_relax();
}

/* The fault: quiescence is reported, and the reference is used all the same. */
static void be_quiescent(const struct object *o)
{
	u64 end = time_now() + time_ns_to_ticks(EARLY_NS);

	while (time_now() < end && READ_ONCE(o->magic) == LIVE) {
		trap_irq_window();
		rcu_quiescent();
		cpu_relax();
	}
}

static void read_objects(struct torture_worker *w)
{
	const struct object *o = rcu_dereference(slots[torture_random(w, SLOTS)]);
	const struct stage *s = rcu_dereference(pipe_head);

	linger_a_while(w);
	if (early && torture_random(w, 4) == 0)
		be_quiescent(o);
	TORTURE_CHECK(READ_ONCE(o->magic) == LIVE && READ_ONCE(o->check) == ~LIVE,
		      "a reader holds a freed object: 0x%x", READ_ONCE(o->magic));
	TORTURE_CHECK(READ_ONCE(s->age) <= 1, "a reader holds what is %u grace periods old",
		      READ_ONCE(s->age));
}

static void replace(struct torture_worker *w, bool may_wait)
{
	struct object *o = make_object(w), *old;

	if (!o)
		return;
	old = atomic_xchg(&slots[torture_random(w, SLOTS)], o);
	if (may_wait && torture_random(w, 32) == 0) {
		rcu_synchronize();
		free_object(&old->head);
	} else {
		rcu_defer_or_wait(&old->head, free_object);
	}
}

static void storm(struct torture_worker *w)
{
	for (unsigned i = 0; i < STORM && !torture_failed(); i++) {
		replace(w, false);
		TORTURE_CHECK(this_cpu()->rcu.count <= RCU_QUEUE_MAX, "%u callbacks are queued",
			      this_cpu()->rcu.count);
		if (i % 64 == 0)
			torture_beat(w);
	}
}

/* One CPU only. */
static void turn_pipe(void)
{
	struct stage *next = stages, *old = pipe_head;

	while (next->used)
		next++;
	next->used = true;
	WRITE_ONCE(next->age, 0);
	rcu_assign_pointer(pipe_head, next);
	WRITE_ONCE(old->age, 1);
	rcu_synchronize();
	for (struct stage *s = stages; s < stages + STAGES; s++) {
		if (!s->used || s->age == 0)
			continue;
		WRITE_ONCE(s->age, s->age + 1);
		s->used = s->age <= AGES;
	}
}

static void wake(struct timer *timer)
{
	sched_post(container_of(timer, struct sleeper, timer)->thread, AWAKE);
}

/* The CPU idles, and reads in the interrupt that ends it. */
static void sleep(struct torture_worker *w)
{
	struct sleeper *s = &sleepers[w->cpu];

	timer_set(&s->timer, time_now() + time_ns_to_ticks(SLEEP_NS));
	while (!(READ_ONCE(w->thread.pending) & AWAKE))
		sched_block(AWAKE);
	atomic_fetch_and(&w->thread.pending, ~(u32)AWAKE);
}

/* A guest that does not exit by itself: nothing but interrupts tells that no reference is held. */
static void stay_in_guest(struct torture_worker *w)
{
	u64 end = time_now() + time_ns_to_ticks(GUEST_NS);

	while (time_now() < end) {
		trap_irq_window();
		cpu_relax();
	}
	torture_beat(w);
}

static void work(struct torture_worker *w)
{
	sleepers[w->cpu].thread = &w->thread;
	storm(w);
	while (torture_going(w)) {
		u32 what = torture_random(w, 1024);

		if (what == 0)
			storm(w);
		else if (what < 12)
			replace(w, true);
		else if (what < 16)
			sleep(w);
		else if (what < 18)
			rcu_barrier();
		else if (what == 18)
			stay_in_guest(w);
		else if (what < 23 && w->cpu == 0)
			turn_pipe();
		else if (what < 32)
			trap_irq_window();
		else
			read_objects(w);
	}
}

static void begin(void)
{
	early = torture_fault("rcu-early");
	freed = 0;
	sleepers = torture_alloc(cpu_count() * sizeof(*sleepers));
	for (u32 i = 0; i < cpu_count(); i++)
		timer_init(&sleepers[i].timer, wake);
	for (u32 i = 0; i < SLOTS; i++)
		slots[i] = make_object(&torture_workers[0]);
	for (u32 i = 0; i < STAGES; i++)
		stages[i] = (struct stage){ .used = i == 0 };
	pipe_head = &stages[0];
	rcu_get_stats(&before);
}

static void end(void)
{
	struct rcu_stats s;

	rcu_barrier();
	rcu_get_stats(&s);
	TORTURE_CHECK(s.high <= RCU_QUEUE_MAX, "%u callbacks were queued at once", s.high);
	/* And a storm fills a queue: who brings more has to pay. */
	TORTURE_CHECK(s.high == RCU_QUEUE_MAX && s.paid > before.paid,
		      "the storms did not fill a queue: %u callbacks, %lu paid", s.high,
		      s.paid - before.paid);
	TORTURE_CHECK(s.queued == s.ran, "%lu callbacks of %lu ran", s.ran, s.queued);
	TORTURE_CHECK(s.stalls == before.stalls, "%lu stalls", s.stalls - before.stalls);
	TORTURE_CHECK(torture_sum(COUNT_MADE) == freed, "%lu objects were replaced, %lu freed",
		      torture_sum(COUNT_MADE), freed);
	for (u32 i = 0; i < SLOTS; i++)
		heap_free(slots[i]);
	for (u32 i = 0; i < cpu_count(); i++)
		timer_cancel_sync(&sleepers[i].timer);
	heap_free(sleepers);
	rcu_log_stats();
}

const struct torture_part part_rcu = { "rcu", begin, work, end };
