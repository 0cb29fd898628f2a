/* What an exit's handler says to the entry assembly of its backend, and what that knows of struct
 * vcpu. */
#ifndef NEAP_ARCH_X86_RUN_NEXT_H
#define NEAP_ARCH_X86_RUN_NEXT_H

#include "arch/x86/vcpu_offsets.h"
#include "hv/vcpu.h"

enum run_next {
	RUN_LEAVE,	/* back to the vCPU's loop */
	RUN_RESUME,	/* enter again; the handler has not changed RBP or R12 to R15 */
	RUN_RESUME_ALL, /* enter again; any register may have changed */
};

#define RUN_ASSERT_REG(reg)                                                                 \
	_Static_assert(offsetof(struct vcpu, regs.r[REG_##reg]) == VCPU_OFF_##reg, "entry " \
										   "assembly")
RUN_ASSERT_REG(RAX);
RUN_ASSERT_REG(RCX);
RUN_ASSERT_REG(RDX);
RUN_ASSERT_REG(RBX);
RUN_ASSERT_REG(RBP);
RUN_ASSERT_REG(RSI);
RUN_ASSERT_REG(RDI);
RUN_ASSERT_REG(R8);
RUN_ASSERT_REG(R9);
RUN_ASSERT_REG(R10);
RUN_ASSERT_REG(R11);
RUN_ASSERT_REG(R12);
RUN_ASSERT_REG(R13);
RUN_ASSERT_REG(R14);
RUN_ASSERT_REG(R15);
_Static_assert(offsetof(struct vcpu, thread.pending) == VCPU_OFF_PENDING, "entry assembly");

#endif
