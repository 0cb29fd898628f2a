#include "hv/dev/rtc.h"

#include "core/time.h"
#include "hv/dev/byte_ports.h"
#include "hv/dev/rtc_cmos.h"
#include "hv/dev/rtc_regs.h"
#include "hv/dev/rtc_time.h"

static bool divider_runs(const struct rtc *rtc)
{
	return (rtc->cmos[RTC_A] & RTC_A_DIV_RESET) != RTC_A_DIV_RESET;
}

/* False while the time registers stand still and are plain memory. */
static bool clock_runs(const struct rtc *rtc)
{
	return divider_runs(rtc) && !(rtc->cmos[RTC_B] & RTC_B_SET);
}

static bool is_time_reg(unsigned reg)
{
	return reg == RTC_SECOND || reg == RTC_MINUTE || reg == RTC_HOUR ||
	       (reg >= RTC_WEEKDAY && reg <= RTC_YEAR) || reg == RTC_CENTURY;
}

static bool is_alarm_reg(unsigned reg)
{
	return reg == RTC_SECOND_ALARM || reg == RTC_MINUTE_ALARM || reg == RTC_HOUR_ALARM;
}

static s64 seconds_at(const struct rtc *rtc, u64 tick)
{
	return rtc->base_seconds + (s64)((tick - rtc->base_tick) / time_hz());
}

/* Cycles of 32768 Hz between two periodic interrupts, 0 for none (data sheet, table 5). */
static u64 periodic_cycles(const struct rtc *rtc)
{
	unsigned rate = rtc->cmos[RTC_A] & RTC_A_RATE;

	if (rate == 0)
		return 0;
	return rate <= 2 ? 64u << rate : 1u << (rate - 1);
}

/* Number of periodic interrupts due from base_tick to tick. */
static u64 periods_at(const struct rtc *rtc, u64 tick)
{
	return time_muldiv(tick - rtc->base_tick, RTC_DIVIDER_HZ, time_hz()) / periodic_cycles(rtc);
}

static void find_alarm(struct rtc *rtc)
{
	rtc->alarm_at = rtc_cmos_next_alarm(rtc->cmos, seconds_at(rtc, rtc->seen));
}

/* Sets in register C what has come due since the last call. */
static void catch_up(struct rtc *rtc, u64 now)
{
	u8 flags = 0;

	if (divider_runs(rtc) && periodic_cycles(rtc) &&
	    periods_at(rtc, now) != periods_at(rtc, rtc->seen))
		flags |= RTC_C_PF;
	if (clock_runs(rtc) && seconds_at(rtc, now) != seconds_at(rtc, rtc->seen)) {
		flags |= RTC_C_UF;
		if (rtc->alarm_at <= seconds_at(rtc, now))
			flags |= RTC_C_AF;
	}
	rtc->cmos[RTC_C] |= flags;
	rtc->seen = now;
	if (flags & RTC_C_AF)
		find_alarm(rtc);
}

/* The tick of the first event after `seen` whose interrupt is enabled; UINT64_MAX if none. */
static u64 next_event(const struct rtc *rtc)
{
	u64 next = UINT64_MAX, hz = time_hz(), at;
	u8 enabled = rtc->cmos[RTC_B];

	if ((enabled & RTC_B_PIE) && divider_runs(rtc) && periodic_cycles(rtc)) {
		at = (periods_at(rtc, rtc->seen) + 1) * periodic_cycles(rtc);
		next = time_muldiv(at, hz, RTC_DIVIDER_HZ) + 1; /* rounded up: due when it fires */
	}
	if ((enabled & RTC_B_UIE) && clock_runs(rtc))
		next = MIN(next, ((rtc->seen - rtc->base_tick) / hz + 1) * hz);
	if ((enabled & RTC_B_AIE) && clock_runs(rtc) && rtc->alarm_at != RTC_NEVER)
		next = MIN(next, (u64)(rtc->alarm_at - rtc->base_seconds) * hz);
	return next == UINT64_MAX ? next : rtc->base_tick + next;
}

/* Brings IRQ 8 and the timer in line with registers B and C. */
static void update_irq(struct rtc *rtc)
{
	bool on = rtc->cmos[RTC_C] & rtc->cmos[RTC_B] & RTC_FLAGS;
	u64 next = UINT64_MAX;

	if (on)
		rtc->cmos[RTC_C] |= RTC_C_IRQF;
	else
		rtc->cmos[RTC_C] &= ~RTC_C_IRQF;
	if (on != rtc->irq_on) {
		rtc->irq_on = on;
		irq_line_set(&rtc->irq, on);
	}
	/* While the line is up no event can change it: what is missed meanwhile is one flag. */
	if (!on)
		next = next_event(rtc);
	if (next == UINT64_MAX)
		timer_cancel(&rtc->timer);
	else
		timer_set(&rtc->timer, next);
}

static void rtc_timer_fired(struct timer *timer)
{
	struct rtc *rtc = container_of(timer, struct rtc, timer);

	spin_lock(&rtc->lock);
	catch_up(rtc, time_now());
	update_irq(rtc);
	spin_unlock(&rtc->lock);
}

/* Time registers from the running clock. */
static void store_time(struct rtc *rtc, u64 now)
{
	rtc_cmos_store_time(rtc->cmos, seconds_at(rtc, now), rtc->day_shift);
}

/* The running clock from the time registers, `phase` ticks into the second they show. */
static void load_time(struct rtc *rtc, u64 now, u64 phase)
{
	rtc->base_tick = now - phase;
	rtc->base_seconds = rtc_cmos_load_time(rtc->cmos, &rtc->day_shift);
	find_alarm(rtc);
}

