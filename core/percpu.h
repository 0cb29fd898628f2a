/*
 * Per-CPU data: one struct cpu each, reached through the GS base. Fields are the CPU's own unless
 * said otherwise; statistics may be read by anyone.
 */
#ifndef NEAP_CORE_PERCPU_H
#define NEAP_CORE_PERCPU_H

#include "arch/x86/desc.h"
#include "core/cpu_set.h"
#include "core/list.h"
#include "core/rbtree.h"
#include "core/rcu_cpu.h"
#include "core/spinlock.h"

struct thread;
struct shootdown;

struct timer_queue {
	struct spinlock lock;  /* guards timers and running; taken by other CPUs to cancel */
	struct list timers;    /* by ascending deadline */
	struct timer *running; /* the callback under way */
	u64 programmed;	       /* deadline in the hardware; UINT64_MAX: none. Owner only */
};

/*
 * The threads of a CPU. The lock guards all of it, and what sched.h says of the threads that belong
 * here. Other CPUs read the three counts without it, to see where there is something to do.
 */
struct runqueue {
	struct spinlock lock;
	struct rb_tree ready; /* by thread.key */
	u32 length;	      /* of ready */
	u32 movable;	      /* of those, how many may run on other CPUs */
	u32 load;	      /* weights of the ready threads and the running one */
	bool ticking;	      /* the end of the slice is timed */
	u64 min_vruntime;     /* never goes back: where those who come are put */
	u64 arrivals;	      /* counts them */
	u64 accounted;	      /* TSC up to which the running thread is charged */
	u64 balance_at;	      /* TSC of the next balancing; owner only */
	s64 sleeper;	      /* SCHED_SLEEPER_NS in ticks */
};

struct cpu {
	struct cpu *self; /* at offset 0: this_cpu() reads it through GS */
	u32 id;		  /* 0 .. cpu_count() - 1 */
	u32 apic_id;
	struct thread *current;
	struct thread *previous; /* who ran before the switch under way */
	struct runqueue runqueue;
	struct timer_queue timers;
	struct rcu_cpu rcu;
	struct shootdown *shootdown; /* of the VM that may run here; hv/mmu/shootdown.h */
	struct thread *idle;
	struct thread *resident; /* whose state is in this CPU's registers; see sched_hold() */
	void *loaded_vcpu;	 /* the same as hv knows it */
	void *backend;		 /* vmx's or svm's own */
	bool online;		 /* release by the CPU, acquire by the boot CPU */
	u64 irq_count, irq_unexpected, nmi_count;
	struct cpu_desc desc;
};

/* CPUs that are up: 0 .. cpu_count() - 1. */
extern struct cpu *cpu_table[CPU_MAX];
u32 cpu_count(void);

/*
 * A thread that calls sched_block(), sched_yield() or sched_preempt() may go on on another CPU:
 * what this_cpu() said before them is old. The table, which is not looked at, stands for "memory",
 * so that the compiler asks again after a call.
 */
static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__("movq %%gs:0, %0" : "=r"(c) : "m"(cpu_table));
	return c;
}

/* False until the boot CPU has its struct cpu. */
bool percpu_ready(void);

#endif
