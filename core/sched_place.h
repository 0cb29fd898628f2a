/*
 * Where threads run: which CPUs idle, where a thread that wakes goes, which one an idle CPU takes,
 * and which one a busy CPU gives away. Decisions only; core/sched.c carries them out.
 */
#ifndef NEAP_CORE_SCHED_PLACE_H
#define NEAP_CORE_SCHED_PLACE_H

#include "core/percpu.h"
#include "core/sched.h"

/* A CPU with several threads looks this often whether another one has less to do. */
#define SCHED_BALANCE_NS 20000000ull
/* Ready threads of a queue that are looked at for one that can be moved. */
#define PLACE_LOOK 8

/* The calling CPU is about to halt, with nothing to do. Full barrier. */
void sched_place_enter_idle(u32 cpu);

/* The CPU idles no longer, or somebody is about to give it something to do: true for the one who
 * claimed it. */
bool sched_place_claim(u32 cpu);

/* Claims a CPU of the set that idles, the first one from `near` on; NULL: there is none. */
struct cpu *sched_place_claim_idle(const struct cpu_set *allowed, u32 near);

/* The thread's state is in no CPU's registers, nor its stack in use, and it may run elsewhere. Its
 * queue is locked. */
bool sched_place_can_leave(const struct thread *t);

/* The CPU with most threads that wait and may run elsewhere; NULL: none has any. No lock. */
struct cpu *sched_place_busiest(const struct cpu *except);

/* The first thread of `from`'s queue (locked) that can run on `to`; NULL: none of the first few. */
struct thread *sched_place_choose_pull(const struct cpu *from, const struct cpu *to);

/*
 * A thread of c's queue (locked) that had better run elsewhere, and where: at any time on a CPU
 * that idles, which is claimed then; and once in SCHED_BALANCE_NS on the one with the least load,
 * if that is evened out by it or, with as little as one thread too many, its turn has come to move.
 * NULL: none.
 */
struct thread *sched_place_choose_push(struct cpu *c, u64 now, struct cpu **to);

#endif
