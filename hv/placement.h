/* Which of the machine's processors run virtual machines: all, but see placement_first_of(). */
#ifndef NEAP_HV_PLACEMENT_H
#define NEAP_HV_PLACEMENT_H

#include "core/types.h"

/*
 * The number of the first processor that runs vCPUs, 0 or 1, of `cpus` that there are. `boot_cpu=`
 * on the command line decides (`off` leaves the boot processor to Neap's own work); without it, or
 * with a warning if it makes no sense, it is 1 under QEMU's TCG when there are several: its
 * processors change the boot processor's flags behind its back, which between a VMRUN and the next
 * one is fatal (docs/caveats.md). One processor is never left out.
 */
u32 placement_first_of(const char *cmdline, u32 cpus, bool tcg);

/* Decides it for this machine. Boot processor, once all are up. */
void placement_init(const char *cmdline);

/* 0 or 1. Any context, after placement_init(). */
u32 placement_first(void);

/* Deals out the processors in turn, so that vCPUs spread. Any context, after placement_init(). */
u32 placement_next(void);

#endif
