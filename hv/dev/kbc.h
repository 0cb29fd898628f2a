/*
 * The keyboard controller (8042), ports 0x60 and 0x64, with nothing plugged in and no interrupt:
 * there for its reset line, and so that the polling loops that every PC kernel has (wait for an
 * empty input buffer, drain the output, wait for a reply) all come to an end. ACPI says there is
 * none, so a kernel that asks ACPI does not look for it.
 */
#ifndef NEAP_HV_DEV_KBC_H
#define NEAP_HV_DEV_KBC_H

#include "core/spinlock.h"
#include "hv/dev/power.h"
#include "hv/io_bus.h"

struct kbc {
	struct spinlock lock; /* guards the four below */
	u8 status;	      /* port 0x64 */
	u8 output;	      /* port 0x60, valid while status says so; stale after */
	u8 command_byte;
	u8 parameter_of; /* command whose parameter is due at port 0x60, 0 if none */
	struct vm_power power;
};

/* As after a reset; `power` is told of the resets that it makes. */
void kbc_init(struct kbc *kbc, struct vm_power power);
/* Registers as after power-on. */
void kbc_reset(struct kbc *kbc);

/* Registers ports 0x60 and 0x64. Errors of io_bus_add(). */
int kbc_attach(struct kbc *kbc, struct io_bus *pio) __must_check;

#endif
