/* Starting the other processors. */
#ifndef NEAP_ARCH_X86_SMP_H
#define NEAP_ARCH_X86_SMP_H

#include "core/types.h"

/* Gives the boot CPU its struct cpu; from here on this_cpu() works. Panics without memory. */
void smp_init_boot_cpu(void);

/*
 * Starts every enabled processor the ACPI tables name; each sets itself up, calls cpu_ready() and
 * idles. One that does not answer within a bounded time is left out with a line. Boot CPU, once, in
 * its idle thread.
 */
void smp_start_others(const u32 *apic_ids, unsigned n, void (*cpu_ready)(void));

#endif
