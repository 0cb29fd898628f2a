#include "core/sched.h"

#include <errno.h>

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "core/panic.h"
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
	(void)timer;
	atomic_fetch_or(&sched_current()->pending, (u32)THREAD_RESCHED);
}

void sched_init_cpu(void)
{
	struct cpu *c = this_cpu();
	struct thread *idle = &idle_threads[c->id];

	list_init(&c->runqueue.ready);
	timer_init(&slice_timers[c->id], slice_over);
	*idle = (struct thread){
		.name = "idle", .state = THREAD_RUNNING, .cpu = c, .on_cpu = true
	};
	list_init(&idle->node);
	c->idle = c->current = idle;
}

/* Appends a thread that is to run; its CPU's runqueue is locked. */
static void enqueue(struct thread *t)
{
	t->state = THREAD_READY;
	list_add_tail(&t->cpu->runqueue.ready, &t->node);
	t->cpu->runqueue.length++;
}

static struct thread *dequeue(struct cpu *c)
{
	struct thread *t;

	if (list_empty(&c->runqueue.ready))
		return c->idle;
	t = list_entry(c->runqueue.ready.next, struct thread, node);
	list_remove(&t->node);
	c->runqueue.length--;
	return t;
}

/* First thing after a switch, on the new stack: the old thread's stack is not in use any more. */
static void finish_switch(void)
{
	struct thread *from = this_cpu()->previous;

	/* Release: pairs with the acquire in sched_is_over(). */
	store_release(&from->on_cpu, false);
}

/*
 * Goes on with the next ready thread. The runqueue is locked, and unlocked again before the switch:
 * no other CPU takes threads from here, so nobody can run this one while its registers are being
 * saved.
 */
static void switch_away(struct cpu *c)
{
	struct thread *from = c->current, *to = dequeue(c);
	bool others = c->runqueue.length > 0;

	to->state = THREAD_RUNNING;
	c->current = to;
	atomic_fetch_and(&to->pending, ~(u32)THREAD_RESCHED);
	spin_unlock(&c->runqueue.lock);
	if (others)
		timer_set(&slice_timers[c->id], time_now() + time_ns_to_ticks(SCHED_SLICE_NS));
	else if (timer_is_armed(&slice_timers[c->id]))
		timer_cancel(&slice_timers[c->id]);
	if (to == from)
		return;
	to->on_cpu = true;
	c->previous = from;
	switch_stacks(&from->sp, to->sp);
	finish_switch();
}

void sched_yield(void)
{
	struct cpu *c = this_cpu();

	trap_irq_window();
	spin_lock(&c->runqueue.lock);
	if (c->current != c->idle)
		enqueue(c->current);
	switch_away(c);
}

void sched_block(u32 mask)
{
	struct cpu *c = this_cpu();
	struct thread *t = c->current;

	spin_lock(&c->runqueue.lock);
	/* Under the lock: sched_post() sets the bit before it takes the lock to look at the state.
	 */
	if (READ_ONCE(t->pending) & mask) {
		spin_unlock(&c->runqueue.lock);
		return;
	}
	t->state = THREAD_BLOCKED;
	switch_away(c);
}

/* Makes c notice that something changed for it: out of its guest, or out of HLT. */
static void kick(struct cpu *c)
{
	if (c != this_cpu())
		apic_send_ipi(c->apic_id, VEC_KICK);
}

void sched_post(struct thread *t, u32 bits)
{
	struct cpu *c = t->cpu;
	enum thread_state state;

	/* Full barrier: pairs with the lock in sched_block() and with the test before a VM entry.
	 */
	if ((atomic_fetch_or(&t->pending, bits) & bits) == bits)
		return;
	if (t == sched_current())
		return;
	spin_lock(&c->runqueue.lock);
	state = t->state;
	if (state == THREAD_BLOCKED) {
		enqueue(t);
		atomic_fetch_or(&c->current->pending, (u32)THREAD_RESCHED);
	}
	spin_unlock(&c->runqueue.lock);
	if (state == THREAD_BLOCKED || state == THREAD_RUNNING)
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
		.name = name, .state = THREAD_NEW, .cpu = cpu_table[cpu], .fn = fn, .arg = arg
	};
	list_init(&t->node);
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

void sched_start(struct thread *t)
{
	struct cpu *c = t->cpu;

	spin_lock(&c->runqueue.lock);
	enqueue(t);
	atomic_fetch_or(&c->current->pending, (u32)THREAD_RESCHED);
	spin_unlock(&c->runqueue.lock);
	kick(c);
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

	spin_lock(&c->runqueue.lock);
	c->current->state = THREAD_DEAD;
	switch_away(c);
	panic("sched: a dead thread runs");
}

void sched_idle(void)
{
	struct cpu *c = this_cpu();

	for (;;) {
		trap_irq_window();
		spin_lock(&c->runqueue.lock);
		if (c->runqueue.length) {
			switch_away(c);
			continue;
		}
		spin_unlock(&c->runqueue.lock);
		/* A kick that comes from here on ends the HLT: interrupts are off until it. */
		if (!READ_ONCE(c->runqueue.length))
			cpu_sti_hlt_cli();
	}
}
