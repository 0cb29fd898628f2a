/* Registers of the local APIC and their bits (SDM vol. 3 11.4 to 11.12). */
#ifndef NEAP_HV_DEV_LAPIC_REGS_H
#define NEAP_HV_DEV_LAPIC_REGS_H

#include "core/types.h"

/*
 * A register's number is its xAPIC offset / 16, which is also its x2APIC MSR - 0x800. ISR, TMR and
 * IRR are eight consecutive registers each.
 */
enum lapic_reg {
	LAPIC_ID = 0x02,
	LAPIC_VERSION = 0x03,
	LAPIC_TPR = 0x08,
	LAPIC_APR = 0x09, /* xAPIC only, reads 0 */
	LAPIC_PPR = 0x0a,
	LAPIC_EOI = 0x0b,
	LAPIC_RRD = 0x0c, /* xAPIC only, reads 0 */
	LAPIC_LDR = 0x0d,
	LAPIC_DFR = 0x0e, /* xAPIC only */
	LAPIC_SVR = 0x0f,
	LAPIC_ISR = 0x10,
	LAPIC_TMR = 0x18,
	LAPIC_IRR = 0x20,
	LAPIC_ESR = 0x28,
	LAPIC_ICR = 0x30,
	LAPIC_ICR2 = 0x31, /* xAPIC only */
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_THERMAL = 0x33,
	LAPIC_LVT_PMC = 0x34,
	LAPIC_LVT_LINT0 = 0x35,
	LAPIC_LVT_LINT1 = 0x36,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_TIMER_INIT = 0x38,
	LAPIC_TIMER_COUNT = 0x39,
	LAPIC_TIMER_DIVIDE = 0x3e,
	LAPIC_SELF_IPI = 0x3f, /* x2APIC only */
	LAPIC_REG_END = 0x40,
};

#define LAPIC_LVT_COUNT 6
_Static_assert(LAPIC_LVT_ERROR - LAPIC_LVT_TIMER + 1 == LAPIC_LVT_COUNT, "one LVT block");

/* Integrated APIC; six LVT entries; EOI-broadcast suppression (bit 24) not offered. */
#define LAPIC_VERSION_VALUE ((u32)(LAPIC_LVT_COUNT - 1) << 16 | 0x14)

#define LAPIC_X2APIC_MSR     0x800u
#define LAPIC_X2APIC_MSR_END 0x900u

/* IA32_APIC_BASE, and what it holds after power-up. */
#define LAPIC_BASE_BSP	   BIT(8)
#define LAPIC_BASE_EXTD	   BIT(10)
#define LAPIC_BASE_ENABLE  BIT(11)
#define LAPIC_BASE_DEFAULT 0xfee00000ull

/* Spurious-interrupt vector register. Bit 9 (focus checking) is kept and does nothing. */
#define LAPIC_SVR_ENABLE   0x100u
#define LAPIC_SVR_WRITABLE 0x3ffu
#define LAPIC_SVR_RESET	   0xffu

/* Error status register. */
#define LAPIC_ESR_SEND_VECTOR	 BIT(5)
#define LAPIC_ESR_RECEIVE_VECTOR BIT(6)
#define LAPIC_ESR_REGISTER	 BIT(7)

/* Local vector table. */
#define LAPIC_LVT_MODE_SHIFT 8
#define LAPIC_LVT_STATUS     0x1000u /* read-only */
#define LAPIC_LVT_REMOTE_IRR 0x4000u /* read-only, LINT0 only */
#define LAPIC_LVT_LEVEL	     0x8000u
#define LAPIC_LVT_MASKED     0x10000u
#define LAPIC_TIMER_SHIFT    17 /* of the timer's mode */

enum lapic_timer_mode { LAPIC_ONE_SHOT, LAPIC_PERIODIC, LAPIC_TSC_DEADLINE };

/* Interrupt command register, low half. */
#define LAPIC_ICR_MODE_SHIFT	  8
#define LAPIC_ICR_LOGICAL	  0x800u
#define LAPIC_ICR_STATUS	  0x1000u /* read-only: always idle */
#define LAPIC_ICR_ASSERT	  0x4000u
#define LAPIC_ICR_LEVEL		  0x8000u
#define LAPIC_ICR_SHORTHAND_SHIFT 18
#define LAPIC_ICR_WRITABLE	  0xccfffu

/* Vectors below this one are illegal for fixed and lowest-priority interrupts. */
#define LAPIC_VECTOR_MIN 16

#endif
