/*
 * TLB shootdown: what a VM's page tables (EPT, NPT) said before is in no processor's caches any
 * more. Each VM counts its requests; each CPU remembers the count it last flushed for. A CPU on
 * which a vCPU of the VM is loaded is kicked and flushes in the kick's handler, so before it enters
 * the guest again; any other does when it next loads a vCPU of that VM, by one comparison. The
 * entry path knows nothing of it.
 *
 * A new VM's count is ahead of every CPU's: a frame that was another VM's root before is never met
 * in the caches.
 */
#ifndef NEAP_HV_MMU_SHOOTDOWN_H
#define NEAP_HV_MMU_SHOOTDOWN_H

#include "mm/ptab.h"

struct vm;
struct vcpu;

/* How long a CPU may take to answer before the request is given up: it does within an exit's
 * handler, and 1 ms where interrupts are held back (core/rcu.h). */
#define SHOOTDOWN_BOUND_NS 10000000000ull

/* A CPU's side: written by that CPU only. */
struct shootdown_cpu {
	u64 seen;	   /* requests that were there at its last flush */
	u32 loaded;	   /* a vCPU of the VM is loaded: it may run at any time */
	struct vcpu *vcpu; /* the last one that was; written before `loaded` is set */
};

struct shootdown {
	u64 wanted; /* atomic: requests so far, from 1 */
	struct shootdown_cpu *cpu;
};

/* For a VM that has not run; -ENOMEM. And for one that does not any more. */
int shootdown_init(struct shootdown *s) __must_check;
void shootdown_fini(struct shootdown *s);

/* The vCPU loop's: before a vCPU of the VM is loaded here, and after it was unloaded. Interrupts
 * off. */
void shootdown_load(struct vm *vm);
void shootdown_unload(struct vm *vm);

/* The kick's handler, on every CPU: flushes if that was asked for. */
void shootdown_take_kick(void);

/*
 * Something in the VM's tables was removed or weakened: no CPU uses the old after this. Worker
 * context, no lock held; yields. -ETIMEDOUT: a CPU does not answer (a line says which one): it must
 * be assumed that it goes on using it.
 */
int shootdown(struct vm *vm) __must_check;

/* For `level`: all of them, root and all. */
#define SHOOTDOWN_ROOT 0u

/*
 * The one way in which page-table pages of a VM are freed: unlinks the table that the entry of this
 * level (2 and up) for gpa leads to; then shoots down, waits for software that walks it, frees it
 * and all below. What it maps is the caller's, who sees to it that nobody maps anything new there
 * meanwhile. Worker context. -ENOENT: no table is there; -ETIMEDOUT: as above, and the pages are
 * not freed.
 */
int shootdown_and_free(struct vm *vm, gpa_t gpa, unsigned level) __must_check;

/* Its second half, for tables that were unlinked, or replaced, before; likewise. */
int shootdown_free(struct vm *vm, const struct ptab_table *tables, unsigned count) __must_check;

struct shootdown_stats {
	u64 requests, kicks;
	u64 flushes_kicked, flushes_loading; /* in the kick's handler; at a load */
	u64 timeouts, longest_wait;	     /* in ticks */
	u64 freed;			     /* table pages */
};

/* Sums over all VMs so far, while CPUs may count on; and the same as a line of the log. Any
 * context. */
void shootdown_get_stats(struct shootdown_stats *out);
void shootdown_log_stats(void);

#endif
