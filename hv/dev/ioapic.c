/*
 * See ioapic.h. Every function decides under the lock which pins fire, and sends the messages after
 * dropping it: a local APIC may call back with an EOI at any moment.
 */
#include "hv/dev/ioapic.h"

#include "hv/dev/apic_bus.h"

/* Indirect registers; two per pin from IOAPIC_REG_TABLE on. */
#define IOAPIC_REG_ID	   0x00
#define IOAPIC_REG_VERSION 0x01
#define IOAPIC_REG_ARB	   0x02
#define IOAPIC_REG_TABLE   0x10

/* Direct ones. */
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_EOI    0x40

#define IOAPIC_VERSION ((IOAPIC_PINS - 1) << 16 | 0x20)

/* Redirection entry. Vector, delivery and destination mode are bits 11:0, destination 63:56. */
#define IOAPIC_LOGICAL	  BIT(11)
#define IOAPIC_REMOTE_IRR BIT(14)
#define IOAPIC_LEVEL	  BIT(15)
#define IOAPIC_MASKED	  BIT(16)
#define IOAPIC_WRITABLE	  0xff0000000001afffull /* not delivery status, remote IRR, reserved */

/* The messages of pins that fire together: those that share a vector, on its EOI. */
struct ioapic_batch {
	u32 pins;
	struct apic_msg msg[IOAPIC_PINS];
};

/*
 * Level semantics only go with fixed and lowest-priority delivery; the other modes act on edges
 * and never set remote IRR.
 */
static bool ioapic_entry_is_level(u64 entry)
{
	return (entry & IOAPIC_LEVEL) && (entry >> 8 & 7) <= APIC_LOWEST;
}

int ioapic_edge_vector(const struct ioapic *io, unsigned pin)
{
	u64 entry = READ_ONCE(io->entry[pin]);

	if ((entry & (IOAPIC_MASKED | IOAPIC_LEVEL)) || (entry >> 8 & 7) > APIC_LOWEST)
		return -1;
	return (u8)entry;
}

/* Lock held. Puts the pin's message into the batch. */
static void ioapic_fire(struct ioapic *io, unsigned pin, struct ioapic_batch *batch)
{
	u64 entry = io->entry[pin];
	bool level = ioapic_entry_is_level(entry);

	if (level)
		io->entry[pin] |= IOAPIC_REMOTE_IRR;
	batch->pins |= 1u << pin;
	batch->msg[pin] = (struct apic_msg){
		.delivery = (enum apic_delivery)(entry >> 8 & 7),
		.shorthand = APIC_DEST,
		.vector = (u8)entry,
		.logical = entry & IOAPIC_LOGICAL,
		.level = level,
		.assert_level = true,
		.dest = (u32)(entry >> 56),
	};
}

/* Lock held. A level that is asserted, unmasked and not being served fires. */
static void ioapic_check_level(struct ioapic *io, unsigned pin, struct ioapic_batch *batch)
{
	u64 entry = io->entry[pin];

	if (ioapic_entry_is_level(entry) && (io->lines >> pin & 1) &&
	    !(entry & (IOAPIC_MASKED | IOAPIC_REMOTE_IRR)))
		ioapic_fire(io, pin, batch);
}

/*
 * Lock not held. Remote IRR says that someone accepted the interrupt: where nobody did, no EOI will
 * come, and it must not stay set. The entry is looked at only then, so it does not matter that it
 * may have been rewritten meanwhile: a remote IRR of a later message that was accepted is at worst
 * cleared early, which costs the guest one spurious interrupt.
 */
static void ioapic_send(struct ioapic *io, const struct ioapic_batch *batch)
{
	for (u32 pins = batch->pins; pins; pins &= pins - 1) {
		unsigned pin = (unsigned)__builtin_ctz(pins);

		if (apic_bus_send(io->bus, NULL, &batch->msg[pin]) || !batch->msg[pin].level)
			continue;
		spin_lock(&io->lock);
		io->entry[pin] &= ~IOAPIC_REMOTE_IRR;
		spin_unlock(&io->lock);
	}
}

void ioapic_set_irq(struct ioapic *io, unsigned gsi, bool level)
{
	struct ioapic_batch batch;
	u32 bit;
	bool rising;

	if (gsi >= IOAPIC_PINS)
		return;
	batch.pins = 0;
	bit = 1u << gsi;
	spin_lock(&io->lock);
	rising = level && !(io->lines & bit);
	if (level)
		io->lines |= bit;
	else
		io->lines &= ~bit;
	if (ioapic_entry_is_level(io->entry[gsi]))
		ioapic_check_level(io, gsi, &batch);
	else if (rising && !(io->entry[gsi] & IOAPIC_MASKED))
		ioapic_fire(io, gsi, &batch);
	spin_unlock(&io->lock);
	ioapic_send(io, &batch);
}

