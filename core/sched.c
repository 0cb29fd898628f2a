/*
 * Locks: a run queue's lock guards the queue and the threads that belong to it; no two are ever
 * held at once, and nothing else is taken with one held. A thread goes from one CPU to another in
 * three steps: out of the queue, with the state THREAD_MOVING and the new CPU's number in it, under
 * the lock of the queue it leaves; then no lock; then into the other queue under that one's lock.
 * Only a thread whose stack and registers are in use nowhere moves (sched_place_can_leave()), so
 * nobody waits for another CPU.
 */
#include "core/sched.h"

#include <errno.h>

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "core/panic.h"
#include "core/percpu.h"
#include "core/rcu.h"
#include "core/runqueue.h"
#include "core/sched_place.h"
#include "core/time.h"
#include "core/timer.h"
#include "mm/host_map.h"

/* arch/x86/switch.S: saves the callee-saved registers and the stack pointer, goes on with another.
 */
void switch_stacks(void **save_sp, void *load_sp);
void switch_first_entry(void);
void sched_thread_start(void);

static struct thread idle_threads[CPU_MAX];
static struct timer slice_timers[CPU_MAX];

static void slice_over(struct timer *timer)
{
	const struct cpu *c = cpu_table[timer - slice_timers];

	atomic_fetch_or(&c->current->pending, (u32)THREAD_RESCHED);
}

void sched_init_cpu(void)
{
	struct cpu *c = this_cpu();
	struct thread *idle = &idle_threads[c->id];

	runqueue_init(&c->runqueue);
	timer_init(&slice_timers[c->id], slice_over);
	*idle = (struct thread){
		.name = "idle", .state = THREAD_RUNNING, .cpu = c, .on_cpu = true
	};
	c->idle = c->current = idle;
}

/* --- one CPU; its queue is locked unless said otherwise --- */

static struct thread *running(const struct cpu *c)
{
	return c->current == c->idle ? NULL : c->current;
}

static struct thread *take_next(struct cpu *c)
{
	struct thread *t = runqueue_first(&c->runqueue);

	if (!t)
		return c->idle;
	runqueue_remove(&c->runqueue, t);
	return t;
}

/* No lock: what is in this CPU's registers becomes memory, before others run here. */
static void evict(struct cpu *c)
{
	struct thread *t = c->resident;

	c->resident = NULL;
	t->evict(t);
	/* Release: pairs with the acquire in sched_place_can_leave(). */
	store_release(&t->held, false);
}

/* First thing after a switch, on the new stack: the old thread's stack is not in use any more. */
static void finish_switch(void)
{
	struct thread *from = this_cpu()->previous;
	/* Only a dead thread's state is final: nobody else frees that one when it says who does. */
	void (*gone)(struct thread *) = from->state == THREAD_DEAD ? from->gone : NULL;

	/* Release: pairs with the acquire in sched_is_over() and sched_place_can_leave(). */
	store_release(&from->on_cpu, false);
	if (gone)
		gone(from);
}

/* No lock: the slice ends only if somebody waits for that. */
static void time_slice(struct cpu *c, bool ticking, u64 slice)
{
	struct timer *timer = &slice_timers[c->id];

	if (ticking)
		timer_set(timer, time_now() + slice);
	else if (timer_is_armed(timer))
		timer_cancel(timer);
}

/*
 * Goes on with the next ready thread. The current one is charged, and in the queue if it is to run
 * again. The queue is locked, and unlocked again before the switch: nobody takes this thread while
 * its stack is in use.
 */
static void switch_away(struct cpu *c)
{
	struct runqueue *rq = &c->runqueue;
	struct thread *from = c->current, *to = take_next(c);
	bool ticking = rq->length > 0;
	u64 slice = ticking ? runqueue_slice(rq) : 0;

	to->state = THREAD_RUNNING;
	to->on_cpu = true;
	c->current = to;
	rq->ticking = ticking;
	atomic_fetch_and(&to->pending, ~(u32)THREAD_RESCHED);
	to->switches += to != from;
	spin_unlock(&rq->lock);
	time_slice(c, ticking, slice);
	if (to == from)
		return;
	if (c->resident && c->resident != to && to != c->idle)
		evict(c);
	c->previous = from;
	switch_stacks(&from->sp, to->sp);
	finish_switch();
}

/* --- from CPU to CPU --- */

/* Makes c notice that something changed for it: out of its guest, or out of HLT. */
static void kick(struct cpu *c)
{
	if (c != this_cpu())
		apic_send_ipi(c->apic_id, VEC_KICK);
}

/* Locks the queue of the CPU that the thread belongs to. */
static struct cpu *lock_cpu_of(struct thread *t)
{
	for (;;) {
		struct cpu *c = load_acquire(&t->cpu);

		spin_lock(&c->runqueue.lock);
		if (c == READ_ONCE(t->cpu))
			return c;
		spin_unlock(&c->runqueue.lock);
	}
}

