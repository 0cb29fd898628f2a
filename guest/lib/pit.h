/* The 8254: counter 0, which is IRQ 0 of the PIC and pin 2 of the I/O APIC. 8254 data sheet. */
#ifndef GUEST_PIT_H
#define GUEST_PIT_H

#include <stdint.h>

#include "x86.h"

#define PIT_HZ	     1193182u
#define PIT_COUNTER  0x40
#define PIT_COMMAND  0x43
#define PIT_LATCH    0x00 /* of counter 0, as all of these */
#define PIT_ONE_SHOT 0x30 /* both bytes, mode 0 */
#define PIT_PERIODIC 0x34 /* both bytes, mode 2 */

/* An edge each COUNT clocks. */
static inline void pit_start(uint16_t count)
{
	outb(PIT_COMMAND, PIT_PERIODIC);
	outb(PIT_COUNTER, count & 0xff);
	outb(PIT_COUNTER, count >> 8);
}

/* A one-shot without a count stands still. */
static inline void pit_stop(void)
{
	outb(PIT_COMMAND, PIT_ONE_SHOT);
}

/* What is left of the period. */
static inline uint32_t pit_read(void)
{
	uint32_t low;

	outb(PIT_COMMAND, PIT_LATCH);
	low = inb(PIT_COUNTER);
	return low | (uint32_t)inb(PIT_COUNTER) << 8;
}

#endif
