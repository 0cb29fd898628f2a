/*
 * Flushing what other processors hold of a guest's translations, for the guest: when it is over,
 * none of the vCPUs named uses a translation that was there before it began.
 *
 * Each gets VCPU_FLUSH in its pending word, which it serves before it enters its guest again. One
 * that is in its guest is kicked, and waited for. One that is not need not be waited for: it has
 * looked at the word for the last time before it entered last, and will look again. Two that flush
 * each other at once serve each other's request while they wait: no wait depends on another one's
 * end.
 *
 * A flush of all vCPUs asks only those that are loaded on a CPU, however many there are: the others
 * look for the last such flush when they are loaded.
 */
#ifndef NEAP_HV_VCPU_FLUSH_H
#define NEAP_HV_VCPU_FLUSH_H

#include "core/atomic.h"
#include "hv/vcpu.h"

/* This many are waited for at a time. */
#define VCPU_FLUSH_BATCH 64
/* A vCPU that takes longer to leave its guest, or to answer within the hypervisor, ends the VM. */
#define VCPU_FLUSH_WAIT_NS 10000000000ull

struct vcpu_flush {
	struct vcpu *self;
	u64 ticket; /* who has served one as high has flushed after this began */
	unsigned count;
	bool include_self;
	struct vcpu *waiting[VCPU_FLUSH_BATCH];
};

/* begin, add for each target of the same VM (it may be self) or for all, finish. On self's thread,
 * its state loaded, in an exit handler; no lock held. */
void vcpu_flush_begin(struct vcpu_flush *flush, struct vcpu *self);
void vcpu_flush_ask(struct vcpu_flush *flush, struct vcpu *target);
void vcpu_flush_add_all(struct vcpu_flush *flush);
void vcpu_flush_finish(struct vcpu_flush *flush);

/* One more target; without a call if it was asked before and does not run. */
static force_inline void vcpu_flush_add(struct vcpu_flush *flush, struct vcpu *target)
{
	/*
	 * Asked before, and it does not run: nothing is to be done. The bit is seen set after the
	 * ticket was taken (a full barrier): who clears it reads a ticket as high behind that.
	 */
	if ((load_acquire(&target->thread.pending) & VCPU_FLUSH) &&
	    !sched_is_running(&target->thread))
		return;
	vcpu_flush_ask(flush, target);
}

/* The vCPU has been loaded (shootdown_load()): sees to it that it flushes before it enters its
 * guest if all were to while it was not. */
void vcpu_flush_catch_up(struct vcpu *vcpu);

/* Serves VCPU_FLUSH if it is set. On the vCPU's thread, its state loaded, not in its guest. */
void vcpu_flush_serve(struct vcpu *vcpu);

#endif
