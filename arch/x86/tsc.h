/* The time-stamp counter: reading, and its frequency. */
#ifndef NEAP_ARCH_X86_TSC_H
#define NEAP_ARCH_X86_TSC_H

#include "arch/x86/cpu.h"

/* Ticks; the calling CPU's, which are all set to agree (tsc_sync.h). */
static inline u64 tsc_read(void)
{
	return rdtsc();
}

/* The same, neither before earlier loads nor after later stores and loads (SDM vol. 2, RDTSC). */
static inline u64 tsc_read_ordered(void)
{
	u64 v;

	__asm__ volatile("mfence; lfence" : : : "memory");
	v = rdtsc();
	__asm__ volatile("lfence" : : : "memory");
	return v;
}

/* Ticks per second; 0 before tsc_calibrate(). */
extern u64 tsc_hz_value;
static inline u64 tsc_hz(void)
{
	return tsc_hz_value;
}

/*
 * Measures the TSC: against the ACPI PM timer when pm_timer is a port, else against the 8254. What
 * CPUID leaf 15H says is taken where it agrees within a percent. Boot CPU, once; takes about 10 ms,
 * and some times that where the processor is stopped meanwhile; bounded.
 */
void tsc_calibrate(u16 pm_timer);

/* How it was found, for the boot report. */
const char *tsc_source(void);

#endif