/*
 * A thread that did not want to run, or moves, becomes ready on c; c is locked, and charged. True:
 * c is to be kicked once it is not, for the thread's turn has come, or slices begin here.
 */
static bool make_ready(struct cpu *c, struct thread *t, s64 lag)
{
	struct runqueue *rq = &c->runqueue;

	runqueue_arrive(rq, t, lag);
	t->state = THREAD_READY;
	runqueue_insert(rq, t, false);
	if (rq->ticking && !runqueue_preempts(t, running(c)))
		return false;
	atomic_fetch_or(&c->current->pending, (u32)THREAD_RESCHED);
	return true;
}

/* First step of a move, with the lock of the thread's CPU: it is in no queue. Returns its lag. */
static s64 leave(struct cpu *from, struct thread *t, struct cpu *to)
{
	s64 lag = runqueue_lag(&from->runqueue, t);

	t->state = THREAD_MOVING;
	t->migrations++;
	/* Release: who finds the new CPU finds the state, too. */
	store_release(&t->cpu, to);
	return lag;
}

/* The last step, without a lock. */
static void join(struct cpu *c, struct thread *t, s64 lag)
{
	bool notice;

	spin_lock(&c->runqueue.lock);
	runqueue_charge(&c->runqueue, running(c), time_now());
	notice = make_ready(c, t, lag);
	spin_unlock(&c->runqueue.lock);
	if (notice)
		kick(c);
}

/* A thread that slept runs at once if a CPU idles that it may use, its own one best. c, its CPU, is
 * locked; unlocks it. */
static void wake(struct cpu *c, struct thread *t)
{
	struct cpu *to = NULL;
	bool notice;
	s64 lag;

	if (!sched_place_claim(c->id) && sched_place_can_leave(t))
		to = sched_place_claim_idle(t->allowed, c->id);
	if (to && to != c) {
		runqueue_charge(&c->runqueue, running(c), time_now());
		lag = leave(c, t, to);
		spin_unlock(&c->runqueue.lock);
		join(to, t, lag);
		return;
	}
	runqueue_charge(&c->runqueue, running(c), time_now());
	notice = make_ready(c, t, runqueue_lag(&c->runqueue, t));
	spin_unlock(&c->runqueue.lock);
	if (notice)
		kick(c);
}

static s64 take_out(struct cpu *from, struct thread *t, struct cpu *to)
{
	runqueue_remove(&from->runqueue, t);
	runqueue_depart(&from->runqueue, t);
	return leave(from, t, to);
}

/* Gives one of the threads that wait here to another CPU if that is better. No lock. */
static void push(struct cpu *c)
{
	struct thread *t;
	struct cpu *to;
	s64 lag = 0;

	if (!c->runqueue.movable)
		return;
	spin_lock(&c->runqueue.lock);
	t = sched_place_choose_push(c, time_now(), &to);
	if (t)
		lag = take_out(c, t, to);
	spin_unlock(&c->runqueue.lock);
	if (t)
		join(to, t, lag);
}

static bool pull_from(struct cpu *from, struct cpu *c)
{
	struct thread *t;
	s64 lag = 0;

	spin_lock(&from->runqueue.lock);
	t = sched_place_choose_pull(from, c);
	if (t)
		lag = take_out(from, t, c);
	spin_unlock(&from->runqueue.lock);
	if (t)
		join(c, t, lag);
	return t;
}

/* Nothing is to be done here: takes a thread from where most wait, or else from anywhere. No lock.
 */
static bool pull(struct cpu *c)
{
	struct cpu *busiest = sched_place_busiest(c);

	if (!busiest)
		return false;
	if (pull_from(busiest, c))
		return true;
	for (u32 i = 0; i < cpu_count(); i++) {
		struct cpu *from = cpu_table[i];

		if (from != c && from != busiest && READ_ONCE(from->runqueue.movable) &&
		    pull_from(from, c))
			return true;
	}
	return false;
}

/* --- what threads call --- */

static void go_on_with_next(bool others_first)
{
	struct cpu *c = this_cpu();
	struct thread *t = c->current;

	rcu_quiescent();
	trap_irq_window();
	push(c);
	spin_lock(&c->runqueue.lock);
	runqueue_charge(&c->runqueue, t, time_now());
	t->state = THREAD_READY;
	runqueue_insert(&c->runqueue, t, others_first || t->spins);
	t->spins = false;
	switch_away(c);
}

void sched_preempt(void)
{
	go_on_with_next(false);
}

void sched_yield(void)
{
	go_on_with_next(true);
}

void sched_yield_spinning(void)
{
	struct cpu *c = this_cpu();

	if (!READ_ONCE(c->runqueue.length))
		return;
	c->current->spins = true;
	atomic_fetch_or(&c->current->pending, (u32)THREAD_RESCHED);
}

void sched_pause(void)
{
	trap_irq_window();
	if (READ_ONCE(sched_current()->pending) & THREAD_RESCHED)
		sched_preempt();
}

