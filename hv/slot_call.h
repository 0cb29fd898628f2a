/*
 * Hypercalls by which a test program changes the memory of its own VM, for VMs whose manifest says
 * `test_hypercalls = on`. The call is queued for a worker and returns at once; the guest polls for
 * the result, on any of its vCPUs, while all of them run on. One call at a time in a VM.
 *
 * Number in RAX, arguments in RDI, RSI, RDX, R8 and R9; the answer is in RAX: 0 (of the log: how
 * many pages) or a negative errno (newlib's numbers). docs/manifest.md has the table.
 */
#ifndef NEAP_HV_SLOT_CALL_H
#define NEAP_HV_SLOT_CALL_H

#include "core/list.h"

struct vcpu;
struct vm;

#define SLOT_CALL_BASE 0x4e656100u /* "Nea" and a number */

enum slot_call_op {
	SLOT_CALL_CREATE, /* id, gfn, pages, flags, gfn whose frames it shows or SLOT_CALL_NEW */
	SLOT_CALL_MOVE,	  /* id, gfn */
	SLOT_CALL_DELETE, /* id */
	SLOT_CALL_FLAGS,  /* id, flags */
	SLOT_CALL_RESULT, /* of the last call, with the ticks it took in RDX */
	SLOT_CALL_LOG,	  /* id, first page, pages, guest-physical address for the bitmap */
	/* Carried out at once: the VM prefetches so many pages; the number before is in RDX. */
	SLOT_CALL_PREFETCH = 16,
	SLOT_CALLS
};
#define SLOT_CALL_ARGS 5
#define SLOT_CALL_NEW  UINT64_MAX

/* In struct vm; zeros at first. */
struct slot_call {
	u32 state; /* enum slot_call_state, atomic; what follows is that state's owner's */
	u32 op;
	u64 arg[SLOT_CALL_ARGS];
	int result;
	u64 ticks;
	s64 pages;	  /* frames made by calls, less those given back; the worker's */
	struct list node; /* in the worker's queue */
};

/* Makes the worker, with the first VM that needs it. Manager's context. -ENOMEM. */
int slot_call_start(void) __must_check;

/* RAX of the vCPU is SLOT_CALL_BASE + op. Its own exit handler. */
void slot_call(struct vcpu *vcpu, u32 op);

/* Waits until the worker has nothing to do with the VM any more; its vCPUs have ended. Worker
 * context. */
void slot_call_drain(struct vm *vm);

#endif
