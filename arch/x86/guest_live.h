/*
 * What a guest keeps in the processor's registers while its vCPU is loaded, on either kind of
 * processor: the x87, SSE and AVX state and the debug addresses. The hypervisor itself uses none of
 * them, so they are switched when vCPUs are, not at exits.
 */
#ifndef NEAP_ARCH_X86_GUEST_LIVE_H
#define NEAP_ARCH_X86_GUEST_LIVE_H

#include "core/types.h"

struct guest_live {
	void *fpu; /* XSAVE area while the vCPU is not loaded */
	u64 dr[4];
};

/* The area, holding what reset leaves in the registers. -ENOMEM. */
int guest_live_init(struct guest_live *live) __must_check;
void guest_live_fini(struct guest_live *live);

/* Debug addresses as after reset; the vCPU's own thread, loaded: takes effect in the processor. */
void guest_live_reset(struct guest_live *live);

/* Into this processor, the guest's XCR0 included, and out of it. Interrupts off. */
void guest_live_load(const struct guest_live *live, u64 xcr0);
void guest_live_save(struct guest_live *live);

/* One SSE register of the loaded guest, 0 to 15. */
void guest_live_xmm(unsigned index, u8 value[16], bool write);

/*
 * Another VM's code may have trained the branch predictors on this CPU, and left data in the L1
 * cache and the fill buffers: barriers where the processor has them (docs/security.md).
 */
void guest_live_isolate(void);

#endif
