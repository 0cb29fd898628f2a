/*
 * The protocol of flushes: vCPUs, a thread each, that flush each other all at once, sleep and wake.
 * A "translation" is a number that grows; each vCPU keeps the one it has seen until it is flushed,
 * and must not use one older than the last whose flush is over. If two waited for each other it
 * would not end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

/* The C library has one of that name. */
#define sched_yield hv_sched_yield
#include "hv/backend.h"
#include "hv/vcpu_flush.h"
#include "hv/vm.h"
#undef sched_yield
#include "tsan.h"

static struct vm vm;
static struct vcpu vcpus[TSAN_THREADS];
static u64 number;		 /* what is mapped */
static u64 flushed;		 /* what all must see */
static u64 cached[TSAN_THREADS]; /* by its thread only; 0: nothing */
static struct shootdown_cpu cpus[TSAN_THREADS];
static __thread struct vcpu *self;

static void flush_guest(struct vcpu *v)
{
	TSAN_CHECK(v == self);
	cached[v->index] = 0;
}

static const struct backend_ops ops = { .flush_guest = flush_guest };
const struct backend_ops *backend = &ops;

/* The real one's, without the kick: threads look at their words often. */
bool sched_post_quietly(struct thread *t, u32 bits)
{
	atomic_fetch_or(&t->pending, bits);
	return t != &self->thread && sched_is_running(t);
}

u32 cpu_count(void)
{
	return TSAN_THREADS;
}

void vm_kill(struct vcpu *v, const char *fmt, ...)
{
	(void)v;
	(void)fmt;
	TSAN_CHECK(!"a wait took too long");
}

/* A moment in the guest: a translation is used. */
static void run_guest(struct vcpu *v)
{
	u64 due = load_acquire(&flushed);

	if (!cached[v->index])
		cached[v->index] = load_acquire(&number);
	TSAN_CHECK(cached[v->index] >= due);
}

/* Maps anew, and has all flush: as one, or each for itself. */
static void remap(struct vcpu *v, bool as_one)
{
	struct vcpu_flush f;
	u64 n = atomic_fetch_add(&number, 1ull) + 1, before = load_acquire(&flushed);

	vcpu_flush_begin(&f, v);
	if (as_one)
		vcpu_flush_add_all(&f);
	for (unsigned i = 0; !as_one && i < TSAN_THREADS; i++)
		vcpu_flush_add(&f, &vcpus[i]);
	vcpu_flush_finish(&f);
	while (before < n && !atomic_cmpxchg(&flushed, &before, n))
		;
}

/* As ensure_loaded() has it. */
static void load(struct vcpu *v)
{
	struct shootdown_cpu *c = &cpus[v->index];

	WRITE_ONCE(c->vcpu, v);
	atomic_xchg(&c->loaded, 1u);
	vcpu_flush_catch_up(v);
}

/* Not running: nobody waits for it, and it flushes before it runs again. */
static void nap(struct vcpu *v, struct tsan_thread *t)
{
	bool unload = tsan_random(t, 2);

	if (unload)
		store_release(&cpus[v->index].loaded, 0u);
	store_release(&v->thread.state, THREAD_BLOCKED);
	for (unsigned i = tsan_random(t, 50); i; i--)
		cpu_relax();
	WRITE_ONCE(v->thread.state, THREAD_RUNNING);
	/* As the scheduler has one when it goes on with a thread. */
	atomic_fetch_and(&v->thread.pending, ~(u32)THREAD_RESCHED);
	if (unload)
		load(v);
}

static void *live(void *arg)
{
	struct tsan_thread *t = arg;
	struct vcpu *v = self = &vcpus[t->id];

	load(v);
	while (tsan_going(t)) {
		vcpu_flush_serve(v);
		run_guest(v);
		if (tsan_random(t, 4) == 0)
			remap(v, tsan_random(t, 2));
		if (tsan_random(t, 16) == 0)
			nap(v, t);
	}
	store_release(&v->thread.state, THREAD_DEAD);
	return NULL;
}

static void test_all_flush_all(void **unused)
{
	(void)unused;
	number = 1;
	vm.shootdown.cpu = cpus;
	for (unsigned i = 0; i < TSAN_THREADS; i++) {
		vcpus[i].vm = &vm;
		vcpus[i].index = i;
		vcpus[i].thread.state = THREAD_RUNNING;
	}
	assert_true(tsan_run(live) > 0);
	assert_true(number > 1);
	assert_int_equal(number, flushed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all_flush_all) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
