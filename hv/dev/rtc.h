/*
 * The MC146818 real-time clock with 128 bytes of CMOS memory, at ports 0x70 and 0x71. The clock
 * advances with the hypervisor's; nothing runs unless the guest enables one of its interrupts.
 */
#ifndef NEAP_HV_DEV_RTC_H
#define NEAP_HV_DEV_RTC_H

#include "core/spinlock.h"
#include "core/timer.h"
#include "hv/io_bus.h"
#include "hv/irq_line.h"

#define RTC_CMOS_SIZE 128

/* What the CMOS memory tells firmware and old kernels of the board. */
struct rtc_board {
	u64 low_memory;	 /* bytes of RAM below 4 GiB, from address 0 on */
	u64 high_memory; /* bytes of RAM from 4 GiB on */
	unsigned cpus;
};

struct rtc {
	struct spinlock lock; /* guards all below but the timer's own fields */
	u8 index;	      /* CMOS byte that port 0x71 reaches; atomic, not under the lock */
	bool irq_on;
	/* Time and date registers are kept here only while the clock is held (SET, divider). */
	u8 cmos[RTC_CMOS_SIZE];
	s64 base_seconds;   /* the second, since 1970, that began at base_tick */
	u64 base_tick;	    /* also the phase of the divider chain */
	unsigned day_shift; /* what the guest's weekday is ahead of the calendar's, 0 to 6 */
	u64 seen;	    /* tick up to which register C is current */
	s64 alarm_at;	    /* first second after `seen` that matches the alarm */
	struct irq_line irq;
	struct timer timer;
};

/* unix_seconds: the time of day now. IRQ 8 goes to irq. */
void rtc_init(struct rtc *rtc, struct irq_line irq, u64 unix_seconds,
	      const struct rtc_board *board);

/* The RESET pin: interrupts off; time, alarm and memory stay (MC146818 data sheet, "RESET"). */
void rtc_reset(struct rtc *rtc);

/* Before the memory is freed, with all vCPUs stopped: waits for a timer callback under way. */
void rtc_fini(struct rtc *rtc);

/* Registers ports 0x70 and 0x71. Errors of io_bus_add(). */
int rtc_attach(struct rtc *rtc, struct io_bus *pio) __must_check;

#endif