void ioapic_eoi(struct ioapic *io, u8 vector)
{
	struct ioapic_batch batch;

	batch.pins = 0;
	spin_lock(&io->lock);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = io->entry[pin];

		if ((u8)entry != vector || !(entry & IOAPIC_REMOTE_IRR))
			continue;
		io->entry[pin] = entry & ~IOAPIC_REMOTE_IRR;
		ioapic_check_level(io, pin, &batch);
	}
	spin_unlock(&io->lock);
	ioapic_send(io, &batch);
}

/* --- registers; lock held --- */

static u32 ioapic_read_reg(const struct ioapic *io)
{
	unsigned pin = (io->index - IOAPIC_REG_TABLE) / 2u;

	switch (io->index) {
	case IOAPIC_REG_ID:
	case IOAPIC_REG_ARB:
		return (u32)io->id << 24;
	case IOAPIC_REG_VERSION:
		return IOAPIC_VERSION;
	default:
		if (io->index < IOAPIC_REG_TABLE || pin >= IOAPIC_PINS)
			return 0;
		return (u32)(io->entry[pin] >> (io->index & 1) * 32);
	}
}

static void ioapic_write_entry(struct ioapic *io, unsigned pin, bool high, u32 value,
			       struct ioapic_batch *batch)
{
	u64 half = high ? 0xffffffff00000000ull : 0xffffffffull;
	u64 mask = half & IOAPIC_WRITABLE, entry = io->entry[pin];

	entry = (entry & ~mask) | ((u64)value << (high ? 32 : 0) & mask);
	/* Remote IRR has no meaning for edges, and this is how systems clear it by force. */
	if (!ioapic_entry_is_level(entry))
		entry &= ~IOAPIC_REMOTE_IRR;
	io->entry[pin] = entry;
	ioapic_check_level(io, pin, batch);
}

static void ioapic_write_reg(struct ioapic *io, u32 value, struct ioapic_batch *batch)
{
	unsigned pin = (io->index - IOAPIC_REG_TABLE) / 2u;

	if (io->index == IOAPIC_REG_ID)
		io->id = value >> 24 & 0xf;
	else if (io->index >= IOAPIC_REG_TABLE && pin < IOAPIC_PINS)
		ioapic_write_entry(io, pin, io->index & 1, value, batch);
}

/* --- MMIO --- */

/* Bytes of a register that starts at `reg` and is 4 long; 0 elsewhere. */
static u64 ioapic_read(void *dev, u64 offset, unsigned size)
{
	struct ioapic *io = dev;
	u64 value = 0;

	spin_lock(&io->lock);
	if (ALIGN_DOWN(offset, 4) == IOAPIC_SELECT)
		value = io->index;
	else if (ALIGN_DOWN(offset, 4) == IOAPIC_WINDOW)
		value = ioapic_read_reg(io);
	spin_unlock(&io->lock);
	value >>= (offset & 3) * 8;
	return size >= 8 ? value : value & (BIT(size * 8) - 1);
}

/* The window wants whole words (datasheet 3.1.2); the others use their low byte only. */
static void ioapic_write(void *dev, u64 offset, unsigned size, u64 value)
{
	struct ioapic *io = dev;
	struct ioapic_batch batch;

	if (offset == IOAPIC_EOI) {
		ioapic_eoi(io, (u8)value);
		return;
	}
	batch.pins = 0;
	spin_lock(&io->lock);
	if (offset == IOAPIC_SELECT)
		io->index = (u8)value;
	else if (offset == IOAPIC_WINDOW && size >= 4)
		ioapic_write_reg(io, (u32)value, &batch);
	spin_unlock(&io->lock);
	ioapic_send(io, &batch);
}

const struct io_ops ioapic_io_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

/* --- life --- */

void ioapic_reset(struct ioapic *io)
{
	spin_lock(&io->lock);
	io->id = 0;
	io->index = 0;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		io->entry[pin] = IOAPIC_MASKED;
	spin_unlock(&io->lock);
}

void ioapic_init(struct ioapic *io, struct apic_bus *bus)
{
	*io = (struct ioapic){ .bus = bus };
	ioapic_reset(io);
}
