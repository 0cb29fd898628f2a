/*
 * The exit port of test programs: writing v to port 0xf4 ends the VM with the status
 * ((v << 1) | 1) & 0xff, the same figure QEMU's isa-debug-exit would end with.
 */
#ifndef NEAP_HV_DEV_DEBUG_EXIT_H
#define NEAP_HV_DEV_DEBUG_EXIT_H

#include "hv/io_bus.h"

#define DEBUG_EXIT_PORT 0xf4

struct debug_exit {
	/* Called in the exit handler of the vCPU that wrote; must not wait. status: 0 to 255. */
	void (*exit)(void *ctx, unsigned status);
	void *ctx;
};

/* Once; `exit` is called with what the guest writes, on its vCPU's thread. */
void debug_exit_init(struct debug_exit *dbg, void (*exit)(void *ctx, unsigned status), void *ctx);

/* Registers ports 0xf4 to 0xf7; a write counts at the first only. Errors of io_bus_add(). */
int debug_exit_attach(struct debug_exit *dbg, struct io_bus *pio) __must_check;

#endif
