/*
 * MSRs as the guest sees them: the policy is the tables in hv/msr.c and, for what only AMD's
 * processors have, hv/msr_amd.c. What is in neither faults; what the processor's MSR bitmap lets
 * through never gets here.
 */
#ifndef NEAP_HV_MSR_H
#define NEAP_HV_MSR_H

#include "core/types.h"

struct vcpu;

/* The guest's RDMSR and WRMSR. 0, or -EIO: inject #GP(0). vCPU's own thread; bounded. */
int msr_read(struct vcpu *vcpu, u32 msr, u64 *value) __must_check;
int msr_write(struct vcpu *vcpu, u32 msr, u64 value) __must_check;

/*
 * MSRs that the guest may access without an exit: the backend opens its bitmap for them and keeps
 * their values with the vCPU. Ends with 0.
 */
extern const u32 msr_passthrough[];

#endif
