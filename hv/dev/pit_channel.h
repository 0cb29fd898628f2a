/*
 * One counter of an 8254 as a function of time: times are clock numbers (1193182 Hz, counted from
 * any origin) that the caller passes and that never decrease. Pure computation: no lock, no timer.
 */
#ifndef NEAP_HV_DEV_PIT_CHANNEL_H
#define NEAP_HV_DEV_PIT_CHANNEL_H

#include "core/types.h"

#define PIT_NEVER UINT64_MAX

struct pit_channel {
	u8 control;   /* last control word, PIT_CONTROL_BITS of it */
	u8 mode;      /* 0 to 5 */
	bool gate;    /* level of the GATE input */
	bool loaded;  /* a whole count was written since the control word */
	bool running; /* counting since `start`; else stopped after `held` clocks */
	u32 reload;   /* the last count written, 1 to 65536 */
	u32 count;    /* what the current period started from, 1 to 65536 */
	bool changed; /* modes 2, 3: reload replaces count at clock change_at */
	u64 change_at;
	u64 start; /* clock at which the counter held `count` (may be one ahead of now) */
	u64 held;  /* clocks counted when it was stopped */
};

/* A control word (not a latch command) for this channel. */
void pit_channel_control(struct pit_channel *ch, u64 clock, u8 control);

/* A whole count, 0 to 0xffff as written: 0 stands for 65536, or for 10000 in BCD. */
void pit_channel_count(struct pit_channel *ch, u64 clock, u16 raw);

/* The first byte of a two-byte count: stops mode 0 (8254 data sheet, "Mode 0"). */
void pit_channel_half_count(struct pit_channel *ch);

/* The gate's level, at `clock` of the input clock; an edge may start or stop the count. */
void pit_channel_gate(struct pit_channel *ch, u64 clock, bool gate);

/* The counting element as a read returns it; in BCD when so programmed. */
u16 pit_channel_read(struct pit_channel *ch, u64 clock);

/* Level of the OUT pin. */
bool pit_channel_out(struct pit_channel *ch, u64 clock);

/* True while a written count has not reached the counting element ("null count"). */
bool pit_channel_null(struct pit_channel *ch, u64 clock);

/* First clock after `clock` at which OUT rises if nothing is written; PIT_NEVER if none. */
u64 pit_channel_next_rise(struct pit_channel *ch, u64 clock);

#endif
