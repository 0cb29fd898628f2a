#include "hv/dev/pit.h"

#include "core/time.h"
#include "hv/dev/byte_ports.h"

#define CONTROL_PORT (PIT_PORT_CONTROL - PIT_PORT_COUNTER)

/* Clocks between two refresh requests, as firmware programs counter 1. */
#define REFRESH_CLOCKS 18

_Static_assert(PIT_MIN_PERIOD < 65536, "the limit must leave ordinary periods alone");

static u64 pit_clock(const struct pit *pit)
{
	return time_muldiv(time_now() - pit->origin, PIT_HZ, time_hz());
}

/* The first tick at which pit_clock() is at least `clock`: so a timer never fires a clock early. */
static u64 clock_to_tick(const struct pit *pit, u64 clock)
{
	u64 ticks = time_muldiv(clock, time_hz(), PIT_HZ);

	if (time_muldiv(ticks, PIT_HZ, time_hz()) < clock)
		ticks++;
	return pit->origin + ticks;
}

static void pit_drive(struct pit *pit, bool level)
{
	if (level != pit->irq_on) {
		pit->irq_on = level;
		irq_line_set(&pit->irq, level);
	}
}

static bool pit_is_periodic(const struct pit_channel *ch)
{
	return ch->mode == 2 || ch->mode == 3;
}

/* Arms the timer for the next rise of counter 0, or for one that is made up for. */
static void pit_arm(struct pit *pit)
{
	u64 next = MIN(pit->edge, pit->again);

	if (next == PIT_NEVER)
		timer_cancel(&pit->timer);
	else
		timer_set(&pit->timer, clock_to_tick(pit, next));
}

/*
 * Rises are multiples of the period counted from the start of the count, so a late callback causes
 * no drift.
 */
static void pit_schedule(struct pit *pit, u64 clock)
{
	struct pit_channel *ch = &pit->channel[0];

	pit->edge = pit_channel_next_rise(ch, clock);
	if (pit->edge != PIT_NEVER && pit_is_periodic(ch) && ch->count < PIT_MIN_PERIOD &&
	    !ch->changed)
		pit->edge = pit_channel_next_rise(ch, clock + PIT_MIN_PERIOD - 1);
	pit_arm(pit);
}

/* Periodic outputs rise from a low that no one was woken for. */
static void pit_pulse(struct pit *pit)
{
	pit_drive(pit, false);
	pit_drive(pit, true);
}

/*
 * An 8259A merges edges that come while the interrupt is not taken. The guest of a PC is never kept
 * waiting for many of them by somebody else; here it is, when others have its processor. Kernels
 * that measure time by counting these (Linux, while it boots) would find it too short. So merged
 * ones are counted, and made up for as soon as the guest takes them.
 */
static void pit_note_lost(struct pit *pit, u64 clock)
{
	const struct pit_channel *ch = &pit->channel[0];
	u64 lost;

	if (!pit->irq.waits || !pit_is_periodic(ch) || ch->changed || ch->count < PIT_OWED_PERIOD)
		return;
	lost = (clock - pit->edge) / ch->count + irq_line_waits(&pit->irq);
	pit->owed = (u32)MIN(pit->owed + lost, (u64)PIT_OWED_MAX);
}

/* After an interrupt that the guest had no other one before. */
static void pit_plan_next(struct pit *pit, u64 clock)
{
	pit->again = pit->owed ? clock + pit->channel[0].count / PIT_OWED_FRACTION : PIT_NEVER;
}

static void pit_rise(struct pit *pit, u64 clock)
{
	bool waits = irq_line_waits(&pit->irq);

	pit_note_lost(pit, clock);
	pit_pulse(pit);
	if (waits)
		pit->again = PIT_NEVER; /* it takes none at present: with the next rise, perhaps */
	else
		pit_plan_next(pit, clock);
	pit_schedule(pit, clock);
}

static void pit_make_up(struct pit *pit, u64 clock)
{
	if (irq_line_waits(&pit->irq)) {
		pit->again = PIT_NEVER;
	} else {
		pit->owed--;
		pit_pulse(pit);
		pit_plan_next(pit, clock);
	}
	pit_arm(pit);
}

