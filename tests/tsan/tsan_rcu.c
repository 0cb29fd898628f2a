/*
 * RCU: each thread is a CPU that reads, replaces and frees objects, runs "guests" that only a kick
 * ends, and idles. What is freed is marked so by plain stores: a reader that comes too late sees
 * the mark, and the sanitizer sees the race. Beside that, a pipeline: an object that is out of the
 * way grows older by one with each grace period, and no reader ever holds one that is older than 1.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/rcu.h"
#include "core/timer.h"
#include "shim.h"
#include "tsan.h"

#define SLOTS	    8
#define LIVE	    0x11223344u
#define DEAD	    0xdeadu
#define AGES	    10
#define PIPES	    (AGES + 2)
#define GUEST_LOOPS 200
#define STORM	    (2 * RCU_QUEUE_MAX)
#define LEAST	    2048 /* operations of a thread: some storms are among them */

struct object {
	struct rcu_head head;
	u32 magic;
};

struct stage {
	u32 age; /* atomic: grace periods since it was replaced */
	bool used;
	u64 data;
};

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpus[TSAN_THREADS];
static bool armed[TSAN_THREADS]; /* its own */
static u32 kicked[TSAN_THREADS]; /* atomic */
static struct object *slots[SLOTS];
static struct stage stages[PIPES], *pipe_head;
static u32 made, freed, ended; /* atomic */

u32 cpu_count(void)
{
	return TSAN_THREADS;
}

void apic_send_ipi(u32 apic_id, u8 vector)
{
	(void)vector;
	atomic_xchg(&kicked[apic_id], 1u);
}

/* The only timers here are the queues': due when the CPU next takes interrupts. */
void timer_set(struct timer *timer, u64 deadline)
{
	(void)timer;
	(void)deadline;
	armed[this_cpu()->id] = true;
}

/* Interrupts are let in. */
static void window(u32 me)
{
	struct timer *timer = &cpus[me].rcu.timer;

	if (READ_ONCE(kicked[me]) && atomic_xchg(&kicked[me], 0u)) {
		rcu_idle_exit();
		rcu_quiescent();
	}
	if (armed[me]) {
		rcu_idle_exit();
		armed[me] = false;
		timer->fn(timer);
	}
}

/* In place of the C library's: what RCU calls where it waits lets interrupts in. */
int sched_yield(void)
{
	window(this_cpu()->id);
	cpu_relax();
	return 0;
}

static struct object *make_object(void)
{
	struct object *o = malloc(sizeof(*o));

	o->magic = LIVE;
	atomic_fetch_add(&made, 1);
	return o;
}

static void free_object(struct rcu_head *head)
{
	struct object *o = container_of(head, struct object, head);

	TSAN_CHECK(o->magic == LIVE);
	o->magic = DEAD;
	free(o);
	atomic_fetch_add(&freed, 1);
}

static void read_slot(struct tsan_thread *t)
{
	const struct object *o = rcu_dereference(slots[tsan_random(t, SLOTS)]);
	u32 loops = tsan_random(t, 20);

	for (u32 i = 0; i < loops; i++)
		TSAN_CHECK(o->magic == LIVE);
	if (tsan_random(t, 64) == 0)
		cpu_relax(); /* others run meanwhile */
	TSAN_CHECK(o->magic == LIVE);
}

static void read_pipe(struct tsan_thread *t)
{
	const struct stage *s = rcu_dereference(pipe_head);
	u64 data = s->data;

	if (tsan_random(t, 16) == 0)
		cpu_relax();
	TSAN_CHECK(READ_ONCE(s->age) <= 1);
	TSAN_CHECK(s->data == data);
}

static void replace(struct tsan_thread *t)
{
	struct object *old = atomic_xchg(&slots[tsan_random(t, SLOTS)], make_object());

	switch (tsan_random(t, 4)) {
	case 0:
		rcu_synchronize();
		free_object(&old->head);
		return;
	case 1:
		rcu_defer_or_wait(&old->head, free_object);
		return;
	default:
		/* As an exit's handler: if it is full the object is not replaced for good. */
		if (rcu_defer(&old->head, free_object))
			rcu_defer_or_wait(&old->head, free_object);
	}
}

