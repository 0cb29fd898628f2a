/* Switching the machine off and starting it over. */
#ifndef NEAP_ARCH_X86_POWER_H
#define NEAP_ARCH_X86_POWER_H

#include "core/types.h"

/* Maps the registers that ACPI puts into memory. After acpi_init(). Boot CPU, at boot. */
void power_init(void);

/*
 * Soft-off through ACPI, else by what an emulator offers. Returns, after a few seconds at most,
 * when nothing worked. Any context; the other CPUs should be stopped.
 */
void power_off(void);

/*
 * Resets the machine: ACPI's reset register, the chipset's, the keyboard controller. Returns when
 * nothing worked (a triple fault is left to the caller). Any context.
 */
void power_reset(void);

#endif
