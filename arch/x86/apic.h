/* The processors' own local APIC, in xAPIC or x2APIC mode. */
#ifndef NEAP_ARCH_X86_APIC_H
#define NEAP_ARCH_X86_APIC_H

#include "core/types.h"

/* Chooses the mode and maps the registers. Boot CPU, once, after host_map_init(). */
void apic_init(hpa_t base);

/* Enables the calling CPU's local APIC with everything masked but what we use. */
void apic_init_cpu(void);

/* Of the calling CPU: its id; whether it is in x2APIC mode; end of the interrupt in service. Any
 * context, after apic_init_cpu(). */
u32 apic_id(void);
bool apic_is_x2apic(void);
void apic_eoi(void);

/* Sends a fixed interrupt to one CPU by APIC id. Any context; waits, bounded, for an earlier one to
 * leave. */
void apic_send_ipi(u32 apic_id, u8 vector);

/* INIT and start-up IPIs; page is the frame number of the 16-bit code, below 0x100. */
void apic_send_init(u32 apic_id);
void apic_send_sipi(u32 apic_id, u8 page);

/* An NMI to all other CPUs: for a panic. Does nothing before apic_init(). */
void apic_nmi_others(void);

/* One-shot timer for an absolute TSC value; UINT64_MAX stops it. */
void apic_timer_program(u64 deadline);

/* Measures the local APIC timer where there is no TSC-deadline mode. Boot CPU, after time
 * calibration. */
void apic_timer_calibrate(void);

/* For the boot report: what apic_timer_program() goes by. After apic_timer_calibrate(). */
const char *apic_timer_kind(void);

#endif