static void pit_timer_fired(struct timer *timer)
{
	struct pit *pit = container_of(timer, struct pit, timer);
	u64 clock;

	spin_lock(&pit->lock);
	clock = pit_clock(pit);
	/* Reprogrammed or cancelled meanwhile: then the timer is armed for the new time, or not. */
	if (clock >= pit->edge)
		pit_rise(pit, clock);
	else if (clock >= pit->again)
		pit_make_up(pit, clock);
	spin_unlock(&pit->lock);
}

/* Counter 0 was written: its output may have changed at once. */
static void pit_reprogrammed(struct pit *pit, u64 clock)
{
	pit->owed = 0;
	pit->again = PIT_NEVER;
	pit_drive(pit, pit_channel_out(&pit->channel[0], clock));
	pit_schedule(pit, clock);
}

static void pit_latch_count(struct pit *pit, unsigned i, u64 clock)
{
	struct pit_port *port = &pit->port[i];
	unsigned rw = (pit->channel[i].control & PIT_CONTROL_RW) >> PIT_RW_SHIFT;

	if (port->latched) /* a latched count stays until it is read (data sheet) */
		return;
	port->latch = pit_channel_read(&pit->channel[i], clock);
	port->latched = rw == PIT_RW_BOTH ? 2 : 1;
	port->read_high = false;
}

static void pit_latch_status(struct pit *pit, unsigned i, u64 clock)
{
	struct pit_channel *ch = &pit->channel[i];
	struct pit_port *port = &pit->port[i];

	if (port->status_latched)
		return;
	port->status_latched = true;
	port->status = ch->control;
	if (pit_channel_out(ch, clock))
		port->status |= PIT_STATUS_OUT;
	if (pit_channel_null(ch, clock))
		port->status |= PIT_STATUS_NULL;
}

static void pit_read_back(struct pit *pit, u64 clock, u8 command)
{
	for (unsigned i = 0; i < PIT_CHANNELS; i++) {
		if (!(command & (2u << i)))
			continue;
		if (!(command & PIT_READ_BACK_NO_COUNT))
			pit_latch_count(pit, i, clock);
		if (!(command & PIT_READ_BACK_NO_STATUS))
			pit_latch_status(pit, i, clock);
	}
}

static void pit_write_control(struct pit *pit, u64 clock, u8 value)
{
	unsigned i = value >> PIT_SELECT_SHIFT;

	if (i == PIT_SELECT_READ_BACK) {
		pit_read_back(pit, clock, value);
	} else if (!(value & PIT_CONTROL_RW)) {
		pit_latch_count(pit, i, clock);
	} else {
		pit->port[i] = (struct pit_port){ 0 };
		pit_channel_control(&pit->channel[i], clock, value & PIT_CONTROL_BITS);
		if (i == 0)
			pit_reprogrammed(pit, clock);
	}
}

static void pit_write_count(struct pit *pit, unsigned i, u64 clock, u8 value)
{
	struct pit_channel *ch = &pit->channel[i];
	struct pit_port *port = &pit->port[i];
	unsigned rw = (ch->control & PIT_CONTROL_RW) >> PIT_RW_SHIFT;

	if (rw == PIT_RW_BOTH && !port->write_high) {
		port->write_low = value;
		port->write_high = true;
		pit_channel_half_count(ch);
	} else if (rw == PIT_RW_BOTH) {
		port->write_high = false;
		pit_channel_count(ch, clock, (u16)(value << 8 | port->write_low));
	} else {
		pit_channel_count(ch, clock, rw == PIT_RW_HIGH ? (u16)(value << 8) : value);
	}
	if (i == 0)
		pit_reprogrammed(pit, clock);
}

/* The next byte of a 16-bit value in the counter's read/write mode. */
static u8 pit_next_byte(struct pit_port *port, unsigned rw, u16 value)
{
	bool high = rw == PIT_RW_HIGH || (rw == PIT_RW_BOTH && port->read_high);

	port->read_high = rw == PIT_RW_BOTH && !port->read_high;
	return (u8)(high ? value >> 8 : value);
}

