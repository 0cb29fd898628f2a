/*
 * The torture: the hypervisor, booted as ever, in which all processors at once do what its
 * concurrent code is there for, and every part checks exact invariants. It takes the manager's
 * place at link time. Words of the command line:
 *   torture=SECONDS        how long all parts take together (5); 0: as short as they can be
 *   torture_only=A,B,...   these parts only
 *   torture_fault=NAME     breaks something on purpose: the torture must see it
 */
#ifndef NEAP_TESTS_TORTURE_H
#define NEAP_TESTS_TORTURE_H

#include "core/atomic.h"
#include "core/sched.h"

#define TORTURE_COUNTS 8

/* One for each CPU: the thread that works there, and what it counts. */
struct torture_worker {
	struct thread thread;
	u32 cpu;
	bool busy; /* its work is not over; the watchdog's */
	u64 beat;  /* when it last got on; read by the watchdog */
	u64 random;
	u64 operations;
	u64 count[TORTURE_COUNTS]; /* the part's own, 0 at its beginning */
};

struct torture_part {
	const char *name;
	/* The control thread's, before and after the work: end() checks what holds at rest. */
	void (*begin)(void);
	void (*work)(struct torture_worker *w);
	void (*end)(void);
};

extern const struct torture_part part_lock, part_frame, part_heap, part_ptab, part_pingpong,
	part_wakeup, part_threads, part_slices, part_migrate, part_timer, part_vcpu_table, part_log,
	part_ipi, part_console, part_lapic, part_lint, part_ioapic, part_pic, part_apic_bus,
	part_tsc, part_vms, part_rcu, part_tables;

extern struct torture_worker *torture_workers; /* cpu_count() of them */

/*
 * One operation is done: true while the part is to go on. Now and then lets others on this CPU run,
 * and interrupts in. Worker.
 */
bool torture_going(struct torture_worker *w);

/* The same without an operation, in a loop that waits: the watchdog goes on counting. */
bool torture_waiting(void);

/* The worker got on, though it has no operation to show for it. */
void torture_beat(struct torture_worker *w);

/* All workers meet here; they all get the same answer, that of torture_going(). */
bool torture_meet(struct torture_worker *w);

/* Time is left, or not enough has been done, and nothing has failed. Any context. */
bool torture_on(void);
bool torture_failed(void);

/*
 * The part goes on beyond its time until enough(), for TORTURE_PATIENCE_NS at most: how soon a
 * thread has its first turn, say, is up to the machine. enough() is called in any context, and once
 * true it stays so. From begin().
 */
void torture_need(bool (*enough)(void));

/* An invariant does not hold: says so, and ends the torture. Any context. */
void torture_fail(const char *fmt, ...) __printf(1, 2);
#define TORTURE_CHECK(cond, ...)                   \
	do {                                       \
		if (unlikely(!(cond)))             \
			torture_fail(__VA_ARGS__); \
	} while (0)

/* The fault of that name is to be made. */
bool torture_fault(const char *name);

/* A random number below n. */
u32 torture_random(struct torture_worker *w, u32 n);

/* Memory for a part, in whole frames; there is always enough, or the torture fails and stops. */
void *torture_alloc(size_t n);

/* Another thread than the workers: starts it; waits for its end and gives its stack back. */
void torture_spawn(struct thread *t, const char *name, u32 cpu, void (*fn)(void *), void *arg);
void torture_join(struct thread *t);

/* The sum of one of the workers' counts. */
u64 torture_sum(unsigned count);

/* Frames that are free now: what a part takes it gives back. */
u64 torture_free_frames(void);

/* How long something may take that takes microseconds, on a machine that is shared and emulated. */
#define TORTURE_PATIENCE_NS 10000000000ull
u64 torture_patience(void); /* as a TSC value from now on */

/* --- the watchdog, watch.c --- */

/* Looks, from an NMI on the boot CPU, whether every busy worker gets on. Control thread, once. */
void watch_start(void);

/* Where every CPU is, by name; then off with status 1. Any context. */
void watch_report(const char *why) __noreturn;

/* Says how it ended, and switches the machine off. */
void torture_exit(u32 status) __noreturn;

#endif
