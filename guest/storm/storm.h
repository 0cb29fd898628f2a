/* storm: what its parts share. docs/testing.md says what it does. */
#ifndef STORM_H
#define STORM_H

#include <stdbool.h>
#include <stdint.h>
#include "apic.h"
#include "smp.h"
#include "x86.h"

enum storm_part {
	PART_IPI,
	PART_NMI,
	PART_TLB,
	PART_TIMER,
	PART_HALT,
	PART_RESTART,
	PART_IOAPIC,
	PART_COUNT
};

/*
 * What one processor may send another: of each at most one is outstanding for a target, whoever
 * sent it. So none can merge with another, and each is seen exactly once.
 */
enum storm_slot {
	SLOT_PHYSICAL,
	SLOT_LOGICAL,
	SLOT_ALL,
	SLOT_REST,
	SLOT_SELF,
	SLOT_SELF_MSR,
	SLOT_TLB,
	SLOT_WAKE,
	SLOT_FENCE, /* the lowest in priority: when it comes, what was sent before has come */
	SLOT_NMI,
	SLOT_COUNT
};

#define VECTOR_FENCE	0x31u
#define VECTOR_LEVEL	0x35u
#define VECTOR_PHYSICAL 0x41u
#define VECTOR_WAKE	0x4cu
#define VECTOR_LOGICAL	0x52u
#define VECTOR_ALL	0x63u
#define VECTOR_REST	0x74u
#define VECTOR_SELF	0x85u
#define VECTOR_SELF_MSR 0x96u
#define VECTOR_LOWEST	0xa7u
#define VECTOR_TLB	0xb8u
#define VECTOR_TIMER	0xc9u
#define VECTOR_PIT	0xd1u
#define VECTOR_KICK	0xe1u /* not counted: ends a HLT so that the loop looks around */
#define VECTOR_NMI	2u

#define NOBODY (-1)

enum storm_halt { HALT_NOT, HALT_FOR_IPI, HALT_FOR_NMI, HALT_FOR_TIMER, HALT_PARKED };

struct storm_count {
	uint64_t sent, arrived, voided;
};

struct storm_timer {
	uint32_t mode;	 /* of the LVT entry */
	uint32_t expect; /* interrupts still to come */
	uint32_t ticks, wanted;
	uint64_t start, length; /* TSC; of a period, of all */
	uint64_t late;		/* TSC; not here by then: lost */
};

enum restart_state { RESTART_NOT, RESTART_CLOSING, RESTART_RETIRING, RESTART_WAITING };

struct storm_restart {
	enum restart_state state;
	struct storm_cpu *target;
	uint32_t checked; /* processors that were seen not to be sending */
	uint64_t since;
};

struct storm_cpu {
	struct smp_cpu *smp;
	uint32_t index;
	/* Read by all. */
	volatile uint64_t slot[SLOT_COUNT]; /* see slot.c; 0: nothing is outstanding */
	volatile uint32_t gate;		    /* others may send to it */
	volatile uint32_t sending;	    /* it may have looked at a gate, and not yet sent */
	volatile uint32_t refs;		    /* who relies on it beyond that */
	volatile uint32_t retire;	 /* it shall end what it does, for it is to be restarted */
	volatile uint32_t retired;	 /* it has */
	volatile uint32_t done;		 /* the phase that it has finished */
	volatile uint32_t switched;	 /* to x2APIC mode, and waits with interrupts off */
	volatile uint32_t halting, wake; /* enum storm_halt; told to go on */
	volatile uint64_t beat;		 /* TSC when its loop came round */
	/* Its own. */
	uint32_t expected_starts;
	uint64_t random;
	uint32_t watched;
	uint32_t forgotten;
	bool tlb_busy;
	struct storm_timer timer;
	struct storm_restart restart;
	struct storm_count count[PART_COUNT];
} __attribute__((aligned(64)));

#define PHASE_SWITCH (1u << 31)

enum storm_fault { FAULT_NONE, FAULT_LOSE, FAULT_SPURIOUS, FAULT_STALE };

struct storm_options {
	uint64_t microseconds;
	uint64_t seed;
	uint32_t timeout_ms;
	uint32_t only; /* bits of parts */
	enum storm_fault fault;
	bool no_xapic, no_x2apic, cluster;
};

struct storm_phase {
	volatile uint32_t number; /* the one that runs, or ran last */
	volatile uint32_t over;
	uint32_t parts; /* bits; or PHASE_SWITCH */
	uint64_t start, length;
};