static u8 pit_read_count(struct pit *pit, unsigned i, u64 clock)
{
	struct pit_channel *ch = &pit->channel[i];
	struct pit_port *port = &pit->port[i];
	unsigned rw = (ch->control & PIT_CONTROL_RW) >> PIT_RW_SHIFT;

	if (port->status_latched) { /* status comes before a count latched with it */
		port->status_latched = false;
		return port->status;
	}
	if (port->latched) {
		port->latched--;
		return pit_next_byte(port, rw, port->latch);
	}
	return pit_next_byte(port, rw, pit_channel_read(ch, clock));
}

static u8 pit_read_reg(void *dev, unsigned reg)
{
	struct pit *pit = dev;
	u8 value;

	if (reg == CONTROL_PORT) /* the chip does not drive the bus */
		return 0xff;
	spin_lock(&pit->lock);
	value = pit_read_count(pit, reg, pit_clock(pit));
	spin_unlock(&pit->lock);
	return value;
}

static void pit_write_reg(void *dev, unsigned reg, u8 value)
{
	struct pit *pit = dev;

	spin_lock(&pit->lock);
	if (reg == CONTROL_PORT)
		pit_write_control(pit, pit_clock(pit), value);
	else
		pit_write_count(pit, reg, pit_clock(pit), value);
	spin_unlock(&pit->lock);
}

static u64 pit_read(void *dev, u64 offset, unsigned size)
{
	return byte_ports_read(pit_read_reg, dev, offset, size);
}

static void pit_write(void *dev, u64 offset, unsigned size, u64 value)
{
	byte_ports_write(pit_write_reg, dev, offset, size, value);
}

static const struct io_ops pit_ops = { pit_read, pit_write };

void pit_set_speaker_gate(struct pit *pit, bool gate)
{
	spin_lock(&pit->lock);
	pit_channel_gate(&pit->channel[2], pit_clock(pit), gate);
	spin_unlock(&pit->lock);
}

bool pit_speaker_out(struct pit *pit)
{
	bool out;

	spin_lock(&pit->lock);
	out = pit_channel_out(&pit->channel[2], pit_clock(pit));
	spin_unlock(&pit->lock);
	return out;
}

bool pit_refresh(struct pit *pit)
{
	return pit_clock(pit) / REFRESH_CLOCKS & 1;
}

/* Mode and count as firmware programs them, low and high byte. */
static void pit_firmware_program(struct pit *pit, unsigned i, u64 clock, unsigned mode, u16 count)
{
	struct pit_channel *ch = &pit->channel[i];

	*ch = (struct pit_channel){ .gate = i != 2 };
	pit->port[i] = (struct pit_port){ 0 };
	pit_channel_control(ch, clock, (u8)(PIT_RW_BOTH << PIT_RW_SHIFT | mode << PIT_MODE_SHIFT));
	if (i != 2)
		pit_channel_count(ch, clock, count);
}

void pit_reset(struct pit *pit)
{
	u64 clock;

	spin_lock(&pit->lock);
	clock = pit_clock(pit);
	pit_firmware_program(pit, 0, clock, 3, 0);
	pit_firmware_program(pit, 1, clock, 2, REFRESH_CLOCKS);
	pit_firmware_program(pit, 2, clock, 3, 0);
	pit_reprogrammed(pit, clock);
	spin_unlock(&pit->lock);
}

void pit_init(struct pit *pit, struct irq_line irq)
{
	/* OUT of mode 3 begins high: no one need be told before its first fall and rise. */
	*pit = (struct pit){ .origin = time_now(), .irq = irq, .irq_on = true };
	timer_init(&pit->timer, pit_timer_fired);
	pit_reset(pit);
}

void pit_fini(struct pit *pit)
{
	timer_cancel_sync(&pit->timer);
}

int pit_attach(struct pit *pit, struct io_bus *pio)
{
	return io_bus_add(pio, PIT_PORT_COUNTER, PIT_PORTS, &pit_ops, pit, "pit");
}
