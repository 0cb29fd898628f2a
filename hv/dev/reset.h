/*
 * The ways by which software resets a PC, other than the keyboard controller (hv/dev/kbc.h): the
 * reset control register at port 0xcf9, and bit 0 of port 0x92.
 */
#ifndef NEAP_HV_DEV_RESET_H
#define NEAP_HV_DEV_RESET_H

#include "hv/dev/power.h"
#include "hv/io_bus.h"

#define RESET_CONTROL_PORT  0xcf9
#define RESET_CONTROL_VALUE 0x06 /* for the FADT: hard reset, now */

struct reset {
	u8 control; /* port 0xcf9; atomic */
	u8 port92;  /* atomic */
	struct vm_power power;
};

/* As after power-on; `power` is told of resets. */
void reset_init(struct reset *reset, struct vm_power power);

/* Registers as after power-on. */
void reset_reset(struct reset *reset);

/*
 * Registers port 0x92 and ports 0xcf8 to 0xcfb. Those four are also PCI's configuration address,
 * a register of four bytes: only a one-byte access to 0xcf9 reaches the reset control, and the
 * address reads as all ones, as where there is no PCI. Errors of io_bus_add().
 */
int reset_attach(struct reset *reset, struct io_bus *pio) __must_check;

/* One-byte accesses to 0xcf9, for a PCI host bridge that claims the four ports itself. */
u8 reset_control_read(struct reset *reset);
void reset_control_write(struct reset *reset, u8 value);

#endif
