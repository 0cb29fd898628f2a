/*
 * ACPI fixed hardware: PM1a event and control blocks, the PM timer, and an empty GPE block. The
 * machine is always in ACPI mode (no SMI command port), and knows one sleep state: S5, off.
 */
#ifndef NEAP_HV_DEV_PM_H
#define NEAP_HV_DEV_PM_H

#include "core/spinlock.h"
#include "core/timer.h"
#include "hv/dev/power.h"
#include "hv/io_bus.h"
#include "hv/irq_line.h"

/* Where the FADT says they are (hv/dev/acpi_fadt.c), lengths in bytes. */
#define PM_BASE	      0x600
#define PM_EVENT_PORT 0x600
#define PM_EVENT_LEN  4
#define PM_CTRL_PORT  0x604
#define PM_CTRL_LEN   2
#define PM_TIMER_PORT 0x608
#define PM_TIMER_LEN  4
#define PM_GPE_PORT   0x620
#define PM_GPE_LEN    4
#define PM_SCI_IRQ    9 /* level, active high */

#define PM_TIMER_HZ 3579545ull

/* SLP_TYP of \_S5 in hv/dev/acpi/dsdt.asl. */
#define PM_SLEEP_TYPE_S5 5

struct pm {
	struct spinlock lock; /* guards all below but the timer's own fields */
	u16 status, enable, control;
	bool irq_on;
	u64 origin;   /* tick at which the PM timer was 0; constant */
	u64 tmr_seen; /* PM timer count up to which TMR_STS is current */
	struct irq_line irq;
	struct vm_power power;
	struct timer timer;
};

/* Nothing enabled, the PM timer begins at 0; `sci` is its interrupt, `power` is told of soft-off.
 */
void pm_init(struct pm *pm, struct irq_line sci, struct vm_power power);

/* Events and enables cleared. The PM timer runs on. */
void pm_reset(struct pm *pm);

/* Before the memory is freed, with all vCPUs stopped: waits for a timer callback under way. */
void pm_fini(struct pm *pm);

/* Registers ports 0x600 to 0x60b and 0x620 to 0x623. Errors of io_bus_add(). */
int pm_attach(struct pm *pm, struct io_bus *pio) __must_check;

/* Someone pressed the power button: asks the guest to shut down, if it listens. Any CPU. */
void pm_press_power_button(struct pm *pm);

#endif
