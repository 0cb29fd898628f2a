/*
 * Threads and the scheduler. A thread is a vCPU or a worker; each has a stack of its own, and a
 * weight: where threads compete for a CPU, each gets its weight's part of it. Threads that may run
 * on several CPUs are moved to where there is room. Interrupts stay off in all of them but for
 * trap_irq_window(). docs/architecture.md says what is decided when, and what bounds it.
 */
#ifndef NEAP_CORE_SCHED_H
#define NEAP_CORE_SCHED_H

#include "core/atomic.h"
#include "core/cpu_set.h"
#include "core/rbtree.h"
#include "core/types.h"

/* MOVING: out of one CPU's queue, and not yet in the other's: whoever moves it puts it there. */
enum thread_state {
	THREAD_NEW,
	THREAD_READY,
	THREAD_RUNNING,
	THREAD_BLOCKED,
	THREAD_DEAD,
	THREAD_MOVING
};

/* Bit 0 of thread.pending is the scheduler's, the others belong to whoever owns the thread. */
#define THREAD_RESCHED BIT(0)

#define SCHED_WEIGHT_DEFAULT 100
#define SCHED_WEIGHT_MAX     1000
_Static_assert(SCHED_WEIGHT_DEFAULT >= 1 && SCHED_WEIGHT_DEFAULT <= SCHED_WEIGHT_MAX, "a weight");

/*
 * Under the lock of cpu's run queue: what is not said to be otherwise. cpu itself changes under the
 * lock of the queue that is left; sched_post() and the like lock the queue, and look again.
 */
struct thread {
	u32 pending;	 /* atomic: work for the thread; see sched_post() */
	void *sp;	 /* saved stack pointer while it does not run; switch.S */
	struct cpu *cpu; /* where it runs, or ran last */
	enum thread_state state;
	u32 weight;		       /* fixed when it is started */
	const struct cpu_set *allowed; /* likewise. NULL: its CPU and no other */
	struct rb_node node;	       /* in the run queue while ready */
	u64 key;		       /* its place there: vruntime, or behind it if it yielded */
	u64 vruntime;		       /* ticks it ran, times default weight by weight */
	u64 arrival;		       /* counts those who come to a CPU: who is there longest */
	void (*evict)(struct thread *thread); /* see sched_hold() */
	bool held;     /* its state is in the registers of cpu; written there, without the lock */
	bool on_cpu;   /* its stack is in use; cleared without the lock by who runs next */
	bool spins;    /* the next time it yields others go first; its own thread */
	u64 run_ticks; /* statistics: how long it ran, how often it was switched to, moved */
	u64 switches;
	u64 migrations;
	void *stack_top; /* the rest is fixed when it is made */
	void (*fn)(void *arg);
	void *arg;
	const char *name;
	/*
	 * If set: called once when the thread has ended and has left its stack, on its last CPU, by
	 * whoever runs there next, no locks held; it may post, must not wait. It may hand thread
	 * and stack to someone who frees them.
	 */
	void (*gone)(struct thread *thread);
};

/* Makes the calling context the idle thread of its CPU. Once per CPU, before any other call. */
void sched_init_cpu(void);

/* The idle loop; never returns. */
void sched_idle(void) __noreturn;

/*
 * Makes a thread for a CPU (a number below cpu_count()) and no other, not yet to run; from here on
 * it can be posted to, and finds that in its pending word when it runs. -ENOMEM. May be called on
 * any CPU. thread is the caller's memory and must outlive the thread; whoever does not start it
 * frees its stack.
 */
int sched_prepare(struct thread *thread, const char *name, u32 cpu, void (*fn)(void *),
		  void *arg) __must_check;

/*
 * Between sched_prepare() and sched_start(): its weight, from 1 to SCHED_WEIGHT_MAX, and where it
 * may run: its CPU is one of them; the set stays as it is while the thread lives.
 */
void sched_set_share(struct thread *thread, u32 weight, const struct cpu_set *allowed);

/* Makes it ready, once. Any CPU. */
void sched_start(struct thread *thread);

/* Both together. */
int sched_create(struct thread *thread, const char *name, u32 cpu, void (*fn)(void *),
		 void *arg) __must_check;

/* Ends the calling thread. */
void sched_exit(void) __noreturn;

/* True once a thread has ended and left its stack: its memory may be freed. Any context. */
bool sched_is_over(const struct thread *thread);

/*
 * Goes on with the thread whose turn it is: what is to be done when THREAD_RESCHED is set. Takes
 * pending interrupts. Returns when it is this one's turn again, maybe at once, maybe on another
 * CPU. No lock held.
 */
void sched_preempt(void);

/* The same, but others on this CPU that are ready go first, as far as one slice reaches. It loses
 * nothing of its share by that. */
void sched_yield(void);

/*
 * The calling vCPU's guest waits in a loop (a pause-loop exit): if others are ready on this CPU the
 * thread's next sched_preempt() is a sched_yield(), and is made due. A few instructions; from exit
 * handlers.
 */
void sched_yield_spinning(void);

/*
 * For a worker within a long piece of work: takes pending interrupts, and lets others run when its
 * slice is over. No locks held.
 */
void sched_pause(void);

/*
 * Sleeps until a bit of `mask` is set in the thread's pending word (at once if one is), or until
 * another bit is posted: the caller looks again, maybe on another CPU. Thread context, no lock
 * held.
 */
void sched_block(u32 mask);

/*
 * Sets bits in a prepared thread's pending word and sees to it that the thread notices: it is made
 * ready if it sleeps, and its CPU is kicked out of the guest if it runs there. Any context.
 */
void sched_post(struct thread *thread, u32 bits);

/*
 * The same, but one that sleeps goes on sleeping, and finds the bits when it wakes. True: it may be
 * in its guest without having seen them; it is so no longer when it has taken them, or when
 * sched_is_running() says no. False for the calling thread.
 */
bool sched_post_quietly(struct thread *thread, u32 bits);

/* Whether it is the one that its CPU runs, at this instant. Any context, no lock. */
static inline bool sched_is_running(const struct thread *thread)
{
	return READ_ONCE(thread->state) == THREAD_RUNNING;
}

/*
 * The calling thread has put state into this CPU's registers, beside what every thread has. It
 * stays there while the thread runs or the CPU idles. Before any other thread runs here, the CPU
 * calls thread->evict(), which takes it out; until then the thread runs nowhere else.
 */
void sched_hold(void);

/* Has the calling thread's state taken out, if it is in. */
void sched_let_go(void);

/* The calling thread. */
static inline struct thread *sched_current(void);

#include "core/percpu.h"

static inline struct thread *sched_current(void)
{
	return this_cpu()->current;
}

#endif
