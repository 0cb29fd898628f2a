/*
 * Port 0x61, "system control port B": gate and output of the speaker's counter, and the refresh
 * signal that old delay loops count. Linux times the TSC against bit 5.
 */
#ifndef NEAP_HV_DEV_PORT61_H
#define NEAP_HV_DEV_PORT61_H

#include "hv/dev/pit.h"

struct port61 {
	struct spinlock lock; /* guards control, and keeps it and the gate in step */
	u8 control;	      /* bits 0 to 3 as written */
	struct pit *pit;
};

/* It gates counter 2 of `pit`, which outlives it. */
void port61_init(struct port61 *port, struct pit *pit);

/* Back to all bits clear, so the gate of counter 2 is down. */
void port61_reset(struct port61 *port);

/* Registers its port. Errors are io_bus_add()'s. */
int port61_attach(struct port61 *port, struct io_bus *pio) __must_check;

#endif
