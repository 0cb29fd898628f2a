/* Emulation of instructions that touch device memory: the emulator's operations on a real vCPU. */
#ifndef NEAP_HV_MMIO_H
#define NEAP_HV_MMIO_H

#include "hv/vcpu.h"

/* What the exit tells about the access; all zero when it tells nothing. */
struct mmio_hint {
	bool valid, write; /* the access itself (not a page walk) went to gpa */
	gpa_t gpa;
	u8 io_size; /* string I/O: the element's size; 0: not that */
};

/*
 * Executes the instruction at RIP. Injects the fault it leads to, ends the VM when it cannot be
 * done. The vCPU's own thread, state loaded; bounded by EMU_REP_MAX iterations.
 */
void mmio_emulate(struct vcpu *vcpu, const struct mmio_hint *hint);

#endif
