/* What a guest can ask of its virtual machine's power supply, and whom to tell. */
#ifndef NEAP_HV_DEV_POWER_H
#define NEAP_HV_DEV_POWER_H

#include "core/types.h"

enum vm_power_event { VM_POWER_OFF, VM_POWER_RESET };

struct vm_power {
	/*
	 * Called on the CPU of the vCPU that asked, in its exit handler, with no device lock held.
	 * It must not wait: it marks the VM and returns. It may be called more than once.
	 */
	void (*event)(void *ctx, enum vm_power_event event);
	void *ctx;
};

/* Tells the VM. On the thread of the vCPU whose access caused it. */
static inline void vm_power_raise(const struct vm_power *power, enum vm_power_event event)
{
	power->event(power->ctx, event);
}

#endif