/* More callbacks than the queue takes. */
static void storm(u32 me)
{
	for (unsigned i = 0; i < STORM; i++) {
		struct object *old = atomic_xchg(&slots[i % SLOTS], make_object());

		rcu_defer_or_wait(&old->head, free_object);
		TSAN_CHECK(cpus[me].rcu.count <= RCU_QUEUE_MAX);
		if (i % 64 == 0)
			window(me);
	}
}

/* The pipeline's writer. */
static void turn_pipe(u64 data)
{
	struct stage *next = stages, *old = pipe_head;

	while (next->used)
		next++;
	TSAN_CHECK(next < stages + PIPES);
	next->used = true;
	next->data = data;
	WRITE_ONCE(next->age, 0);
	rcu_assign_pointer(pipe_head, next);
	WRITE_ONCE(old->age, 1);
	rcu_synchronize();
	for (struct stage *s = stages; s < stages + PIPES; s++) {
		if (!s->used || s->age == 0)
			continue;
		WRITE_ONCE(s->age, s->age + 1);
		s->used = s->age <= AGES;
	}
}

static void run_guest(struct tsan_thread *t)
{
	u32 loops = tsan_random(t, GUEST_LOOPS);

	for (u32 i = 0; i < loops && !READ_ONCE(kicked[t->id]); i++)
		cpu_relax();
	window(t->id);
}

static void idle(u32 me)
{
	rcu_idle_enter();
	cpu_relax();
	window(me);
	rcu_idle_exit();
}

static void one_thing(struct tsan_thread *t)
{
	u32 what = tsan_random(t, 256);

	if (what == 0)
		storm(t->id);
	else if (what < 8)
		replace(t);
	else if (what < 16)
		idle(t->id);
	else if (what < 20)
		run_guest(t);
	else if (what < 22 && t->id == 0)
		turn_pipe(t->operations);
	else if (what < 24)
		rcu_barrier();
	else if (what < 120)
		read_pipe(t);
	else
		read_slot(t);
}

static void *use(void *arg)
{
	struct tsan_thread *t = arg;

	shim_use_cpu(&cpus[t->id]);
	rcu_init_cpu();
	tsan_meet(t);
	while (tsan_going_at_least(t, LEAST)) {
		one_thing(t);
		window(t->id);
		/* A barrier waits for this one's queue. */
		rcu_quiescent();
	}
	atomic_fetch_add(&ended, 1);
	while (load_acquire(&ended) < TSAN_THREADS || cpus[t->id].rcu.count) {
		window(t->id);
		rcu_quiescent();
		cpu_relax();
	}
	rcu_idle_enter();
	tsan_meet(t);
	return NULL;
}

static void test_rcu(void **unused)
{
	struct rcu_stats s;

	(void)unused;
	for (u32 i = 0; i < TSAN_THREADS; i++) {
		cpus[i] = (struct cpu){ .self = &cpus[i], .id = i, .apic_id = i };
		cpu_table[i] = &cpus[i];
	}
	for (u32 i = 0; i < SLOTS; i++)
		slots[i] = make_object();
	pipe_head = &stages[0];
	stages[0].used = true;
	assert_true(tsan_run(use) > 1000);
	rcu_get_stats(&s);
	printf("rcu: %lu grace periods, %lu kicks; %lu callbacks, at most %u of %u, %lu paid\n",
	       s.grace_periods, s.kicks, s.queued, s.high, (u32)RCU_QUEUE_MAX, s.paid);
	assert_true(s.grace_periods > 10);
	assert_int_equal(s.queued, s.ran);
	/* The storms filled a queue, and no more than that. */
	assert_int_equal(s.high, RCU_QUEUE_MAX);
	assert_true(s.paid > 0 && s.refused >= s.paid);
	assert_int_equal(made - freed, SLOTS);
	for (u32 i = 0; i < SLOTS; i++)
		free(slots[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rcu) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