extern struct storm_options storm_options;
extern struct storm_phase storm_phase;
extern struct storm_cpu *storm_cpus;
extern uint64_t storm_hz;      /* of the TSC */
extern uint64_t storm_timeout; /* in its ticks */

struct storm_part_ops {
	const char *name;
	/* A bit of work, without waiting; with `stop` only what it has begun. */
	void (*step)(struct storm_cpu *c, bool stop);
	bool (*is_idle)(const struct storm_cpu *c); /* nothing begun; NULL: never */
};
extern const struct storm_part_ops part_ipi, part_nmi, part_tlb, part_timer, part_halt,
	part_restart, part_ioapic;
extern const struct storm_part_ops *const storm_parts[PART_COUNT];

static inline struct storm_cpu *storm_this(void)
{
	return &storm_cpus[smp_this()->index];
}

static inline void storm_mb(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A random number below LIMIT. */
uint32_t storm_random(struct storm_cpu *c, uint32_t limit);
struct storm_cpu *storm_random_cpu(struct storm_cpu *c);

/* --- slot.c --- */

/* Claims the slot, without sending; false if something is outstanding or the gate is closed. */
bool slot_claim(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot);
/* Takes a claim back that nothing was sent for. */
void slot_release(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot);
/* Around looking at gates, claiming and sending. */
void send_begin(struct storm_cpu *c);
void send_end(struct storm_cpu *c);
/* All of it, for one target by its id. False if it was not to be. */
bool slot_send(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot);
/* The same for a target whose gate the caller closed itself. */
bool slot_send_closed(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot);
unsigned int slot_vector(enum storm_slot slot);
enum storm_part slot_part(enum storm_slot slot);
/* What was outstanding for C will not come any more. */
void slot_void(struct storm_cpu *c);
/* Handlers of all slots' vectors. */
void slot_init(void);
/* Reports what has been outstanding for too long. */
void slot_watch(struct storm_cpu *target);
/* Something is outstanding, to whomever. */
bool slot_any(void);

/* --- logical.c: logical destinations --- */
unsigned int logical_groups(void);
/* Those with logical ids of one group; NULL behind the last. */
struct storm_cpu *logical_member(unsigned int group, unsigned int member);
unsigned int logical_group(const struct storm_cpu *c);
uint32_t logical_bit(const struct storm_cpu *c); /* of its group's members */
uint32_t logical_destination(unsigned int group, uint32_t members);
bool logical_possible(void);
/* This processor's logical id, in xAPIC mode. */
void logical_set_id(const struct storm_cpu *c);

/* --- parts, where others need them --- */
void ipi_init(void);
void ipi_watch(void);
/* No lowest-priority IPI is under way that C may be chosen for; none at all. */
bool ipi_lowest_idle(const struct storm_cpu *c);
bool ipi_all_lowest_idle(void);
void tlb_init(void);
/* This processor reads what the page holds now. */
void tlb_refresh(void);
bool tlb_handle(struct storm_cpu *c); /* false: an error was recorded */
void timer_init(void);
void timer_arm(struct storm_cpu *c);
void timer_check(struct storm_cpu *c);
void halt_handle_nmi(struct storm_cpu *c, struct trap_frame *frame);
void ioapic_init(void);

/* --- worker.c --- */
void worker_enter(struct smp_cpu *smp);	 /* where processors come to when they start */
void worker_run(struct storm_cpu *c);	 /* one phase */
void worker_switch(struct storm_cpu *c); /* the first processor: all go to x2APIC mode */
void worker_kick(struct storm_cpu *target);
void worker_kick_all(void);

/* --- error.c --- */
struct storm_error {
	volatile uint32_t set;
	const char *what;
	int part, vector, from, to; /* NOBODY where there is none */
	uint64_t since, a, b;	    /* TSC of what was not answered; more, in hexadecimal */
};
extern struct storm_error storm_error;

/* Records the first one; all others are its consequence. Any context. */
void error_record(const struct storm_error *error);
/* To be called by each loop: once there is an error, it does not return. */
void error_check(struct storm_cpu *c);
/* In an NMI's handler: true if the NMI was for the report. */
bool error_handle_nmi(struct storm_cpu *c, const struct trap_frame *frame);
/* A bit of a bank of 256, in this processor's local APIC. */
bool apic_bit(uint32_t bank, unsigned int vector);

#endif
