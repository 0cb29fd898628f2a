/* Which of the machine's processors run virtual machines: all, but see placement_first_of(). */
#ifndef NEAP_HV_PLACEMENT_H
#define NEAP_HV_PLACEMENT_H

#include "core/cpu_set.h"

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

/* All processors, even those that this machine does not have, but for those that run no vCPUs:
 * where a VM runs whose manifest does not say. Any context, after placement_init(). */
void placement_all(struct cpu_set *set);

/*
 * Deals out the processors of the set in turn, so that vCPUs spread. The set has one that is there.
 * Likewise.
 */
u32 placement_next(const struct cpu_set *set);

#endif
