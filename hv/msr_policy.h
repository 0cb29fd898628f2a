/* How an MSR that a guest accesses is answered: the rows that hv/msr.c and hv/msr_amd.c have. */
#ifndef NEAP_HV_MSR_POLICY_H
#define NEAP_HV_MSR_POLICY_H

#include "core/types.h"

struct vcpu;

/* A register without a reader answers `value`; one without a writer faults on writes. */
struct msr_policy {
	u32 msr;
	u64 value;
	u64 (*read)(struct vcpu *v);
	int (*write)(struct vcpu *v, u64 value);
	u32 more; /* registers that follow and are answered alike */
};

/* The row that has this MSR, or NULL. Rows are looked at in their order. */
static inline const struct msr_policy *msr_policy_find(const struct msr_policy *rows, unsigned n,
						       u32 msr)
{
	for (const struct msr_policy *p = rows; p < rows + n; p++) {
		if (msr - p->msr <= p->more)
			return p;
	}
	return NULL;
}

/* Writers: whatever is written is dropped; anything but zero faults. */
int msr_ignore_write(struct vcpu *v, u64 value);
int msr_zero_write(struct vcpu *v, u64 value);

/* AMD's own range of numbers. */
#define MSR_AMD_FIRST 0xc0010000
#define MSR_AMD_LAST  0xc001102a

/* The row of an MSR that AMD's processors have and Intel's do not, or differently; NULL: none. */
const struct msr_policy *msr_amd_find(u32 msr);

#endif
