/* The guest's CPUID instruction: the usual case in line, for the backends' exit handlers. */
#ifndef NEAP_HV_CPUID_EXIT_H
#define NEAP_HV_CPUID_EXIT_H

#include "hv/cpuid.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

/* Puts a leaf's values into the guest's EAX, EBX, ECX and EDX. */
static force_inline void cpuid_give(struct vcpu *vcpu, const struct cpuid_entry *e)
{
	u64 *r = vcpu->regs.r;

	r[REG_RAX] = e->r.eax;
	r[REG_RBX] = e->r.ebx;
	r[REG_RCX] = e->r.ecx;
	r[REG_RDX] = e->r.edx;
}

/* An entry with further subleaves, or with bits that depend on the vCPU's state. */
void cpuid_give_special(struct vcpu *vcpu, const struct cpuid_entry *e, u64 (*guest_cr4)(void));

/* What the vCPU asks for: leaf in RAX. vCPU's own thread. */
static force_inline const struct cpuid_entry *cpuid_find(const struct vcpu *vcpu)
{
	return cpuid_table_find(&vcpu->vm->cpuid, (u32)vcpu->regs.r[REG_RAX]);
}

/*
 * Leaf in RAX and subleaf in RCX of the vCPU, results left there. CR4 is fetched only for the
 * leaves that show it: the backend's reader is called then. Likewise.
 */
static force_inline void cpuid_emulate(struct vcpu *vcpu, u64 (*guest_cr4)(void))
{
	const struct cpuid_entry *e = cpuid_find(vcpu);

	if (unlikely(e->special))
		cpuid_give_special(vcpu, e, guest_cr4);
	else
		cpuid_give(vcpu, e);
}

#endif
