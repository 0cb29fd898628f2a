#include "hv/dev/pit_channel.h"

#include "arch/x86/i8254.h"

/* A written count reaches the counting element with the clock pulse after the write. */
#define LOAD_CLOCKS 1

static bool is_periodic(const struct pit_channel *ch)
{
	return ch->mode == 2 || ch->mode == 3;
}

/* Modes whose gate starts them, by its rising edge, rather than let them run, by its level. */
static bool is_triggered(const struct pit_channel *ch)
{
	return ch->mode == 1 || ch->mode == 5;
}

static u32 modulus(const struct pit_channel *ch)
{
	return ch->control & PIT_CONTROL_BCD ? 10000 : 65536;
}

static u32 from_bcd(u16 v)
{
	return (v >> 12) * 1000u + ((v >> 8) & 15) * 100u + ((v >> 4) & 15) * 10u + (v & 15);
}

static u16 to_bcd(u32 v)
{
	return (u16)(v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

/* Clocks the output of mode 3 is up in a period; one more than it is down when n is odd. */
static u32 high_half(u32 n)
{
	return (n + 1) / 2;
}

/* Clocks since the counter held `count`; -1 before that. */
static s64 elapsed(const struct pit_channel *ch, u64 clock)
{
	s64 e = (s64)(ch->running ? clock - ch->start : ch->held);

	return e < 0 ? -1 : e;
}

/* Puts a count written in mid-period into force once its time has come. */
static void catch_up(struct pit_channel *ch, u64 clock)
{
	if (!ch->changed || clock < ch->change_at)
		return;
	ch->changed = false;
	/* Mode 3 changes at half-periods, too: then the low half of the new period begins. */
	if (ch->mode == 3 && (ch->change_at - ch->start) % ch->count != 0)
		ch->start = ch->change_at - high_half(ch->reload);
	else
		ch->start = ch->change_at;
	ch->count = ch->reload;
}

static void run_from(struct pit_channel *ch, u64 start)
{
	ch->count = ch->reload;
	ch->changed = false;
	ch->start = start;
	ch->running = true;
}

static void stop(struct pit_channel *ch, u64 clock)
{
	s64 e = elapsed(ch, clock);

	ch->held = e < 0 ? 0 : (u64)e;
	ch->running = false;
}

void pit_channel_control(struct pit_channel *ch, u64 clock, u8 control)
{
	catch_up(ch, clock);
	ch->control = control & PIT_CONTROL_BITS;
	ch->mode = (control & PIT_CONTROL_MODE) >> PIT_MODE_SHIFT;
	if (ch->mode > 5) /* the top bit of modes 2 and 3 is "don't care" */
		ch->mode -= 4;
	ch->loaded = ch->running = ch->changed = false;
	ch->held = 0;
}

/* The clock at which a running mode 2 or 3 takes its next count: the end of a period or half. */
static u64 next_change(const struct pit_channel *ch, u64 clock)
{
	s64 e = elapsed(ch, clock);
	u32 n = ch->count;
	u64 period, phase;

	if (e < 0)
		return ch->start;
	period = ch->start + (u64)e / n * n;
	phase = (u64)e % n;
	if (ch->mode == 3 && phase < high_half(n))
		return period + high_half(n);
	return period + n;
}

void pit_channel_count(struct pit_channel *ch, u64 clock, u16 raw)
{
	catch_up(ch, clock);
	ch->reload = ch->control & PIT_CONTROL_BCD ? from_bcd(raw) : raw;
	if (ch->reload == 0)
		ch->reload = modulus(ch);

	if (is_periodic(ch) && ch->running && ch->count > 1) {
		ch->changed = true;
		ch->change_at = next_change(ch, clock);
	} else if (is_triggered(ch)) {
		ch->count = ch->running ? ch->count : ch->reload;
	} else {
		run_from(ch, clock + LOAD_CLOCKS);
		if (!ch->gate)
			stop(ch, clock);
	}
	ch->loaded = true;
}

void pit_channel_half_count(struct pit_channel *ch)
{
	if (ch->mode == 0) {
		ch->loaded = ch->running = false;
		ch->held = 0;
	}
}

void pit_channel_gate(struct pit_channel *ch, u64 clock, bool gate)
{
	if (gate == ch->gate)
		return;
	catch_up(ch, clock);
	ch->gate = gate;
	if (!ch->loaded)
		return;
	if (!gate) {
		if (!is_triggered(ch))
			stop(ch, clock);
	} else if (is_triggered(ch) || is_periodic(ch)) {
		run_from(ch, clock + LOAD_CLOCKS);
	} else {
		ch->start = clock - ch->held;
		ch->running = true;
	}
}

/* Mode 3 counts down by two, twice a period; odd counts are used less one (data sheet). */
static u32 square_value(u32 n, u32 phase)
{
	u32 high = high_half(n);

	return (n & ~1u) - 2 * (phase < high ? phase : phase - high);
}

u16 pit_channel_read(struct pit_channel *ch, u64 clock)
{
	u32 m = modulus(ch), value;
	s64 e;

	catch_up(ch, clock);
	e = elapsed(ch, clock);
	if (ch->count == 0 || e < 0)
		value = ch->count;
	else if (ch->mode == 2)
		value = ch->count - (u32)((u64)e % ch->count);
	else if (ch->mode == 3)
		value = square_value(ch->count, (u32)((u64)e % ch->count));
	else
		value = ch->count + m - (u32)((u64)e % m);
	value %= m;
	return ch->control & PIT_CONTROL_BCD ? to_bcd(value) : (u16)value;
}

/* A period of one clock is not allowed in modes 2 and 3; it leaves OUT high. */
static bool periodic_out(const struct pit_channel *ch, s64 e)
{
	u32 n = ch->count, phase;

	if (!ch->running || e < 0 || n == 1)
		return true;
	phase = (u32)((u64)e % n);
	return ch->mode == 2 ? phase != n - 1 : phase < high_half(n);
}

bool pit_channel_out(struct pit_channel *ch, u64 clock)
{
	s64 e;

	catch_up(ch, clock);
	e = elapsed(ch, clock);
	if (is_periodic(ch))
		return periodic_out(ch, e);
	if (!ch->loaded || e < 0 || (is_triggered(ch) && !ch->running))
		return ch->mode != 0;
	return ch->mode <= 1 ? e >= ch->count : e != ch->count;
}

bool pit_channel_null(struct pit_channel *ch, u64 clock)
{
	catch_up(ch, clock);
	if (!ch->loaded || ch->changed)
		return true;
	/* Modes 1 and 5 load at the next trigger. */
	if (is_triggered(ch) && (!ch->running || ch->reload != ch->count))
		return true;
	return elapsed(ch, clock) < 0;
}

u64 pit_channel_next_rise(struct pit_channel *ch, u64 clock)
{
	s64 e;
	u64 at;

	catch_up(ch, clock);
	if (!ch->running)
		return PIT_NEVER;
	e = elapsed(ch, clock);
	if (is_periodic(ch)) {
		if (ch->count == 1)
			return PIT_NEVER;
		if (ch->changed && (ch->change_at - ch->start) % ch->count != 0)
			return ch->change_at + ch->reload / 2;
		return ch->start + (e < 0 ? 1 : (u64)e / ch->count + 1) * ch->count;
	}
	/* Modes 4 and 5 strobe low for the clock at zero and rise after it. */
	at = ch->start + ch->count + (ch->mode >= 4);
	return at > clock ? at : PIT_NEVER;
}
