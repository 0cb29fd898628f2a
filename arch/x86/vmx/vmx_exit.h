/* What the files with handlers of VM-exits have in common: interrupts off, the vCPU loaded. */
#ifndef NEAP_VMX_VMX_EXIT_H
#define NEAP_VMX_VMX_EXIT_H

#include "arch/x86/vmx/vmx_vcpu.h"

#define INTR_VALID	 BIT(31)
#define ACCESS_OFFSET(q) ((u32)(q)&0xfff) /* of a qualification: in the local APIC's page */

/* vmx_exit_memory.c: exits for memory, and for the local APIC's page. */
enum run_next vmx_exit_apic_access(struct vcpu *vcpu);
enum run_next vmx_exit_ept_violation(struct vcpu *vcpu);
enum run_next vmx_exit_ept_misconfig(struct vcpu *vcpu);
enum run_next vmx_exit_pml_full(struct vcpu *vcpu);

/*
 * Makes a function of a handler of exits that may have interrupted the delivery of an event: it is
 * repeated at the next entry, unless the handler put another in its place (SDM vol. 3 28.2.4).
 */
#define WITH_VECTORING(name, handler)                                \
	__attribute__((noinline)) enum run_next name(struct vcpu *v) \
	{                                                            \
		enum run_next next;                                  \
                                                                     \
		vmx_save_vectoring(v);                               \
		next = handler(v);                                   \
		if (vmx_of(v)->vectoring)                            \
			vmx_requeue_vectoring(v);                    \
		return next;                                         \
	}

/* How the code at RIP is fetched: for fetch_cache_code(). */
static force_inline u64 vmx_fetch_mode(void)
{
	return fetch_mode(vmcs_readn(VMCS_GUEST_CR0), vmcs_readn(VMCS_GUEST_CR4),
			  vmcs_read64(VMCS_GUEST_EFER),
			  vmcs_read32(VMCS_GUEST_CS_AR) & SEG_AR_L ? FETCH_CS_L : 0,
			  vmcs_read32(VMCS_GUEST_SS_AR) >> 5 & 3);
}

#endif