static u64 phase_at(const struct rtc *rtc, u64 now)
{
	return (now - rtc->base_tick) % time_hz();
}

/* Changes registers A and B, which hold and release the clock. `seen` is now. */
static void write_control(struct rtc *rtc, u64 now, unsigned reg, u8 value)
{
	bool ran = clock_runs(rtc), divided = divider_runs(rtc);
	u64 phase = phase_at(rtc, now);

	if (ran)
		store_time(rtc, now); /* in the format of the old register B */
	rtc->cmos[reg] = value;
	if (divider_runs(rtc) && !divided)
		phase = time_hz() / RTC_HALF_SECOND;
	if (clock_runs(rtc) && !ran)
		load_time(rtc, now, phase);
	else if (divider_runs(rtc) && !divided)
		rtc->base_tick = now - phase;
	if (reg == RTC_B && ran)
		find_alarm(rtc); /* its format may have changed */
}

static void write_b(struct rtc *rtc, u64 now, u8 value)
{
	/* SET going high clears UIE (data sheet, "SET"). */
	if ((value & RTC_B_SET) && !(rtc->cmos[RTC_B] & RTC_B_SET))
		value &= ~RTC_B_UIE;
	write_control(rtc, now, RTC_B, value);
}

static void write_time(struct rtc *rtc, u64 now, unsigned reg, u8 value)
{
	if (!clock_runs(rtc)) {
		rtc->cmos[reg] = value;
		return;
	}
	store_time(rtc, now);
	rtc->cmos[reg] = value;
	load_time(rtc, now, phase_at(rtc, now));
}

static void write_cmos(struct rtc *rtc, u64 now, unsigned reg, u8 value)
{
	if (is_time_reg(reg)) {
		write_time(rtc, now, reg, value);
	} else if (reg == RTC_A) {
		write_control(rtc, now, reg, value & ~RTC_A_UIP);
	} else if (reg == RTC_B) {
		write_b(rtc, now, value);
	} else if (reg != RTC_C && reg != RTC_D) {
		rtc->cmos[reg] = value;
		if (is_alarm_reg(reg))
			find_alarm(rtc);
	}
}

static u8 read_cmos(struct rtc *rtc, u64 now, unsigned reg)
{
	u8 value;

	if (is_time_reg(reg) && clock_runs(rtc))
		store_time(rtc, now);
	value = rtc->cmos[reg];
	if (reg == RTC_C)
		rtc->cmos[RTC_C] = 0;
	if (reg == RTC_A && clock_runs(rtc) &&
	    phase_at(rtc, now) + time_ns_to_ticks(RTC_UIP_NS) >= time_hz())
		value |= RTC_A_UIP;
	return value;
}

static u8 rtc_read_reg(void *dev, unsigned port)
{
	struct rtc *rtc = dev;
	unsigned reg = READ_ONCE(rtc->index);
	u64 now;
	u8 value;

	if (port == 0)
		return 0xff; /* the index is write-only */
	spin_lock(&rtc->lock);
	now = time_now();
	if (reg == RTC_C)
		catch_up(rtc, now);
	value = read_cmos(rtc, now, reg);
	if (reg == RTC_C)
		update_irq(rtc);
	spin_unlock(&rtc->lock);
	return value;
}

static void rtc_write_reg(void *dev, unsigned port, u8 value)
{
	struct rtc *rtc = dev;
	u64 now;

	if (port == 0) { /* bit 7 masks NMI, of which this board has none to mask */
		WRITE_ONCE(rtc->index, value & (RTC_CMOS_SIZE - 1));
		return;
	}
	spin_lock(&rtc->lock);
	now = time_now();
	catch_up(rtc, now);
	write_cmos(rtc, now, READ_ONCE(rtc->index), value);
	update_irq(rtc);
	spin_unlock(&rtc->lock);
}

static u64 rtc_read(void *dev, u64 offset, unsigned size)
{
	return byte_ports_read(rtc_read_reg, dev, offset, size);
}

static void rtc_write(void *dev, u64 offset, unsigned size, u64 value)
{
	byte_ports_write(rtc_write_reg, dev, offset, size, value);
}

static const struct io_ops rtc_ops = { rtc_read, rtc_write };

void rtc_reset(struct rtc *rtc)
{
	spin_lock(&rtc->lock);
	catch_up(rtc, time_now());
	rtc->cmos[RTC_B] &= ~(RTC_B_PIE | RTC_B_AIE | RTC_B_UIE | RTC_B_SQWE);
	rtc->cmos[RTC_C] = 0;
	update_irq(rtc);
	spin_unlock(&rtc->lock);
}

void rtc_init(struct rtc *rtc, struct irq_line irq, u64 unix_seconds, const struct rtc_board *board)
{
	u64 now = time_now();

	*rtc = (struct rtc){
		.irq = irq,
		.base_seconds = (s64)unix_seconds,
		.base_tick = now,
		.seen = now,
	};
	rtc->cmos[RTC_A] = RTC_A_DIV_32768 | RTC_A_RATE_1024;
	rtc->cmos[RTC_B] = RTC_B_24H;
	rtc->cmos[RTC_D] = RTC_D_VRT;
	rtc_cmos_describe_board(rtc->cmos, board);
	timer_init(&rtc->timer, rtc_timer_fired);
	find_alarm(rtc);
}

void rtc_fini(struct rtc *rtc)
{
	timer_cancel_sync(&rtc->timer);
}

int rtc_attach(struct rtc *rtc, struct io_bus *pio)
{
	return io_bus_add(pio, 0x70, 2, &rtc_ops, rtc, "rtc");
}
