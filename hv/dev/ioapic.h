/*
 * The I/O APIC (82093AA datasheet, with the EOI register of version 0x20). 24 pins; global
 * interrupt n is pin n.
 */
#ifndef NEAP_HV_DEV_IOAPIC_H
#define NEAP_HV_DEV_IOAPIC_H

#include "core/spinlock.h"
#include "hv/io_bus.h"

struct apic_bus;

#define IOAPIC_BASE 0xfec00000ull
#define IOAPIC_SIZE 0x1000ull
#define IOAPIC_PINS 24

struct ioapic {
	/*
	 * Guards everything below. Taken with device and PIC locks held; nothing is called with it
	 * held.
	 */
	struct spinlock lock;
	u8 id;
	u8 index;		/* IOREGSEL */
	u32 lines;		/* bit n: pin n is asserted */
	u64 entry[IOAPIC_PINS]; /* redirection table */

	struct apic_bus *bus; /* fixed */
};
_Static_assert(IOAPIC_PINS <= 32, "lines is a bit map");

/* dev is the struct ioapic; for the MMIO bus at IOAPIC_BASE, IOAPIC_SIZE. */
extern const struct io_ops ioapic_io_ops;

/* As after a reset; `bus` is where its interrupts go, and outlives it. */
void ioapic_init(struct ioapic *io, struct apic_bus *bus);

/* All pins masked; the wires keep their state. Any CPU. */
void ioapic_reset(struct ioapic *io);

/*
 * Sets the wire at a pin; true is asserted, the entry's polarity does not matter. Pins that do not
 * exist are ignored. An edge at a masked pin is lost; a level is looked at again on unmasking and
 * on EOI. Any CPU.
 */
void ioapic_set_irq(struct ioapic *io, unsigned gsi, bool level);

/* The vector of a pin that is edge-triggered, unmasked and of fixed or lowest-priority delivery;
 * else -1. Takes no lock: it may be old news. */
int ioapic_edge_vector(const struct ioapic *io, unsigned pin);

/* A local APIC ended a level-triggered interrupt. Any CPU; no lock of a local APIC held. */
void ioapic_eoi(struct ioapic *io, u8 vector);

#endif