void sched_block(u32 mask)
{
	struct cpu *c = this_cpu();
	struct thread *t = c->current;

	rcu_quiescent();
	spin_lock(&c->runqueue.lock);
	/* Under the lock: sched_post() sets the bit before it takes the lock to look at the state.
	 */
	if (READ_ONCE(t->pending) & mask) {
		spin_unlock(&c->runqueue.lock);
		return;
	}
	runqueue_charge(&c->runqueue, t, time_now());
	runqueue_depart(&c->runqueue, t);
	t->state = THREAD_BLOCKED;
	switch_away(c);
}

void sched_post(struct thread *t, u32 bits)
{
	enum thread_state state;
	struct cpu *c;

	/* Full barrier: pairs with the lock in sched_block() and with the test before a VM entry.
	 */
	if ((atomic_fetch_or(&t->pending, bits) & bits) == bits)
		return;
	if (t == sched_current())
		return;
	c = lock_cpu_of(t);
	state = t->state;
	if (state == THREAD_BLOCKED) {
		wake(c, t);
		return;
	}
	spin_unlock(&c->runqueue.lock);
	/* Should it have left c by now, it has looked, or will, before it enters its guest again.
	 */
	if (state == THREAD_RUNNING)
		kick(c);
}

bool sched_post_quietly(struct thread *t, u32 bits)
{
	/* Full barrier: pairs with that in switch_away(), between the state of the one that is to
	 * run and its own look at the word. */
	bool posted = (atomic_fetch_or(&t->pending, bits) & bits) == bits;

	if (t == sched_current() || !sched_is_running(t))
		return false;
	/* Who posted the same before has kicked it. */
	if (!posted)
		kick(READ_ONCE(t->cpu));
	return true;
}

void sched_hold(void)
{
	struct cpu *c = this_cpu();

	c->resident = c->current;
	WRITE_ONCE(c->current->held, true);
}

void sched_let_go(void)
{
	struct cpu *c = this_cpu();

	if (c->resident == c->current)
		evict(c);
}

/* --- life --- */

/* First code of a thread, from switch_first_entry. */
void sched_thread_start(void)
{
	struct thread *t = sched_current();

	finish_switch();
	t->fn(t->arg);
	sched_exit();
}

int sched_prepare(struct thread *t, const char *name, u32 cpu, void (*fn)(void *), void *arg)
{
	u64 *sp;

	*t = (struct thread){
		.name = name,
		.state = THREAD_NEW,
		.cpu = cpu_table[cpu],
		.weight = SCHED_WEIGHT_DEFAULT,
		.fn = fn,
		.arg = arg,
	};
	t->stack_top = kstack_alloc();
	if (!t->stack_top)
		return -ENOMEM;
	/* What switch_stacks() pops: six registers, then the address to go to. */
	sp = (u64 *)t->stack_top - 2;
	*--sp = (u64)switch_first_entry;
	for (unsigned i = 0; i < 6; i++)
		*--sp = 0;
	t->sp = sp;
	return 0;
}

void sched_set_share(struct thread *t, u32 weight, const struct cpu_set *allowed)
{
	t->weight = weight;
	t->allowed = allowed;
}

void sched_start(struct thread *t)
{
	struct cpu *c = lock_cpu_of(t);

	t->vruntime = c->runqueue.min_vruntime;
	wake(c, t);
}

int sched_create(struct thread *t, const char *name, u32 cpu, void (*fn)(void *), void *arg)
{
	int err = sched_prepare(t, name, cpu, fn, arg);

	if (!err)
		sched_start(t);
	return err;
}

bool sched_is_over(const struct thread *t)
{
	/* Acquire: on_cpu is looked at after the state, which the thread sets before it leaves. */
	return load_acquire(&t->state) == THREAD_DEAD && !load_acquire(&t->on_cpu);
}

void sched_exit(void)
{
	struct cpu *c = this_cpu();
	struct thread *t = c->current;

	spin_lock(&c->runqueue.lock);
	runqueue_charge(&c->runqueue, t, time_now());
	runqueue_depart(&c->runqueue, t);
	t->state = THREAD_DEAD;
	switch_away(c);
	panic("sched: a dead thread runs");
}

/* True: it ran something, or found something to run. */
static bool run_ready(struct cpu *c)
{
	spin_lock(&c->runqueue.lock);
	if (c->runqueue.length) {
		runqueue_charge(&c->runqueue, NULL, time_now());
		switch_away(c);
		return true;
	}
	spin_unlock(&c->runqueue.lock);
	return pull(c);
}

void sched_idle(void)
{
	struct cpu *c = this_cpu();

	for (;;) {
		trap_irq_window();
		if (run_ready(c))
			continue;
		/* Who takes c out of the idle CPUs puts a thread here and kicks; or it came before
		 * c was one. Interrupts are off until the HLT, which a kick then ends. */
		sched_place_enter_idle(c->id);
		if (!READ_ONCE(c->runqueue.length)) {
			rcu_idle_enter();
			cpu_sti_hlt_cli();
			rcu_idle_exit();
		}
		(void)sched_place_claim(c->id);
	}
}
