/*
 * The 8254 interval timer: three counters at ports 0x40 to 0x43, fed with 1193182 Hz
 * (arch/x86/i8254.h). Counter 0 drives IRQ 0, counter 2 the speaker (hv/dev/port61.h).
 */
#ifndef NEAP_HV_DEV_PIT_H
#define NEAP_HV_DEV_PIT_H

#include "arch/x86/i8254.h"
#include "core/spinlock.h"
#include "core/timer.h"
#include "hv/dev/pit_channel.h"
#include "hv/io_bus.h"
#include "hv/irq_line.h"

#define PIT_CHANNELS 3

/*
 * Interrupts of counter 0 come no closer than this, in clocks (50 us); a guest that programs a
 * shorter period gets one interrupt for several periods. Counts and outputs stay exact.
 */
#define PIT_MIN_PERIOD 60

/*
 * Interrupts that the processor took too late, so that several would be one, are made up for: so
 * many at most, and with shorter periods (in clocks, 400 us) none.
 */
#define PIT_OWED_MAX	  1000u
#define PIT_OWED_PERIOD	  480u
#define PIT_OWED_FRACTION 8 /* of the period lies between two that are made up for */
_Static_assert(PIT_OWED_PERIOD / PIT_OWED_FRACTION >= PIT_MIN_PERIOD, "not too close, either");

struct pit_port {
	bool write_high; /* two-byte mode: the next write is the high byte */
	bool read_high;	 /* the same for reads of the live count */
	u8 write_low;
	u8 latched; /* bytes of the latched count still to be read */
	u16 latch;
	bool status_latched;
	u8 status;
};

struct pit {
	struct spinlock lock; /* guards all below but the timer's own fields */
	struct pit_channel channel[PIT_CHANNELS];
	struct pit_port port[PIT_CHANNELS];
	u64 origin;  /* ticks at clock 0; constant */
	u64 edge;    /* clock of the next interrupt, PIT_NEVER if none */
	u64 again;   /* clock at which to make up for one; PIT_NEVER if none */
	u32 owed;    /* interrupts to make up for */
	bool irq_on; /* level of IRQ 0 */
	struct irq_line irq;
	struct timer timer;
};

/*
 * State as firmware leaves it: counter 0 in mode 3 with 65536 (18.2 Hz), counter 1 refreshing,
 * counter 2 idle with its gate down. Arms a timer on this CPU.
 */
void pit_init(struct pit *pit, struct irq_line irq);

/* Back to that state. */
void pit_reset(struct pit *pit);

/* Before the memory is freed, with all vCPUs stopped: waits for a timer callback under way. */
void pit_fini(struct pit *pit);

/* Registers ports 0x40 to 0x43. Errors of io_bus_add(). */
int pit_attach(struct pit *pit, struct io_bus *pio) __must_check;

/* For port 0x61: the gate of counter 2, its output, and the refresh signal (toggles each 15 us). */
void pit_set_speaker_gate(struct pit *pit, bool gate);
bool pit_speaker_out(struct pit *pit);
bool pit_refresh(struct pit *pit);

#endif
