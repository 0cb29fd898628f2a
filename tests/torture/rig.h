/*
 * Local APICs under torture: one for each CPU, with a thread on that CPU as its owner, which sleeps
 * like a vCPU in HLT until it is notified, then accepts what there is. Whoever raises a vector
 * counts first; the owner reads the count when it has accepted the vector: so it is known what was
 * seen.
 */
#ifndef NEAP_TESTS_TORTURE_RIG_H
#define NEAP_TESTS_TORTURE_RIG_H

#include "hv/dev/apic_bus.h"
#include "hv/dev/lapic.h"
#include "torture.h"

struct rig {
	struct thread thread; /* the owner */
	struct lapic lapic;
	u32 cpu;
	void *page;
	u64 accepts;	    /* of all vectors */
	u64 raised[256];    /* atomic; see rig_count() */
	u64 seen[256];	    /* of raised, when the vector was last accepted */
	u64 accepted[256];  /* the owner's */
	u64 level_eoi[256]; /* EOIs that went to the I/O APICs; likewise */
};

struct rig_hooks {
	/* Owner: a vector was accepted and is not yet ended. NULL: nothing is to be done. */
	void (*serve)(struct rig *r, u8 vector);
	/* Owner: what the local APIC tells the I/O APICs. May be NULL. */
	void (*eoi)(struct rig *r, u8 vector);
};

extern struct rig *rigs; /* cpu_count() of them */
extern struct apic_bus rig_bus;

/* Makes the local APICs, enabled, in xAPIC mode. begin(). */
void rig_begin(const struct rig_hooks *hooks);
/* Starts the owner on the worker's CPU; work(), first and last. */
void rig_start(struct torture_worker *w);
void rig_stop(struct torture_worker *w);
/* All that was raised has been seen, and nothing else. end(). */
void rig_end(void);

/* Somebody is about to raise a vector. */
void rig_count(struct rig *r, u8 vector);
/* Waits until all that was raised by now has been seen. */
void rig_wait(struct rig *r, u8 vector);

#endif
