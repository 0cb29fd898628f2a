/*
 * Threads and the scheduler: each CPU runs the threads placed on it in turn, preempted at the
 * slice's end when others are ready. A thread is a vCPU or a worker; each has a stack of its own.
 * Interrupts stay off in all of them but for trap_irq_window().
 */
#ifndef NEAP_CORE_SCHED_H
#define NEAP_CORE_SCHED_H

#include "core/atomic.h"
#include "core/list.h"
#include "core/types.h"

enum thread_state { THREAD_NEW, THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

/* Bit 0 of thread.pending is the scheduler's, the others belong to whoever owns the thread. */
#define THREAD_RESCHED BIT(0)

struct thread {
	u32 pending;		 /* atomic: work for the thread; see sched_post() */
	void *sp;		 /* saved stack pointer while it does not run; switch.S */
	enum thread_state state; /* under the runqueue's lock */
	struct cpu *cpu;	 /* where it runs */
	struct list node;	 /* in the runqueue while ready */
	void *stack_top;
	void (*fn)(void *arg);
	void *arg;
	const char *name;
	bool on_cpu; /* its stack is in use; cleared by the thread that runs next */
};

/* Length of a slice; a CPU with one ready thread takes no tick. */
#define SCHED_SLICE_NS 5000000ull

/* Makes the calling context the idle thread of its CPU. Once per CPU, before any other call. */
void sched_init_cpu(void);

/* The idle loop; never returns. */
void sched_idle(void) __noreturn;

/*
 * Makes a thread for a CPU (a number below cpu_count()), not yet to run; from here on it can be
 * posted to, and finds that in its pending word when it runs. -ENOMEM. May be called on any CPU.
 * thread is the caller's memory and must outlive the thread; whoever does not start it frees its
 * stack.
 */
int sched_prepare(struct thread *thread, const char *name, u32 cpu, void (*fn)(void *),
		  void *arg) __must_check;

/* Makes it ready, once. Any CPU. */
void sched_start(struct thread *thread);

/* Both together. */
int sched_create(struct thread *thread, const char *name, u32 cpu, void (*fn)(void *),
		 void *arg) __must_check;

/* Ends the calling thread. */
void sched_exit(void) __noreturn;

/* True once a thread has ended and left its stack: its memory may be freed. Any context. */
bool sched_is_over(const struct thread *thread);

/* Lets the others on this CPU run; takes pending interrupts. Returns when it is this one's turn
 * again. */
void sched_yield(void);

/*
 * Sleeps until a bit of `mask` is set in the thread's pending word (at once if one is), or until
 * another bit is posted: the caller looks again. Thread context.
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

static inline struct thread *sched_current(void);

#include "core/percpu.h"

static inline struct thread *sched_current(void)
{
	return this_cpu()->current;
}

#endif
