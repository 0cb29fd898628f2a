/*
 * A page that the hypervisor puts in the place of one of the guest's (TLFS, "GPA overlay pages"):
 * as long as it is shown, the guest finds the hypervisor's bytes there; then its own again. It is
 * the guest's RAM that is written, and what was there is kept: so a guest that writes into it harms
 * nobody else.
 */
#ifndef NEAP_HV_HYPERV_OVERLAY_H
#define NEAP_HV_HYPERV_OVERLAY_H

#include "core/types.h"

struct vm;

struct overlay {
	bool shown;
	gfn_t gfn;
	u8 *kept; /* what the guest had there; on the heap */
};

/* -ENOMEM. Boot or worker context. */
int overlay_init(struct overlay *o) __must_check;
void overlay_fini(struct overlay *o);

/*
 * Shows n <= PAGE_SIZE bytes and zeros behind them at gfn, and no longer where they were. -EFAULT:
 * there is no RAM; nothing has changed. Exit handlers; the caller's lock guards *o.
 */
int overlay_show(struct vm *vm, struct overlay *o, gfn_t gfn, const void *bytes,
		 size_t n) __must_check;

/* Gives the guest its page back. Nothing when none is shown. Likewise. */
void overlay_hide(struct vm *vm, struct overlay *o);

#endif
