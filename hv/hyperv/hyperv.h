/*
 * The Hyper-V enlightenments of a VM: what the guest has set up through its synthetic MSRs.
 * docs/hyperv.md says what is offered; names are those of Microsoft's Hypervisor Top Level
 * Functional Specification (TLFS).
 */
#ifndef NEAP_HV_HYPERV_HYPERV_H
#define NEAP_HV_HYPERV_HYPERV_H

#include "core/spinlock.h"
#include "hv/hyperv/overlay.h"
#include "hv/hyperv/vp_index.h"

struct vcpu;
struct vm;

/* Numbers of the synthetic MSRs that Neap looks after: the others fault. */
#define HYPERV_MSR_FIRST 0x40000000u
#define HYPERV_MSR_COUNT 0x200u

/* HV_X64_MSR_HYPERCALL, HV_X64_MSR_REFERENCE_TSC, HV_X64_MSR_VP_ASSIST_PAGE */
#define HYPERV_PAGE_ENABLED BIT(0)
#define HYPERCALL_LOCKED    BIT(1)

#define HYPERV_CRASH_PARAMETERS 5
/* Crash reports of one VM that are logged; the others are counted. */
#define HYPERV_CRASHES_LOGGED 4

struct hyperv {
	bool on; /* fixed */
	struct vp_index vp;
	u64 hypercall; /* MSR; read without the lock by hypercalls */

	struct spinlock lock; /* guards the rest, and writing of hypercall; held over page copies */
	u64 guest_os_id;
	u64 reference_tsc;
	u64 tsc_invariant;
	bool tsc_moved; /* a vCPU's TSC is no longer the VM's: the page is not valid any more */
	u64 crash[HYPERV_CRASH_PARAMETERS];
	unsigned crashes;
	struct overlay hypercall_page, tsc_page;
};

/* As the VM's manifest section says. -ENOMEM. Boot or worker context, before there are vCPUs. */
int hyperv_init(struct vm *vm) __must_check;

/* Twice does no harm. The vCPUs have ended. */
void hyperv_fini(struct vm *vm);

/* A vCPU's TSC offset has changed. The vCPU's own thread. */
void hyperv_tsc_moved(struct vcpu *vcpu);

/* --- hyperv_msr.c: as msr_read() and msr_write() in hv/msr.h --- */
static inline bool hyperv_is_msr(u32 msr)
{
	return msr - HYPERV_MSR_FIRST < HYPERV_MSR_COUNT;
}
int hyperv_msr_read(struct vcpu *vcpu, u32 msr, u64 *value) __must_check;
int hyperv_msr_write(struct vcpu *vcpu, u32 msr, u64 value) __must_check;

/* --- hyperv_time.c --- */
/* Reference time: units of 100 ns since the VM's start. Any context. */
u64 hyperv_reference_time(const struct vm *vm);
/* HV_X64_MSR_REFERENCE_TSC; the lock is held. -EIO: #GP. */
int hyperv_write_reference_tsc(struct vm *vm, u64 value) __must_check;

#endif
