/* Hyper-V's hypercalls: the calling conventions and the table of calls (TLFS, "Hypercall
 * interface"). */
#ifndef NEAP_HV_HYPERV_HYPERCALL_H
#define NEAP_HV_HYPERV_HYPERCALL_H

#include "hv/vcpu.h"

/* HV_STATUS */
#define HV_SUCCESS	     0u
#define HV_INVALID_CODE	     2u
#define HV_INVALID_INPUT     3u
#define HV_INVALID_ALIGNMENT 4u
#define HV_INVALID_PARAMETER 5u

/* Call codes. */
#define HV_CALL_FLUSH_SPACE    0x0002u
#define HV_CALL_FLUSH_LIST     0x0003u
#define HV_CALL_SEND_IPI       0x000bu
#define HV_CALL_FLUSH_SPACE_EX 0x0013u
#define HV_CALL_FLUSH_LIST_EX  0x0014u
#define HV_CALL_SEND_IPI_EX    0x0015u

/* Input value. */
#define HV_CALL_FAST	    BIT(16)
#define HV_CALL_VAR_SHIFT   17 /* 10 bits */
#define HV_CALL_COUNT_SHIFT 32 /* 12 bits, as the start */
#define HV_CALL_START_SHIFT 48
#define HV_CALL_RESERVED    0xf000f000f8000000ull

/* HV_FLUSH_FLAGS */
#define HV_FLUSH_ALL_PROCESSORS BIT(0)
#define HV_FLUSH_ALL_SPACES	BIT(1)
#define HV_FLUSH_NON_GLOBAL	BIT(2)

/* HV_VP_SET */
#define HV_SET_SPARSE 0u
#define HV_SET_ALL    1u
#define HV_BANKS      64u /* of 64 processors */

/*
 * The hypercall in the vCPU's registers; mode as fetch_mode() says it. The result is left in the
 * registers; RIP is to be moved on. -EINVAL: inject #UD: the hypercall page is not enabled, the
 * guest is in real mode or not at privilege level 0, or it passes input in XMM registers. Changes
 * no register but RAX and, for a 32-bit caller, RDX. vCPU's own thread, state loaded; bounded by
 * one pass over the VM's vCPUs, and by the processors named when they are named.
 */
int hyperv_hypercall(struct vcpu *vcpu, u64 mode) __must_check;

/* --- between hypercall.c and hypercall_vps.c --- */

#define HV_HEAD_MAX 4 /* quadwords of fixed header */

struct hyperv_call {
	struct vcpu *vcpu;
	u32 var; /* quadwords of variable header */
	gpa_t var_at;
	u64 head[HV_HEAD_MAX];
};

/* Each returns an HV_STATUS. */
u32 hyperv_call_flush(struct hyperv_call *call);
u32 hyperv_call_flush_ex(struct hyperv_call *call);
u32 hyperv_call_ipi(struct hyperv_call *call);
u32 hyperv_call_ipi_ex(struct hyperv_call *call);

#endif
