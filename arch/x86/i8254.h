/*
 * The 8254 interval timer and port 61H beside it, as a PC has them: what the machine's own is
 * programmed with, and what the guests' answers to (hv/dev/pit.h). 8254 data sheet, "Programming".
 */
#ifndef NEAP_ARCH_X86_I8254_H
#define NEAP_ARCH_X86_I8254_H

#include "core/types.h"

#define PIT_HZ		 1193182ull
#define PIT_PORT_COUNTER 0x40 /* counter 0's; the others' behind it */
#define PIT_PORT_CONTROL 0x43
#define PIT_PORTS	 4

/* Control word: bits 7-6 are the counter or the read-back command; 0 to 5 the status byte returns,
 * too. RW 0 is the latch command. */
#define PIT_SELECT_SHIFT     6
#define PIT_SELECT_READ_BACK 3
#define PIT_CONTROL_BITS     0x3f
#define PIT_CONTROL_RW	     0x30
#define PIT_CONTROL_MODE     0x0e
#define PIT_CONTROL_BCD	     0x01
#define PIT_RW_SHIFT	     4
#define PIT_RW_LOW	     1
#define PIT_RW_HIGH	     2
#define PIT_RW_BOTH	     3
#define PIT_MODE_SHIFT	     1

#define PIT_MODE_TERMINAL_COUNT 0 /* OUT rises when the count is over */
#define PIT_MODE_RATE_GENERATOR 2 /* again and again */

/* The read-back command's bits, and the status byte's behind those of the control word. */
#define PIT_READ_BACK_NO_COUNT	0x20
#define PIT_READ_BACK_NO_STATUS 0x10
#define PIT_STATUS_OUT		0x80
#define PIT_STATUS_NULL		0x40

/* "System control port B": counter 2's gate and output, and what goes with them. */
#define PORT61	       0x61
#define PORT61_GATE    0x01
#define PORT61_SPEAKER 0x02
#define PORT61_CONTROL 0x0f /* what can be written: those, and two masks of NMIs */
#define PORT61_REFRESH 0x10
#define PORT61_OUT     0x20

/* Starts a counter of the machine's, in binary; a count of 0 is one of 65536. Any context; nobody
 * else programs the timer meanwhile. */
void i8254_start(unsigned counter, unsigned mode, u16 count);

#endif
