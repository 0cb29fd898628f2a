/*
 * The two cascaded 8259A interrupt controllers of a PC, with the edge/level registers of later
 * chip sets (ELCR). In 8086 mode only: no PC uses the MCS-80 mode.
 */
#ifndef NEAP_HV_DEV_PIC_H
#define NEAP_HV_DEV_PIC_H

#include "core/spinlock.h"
#include "hv/io_bus.h"

#define PIC_IRQ_COUNT 16

struct pic_chip {
	u8 lines; /* level of each input as last set */
	u8 irr, isr, imr;
	u8 elcr;   /* inputs that are level-triggered */
	u8 base;   /* vector of input 0, from ICW2 */
	u8 lowest; /* input that has the lowest priority; the next one up has the highest */
	u8 icw;	   /* the initialization word due next, 2 to 4; 0 in operation */
	bool icw3_due, icw4_due;
	bool auto_eoi, rotate_auto_eoi;
	bool special_mask, special_nested;
	bool read_isr; /* even port reads ISR, else IRR */
	bool poll;     /* the next read is a poll */
};

struct pic {
	struct spinlock lock; /* guards chip[] and orders the calls of output() */
	struct pic_chip chip[2];
	bool pending; /* level of the master's INT pin; written under lock, read without */
	void (*output)(void *ctx, bool level);
	void *ctx;
};

/*
 * State as firmware leaves it: vectors 0x08 and 0x70, everything masked, IRQ 9 (SCI) level.
 * output is called with the lock held when the INT pin changes; it takes only the locks of what
 * the pin is plugged into and does not call back.
 */
void pic_init(struct pic *pic, void (*output)(void *ctx, bool level), void *ctx);

/* Back to that state; input lines keep their levels, they belong to the devices. */
void pic_reset(struct pic *pic);

/* Registers ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0 and 0x4d1. Errors of io_bus_add(). */
int pic_attach(struct pic *pic, struct io_bus *pio) __must_check;

/*
 * Sets the level of IRQ 0 to 15 (2, the cascade, and numbers beyond are ignored). An edge is kept
 * until it is acknowledged, even if the line falls before. Any CPU.
 */
void pic_set_irq(struct pic *pic, unsigned irq, bool level);

/* An edge at an unmasked input 0 to 7 of the master that was not acknowledged yet. Takes no lock:
 * it may be old news. */
static inline bool pic_waits(const struct pic *pic, unsigned irq)
{
	const struct pic_chip *c = &pic->chip[0];

	return READ_ONCE(c->irr) & ~READ_ONCE(c->imr) & BIT(irq);
}

/*
 * True while the INT pin is up. Takes no lock: for the guest-entry path, where it may be old news
 * in either direction; pic_ack() copes with a request that has gone.
 */
static inline bool pic_pending(const struct pic *pic)
{
	return READ_ONCE(pic->pending);
}

/*
 * The processor's INTA cycle: accepts the request of highest priority and returns its vector; when
 * there is none (any more), the vector of a spurious IRQ 7 (or 15, when the slave lost its own),
 * with no ISR bit set for it (8259A data sheet, "IR7 routine").
 */
int pic_ack(struct pic *pic);

#endif
