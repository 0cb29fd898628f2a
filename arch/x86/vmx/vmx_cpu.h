/* VMX operation on one processor. */
#ifndef NEAP_VMX_VMX_CPU_H
#define NEAP_VMX_VMX_CPU_H

#include "core/types.h"

/* Enters VMX operation on the calling CPU. 0, -ENOMEM, -ENODEV (VMXON refused; a line says so). */
int vmx_cpu_init(void) __must_check;

/* A VMCS region or VMXON region: one zeroed frame that starts with the revision. Address 0: no
 * memory. */
hpa_t vmx_alloc_region(void) __must_check;

/* SDM vol. 3 24.11.3: VMCLEAR and VMPTRLD on the calling CPU. A failure panics. */
void vmx_vmclear(hpa_t vmcs);
void vmx_vmptrld(hpa_t vmcs);

/* Drops translations cached from one EPT, or with one VPID, on the calling CPU. */
void vmx_invept(u64 eptp);
void vmx_invvpid(u16 vpid);

#endif
