/* The board's real-time clock, read once at boot: where guests' clocks start from. */
#ifndef NEAP_ARCH_X86_WALL_CLOCK_H
#define NEAP_ARCH_X86_WALL_CLOCK_H

#include "core/types.h"

/* Reads the clock. century_index: its CMOS byte from the FADT, 0: none. Boot CPU, once; waits at
 * most 2 s. */
void wall_clock_init(u8 century_index);

/* Seconds since 1970, from that reading and the TSC. Any context. */
u64 wall_clock_seconds(void);

#endif
