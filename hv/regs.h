/* The guest's general registers as the entry and exit assembly stores them. */
#ifndef NEAP_HV_REGS_H
#define NEAP_HV_REGS_H

#include "core/types.h"

/* Indexed by the hardware's register numbers (SDM vol. 2 2.2.1.2), RSP is kept by the backend. */
enum guest_reg {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_R8,
	REG_R9,
	REG_R10,
	REG_R11,
	REG_R12,
	REG_R13,
	REG_R14,
	REG_R15,
	REG_COUNT
};

struct guest_regs {
	u64 r[REG_COUNT];
};

#endif
