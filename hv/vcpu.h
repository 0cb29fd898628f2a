/* A virtual processor: its thread, its local APIC, and what the backend keeps for it. */
#ifndef NEAP_HV_VCPU_H
#define NEAP_HV_VCPU_H

#include "core/sched.h"
#include "hv/dev/lapic.h"
#include "hv/fetch_cache.h"
#include "hv/mmu/prefetch.h"
#include "hv/regs.h"
#include "hv/slots.h"
#include "hv/start_state.h"

struct vm;

/* Bits of the thread's pending word; bit 0 is the scheduler's. One test before each entry covers
 * all. */
#define VCPU_IRQ   BIT(1) /* look for an interrupt to inject */
#define VCPU_NMI   BIT(2)
#define VCPU_INIT  BIT(3)
#define VCPU_SIPI  BIT(4)
#define VCPU_STOP  BIT(5) /* end the vCPU's thread */
#define VCPU_FLUSH BIT(6) /* see hv/vcpu_flush.h; does not wake it */
#define VCPU_WAKE  (VCPU_IRQ | VCPU_NMI | VCPU_INIT | VCPU_SIPI | VCPU_STOP)

enum vcpu_activity {
	VCPU_RUNNING,
	VCPU_HALTED,	    /* in HLT: waits for an interrupt */
	VCPU_WAIT_FOR_SIPI, /* an application processor before its start-up IPI */
};

#define VCPU_MTRR_VARIABLE 8

/* Registers that exist only for the guest to find again what it wrote. */
struct vcpu_msrs {
	u64 mtrr_def_type;
	u64 mtrr_variable[2 * VCPU_MTRR_VARIABLE]; /* base, mask, base, ... */
	u64 mtrr_fixed[11];
};

#define VCPU_EXIT_REASONS 152

/* One entry of the trace of last exits. */
struct exit_record {
	u64 rip;
	u32 reason;
	u32 detail; /* low half of the qualification, where the handler reads it */
};
#define VCPU_TRACE 16 /* a power of two */
_Static_assert((VCPU_TRACE & (VCPU_TRACE - 1)) == 0, "the ring wraps by masking");

/* The entry assembly knows the offsets of the first two members. All is the thread's own but
 * `thread`. */
struct vcpu {
	struct guest_regs regs; /* at offset 0; RSP lives in the backend */
	struct thread thread;	/* begins with the pending word, at offset 128 */
	struct vm *vm;
	u64 rip; /* at the last exit */
	u32 trace_pos;
	u32 index; /* position in the vCPU table */
	enum vcpu_activity activity;
	u8 sipi_vector; /* written by the sender before it posts VCPU_SIPI */
	void *backend;	/* struct vmx_vcpu or svm_vcpu */
	u64 xcr0, xss;
	u64 tsc_offset, tsc_adjust;
	struct vcpu_msrs msrs;
	u64 flush_done;	   /* ticket of the last flush served; read by those who wait for it */
	u64 hyperv_assist; /* HV_X64_MSR_VP_ASSIST_PAGE */
	struct emu_cache *emu_cache;
	struct slot_cache slot_cache;
	struct prefetch prefetch;
	struct fetch_cache fetch_cache[FETCH_CACHES];
	struct exit_record trace[VCPU_TRACE];
	u64 exits[VCPU_EXIT_REASONS];
	struct lapic lapic;
};

/* Makes the vCPU with this index and its thread, not yet running. -ENOMEM, -ENOSPC. */
int vcpu_create(struct vm *vm, u32 index, struct vcpu **out) __must_check;

/* Frees a vCPU whose thread has ended, or was never started. */
void vcpu_destroy(struct vcpu *vcpu);

/* Starts the thread: the first vCPU in the VM's start state, others waiting for a start-up IPI. */
void vcpu_start(struct vcpu *vcpu);

/* Any CPU: work for the vCPU; it leaves the guest or its sleep for it. Orders like a locked
 * instruction. */
static inline void vcpu_post(struct vcpu *vcpu, u32 bits)
{
	/* Its own thread looks before it enters its guest. */
	if (&vcpu->thread == sched_current())
		atomic_fetch_or(&vcpu->thread.pending, bits);
	else
		sched_post(&vcpu->thread, bits);
}

/* The vCPU executed HLT (its RIP is already past it): sleeps in the loop until something comes. */
void vcpu_halt(struct vcpu *vcpu);

#endif
