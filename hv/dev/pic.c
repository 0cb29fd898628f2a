#include "hv/dev/pic.h"

#include "hv/dev/byte_ports.h"

#define CASCADE	       2
#define CASCADE_BIT    (1u << CASCADE)
#define SPURIOUS_INPUT 7
#define NO_INPUT       8 /* as a priority: below them all */

/* First word, at the even port: ICW1 has bit 4, OCW3 has bit 3, OCW2 neither. */
#define ICW1	  0x10
#define ICW1_IC4  0x01
#define ICW1_SNGL 0x02
#define ICW4_AEOI 0x02
#define ICW4_SFNM 0x10
#define OCW3	  0x08
#define OCW3_RIS  0x01
#define OCW3_RR	  0x02
#define OCW3_P	  0x04
#define OCW3_SMM  0x20
#define OCW3_ESMM 0x40
#define OCW2_EOI  0x20
#define OCW2_SL	  0x40
#define OCW2_R	  0x80

/* Inputs whose mode ELCR can change: not the timer, keyboard, cascade, RTC and FPU. */
static const u8 elcr_mask[2] = { 0xf8, 0xde };

/* Priority (0 is highest) of the first input in a set, NO_INPUT if the set is empty. */
static unsigned set_priority(const struct pic_chip *c, u8 set)
{
	unsigned shift = (c->lowest + 1) & 7;
	u8 rotated = (u8)((set >> shift) | (set << (8 - shift)));

	return rotated ? (unsigned)__builtin_ctz(rotated) : NO_INPUT;
}

static unsigned priority_input(const struct pic_chip *c, unsigned priority)
{
	return (priority + c->lowest + 1) & 7;
}

/* The input the chip asks the processor to serve, or -1. */
static int chip_request(const struct pic_chip *c)
{
	u8 want = c->irr & ~c->imr, busy = c->isr;
	unsigned p, serving;

	if (!want || c->icw)
		return -1;
	if (c->special_mask)
		busy &= ~c->imr;
	p = set_priority(c, want);
	serving = set_priority(c, busy);
	if (p < serving)
		return (int)priority_input(c, p);
	/* Special fully nested: the slave may interrupt its own service (data sheet, "SFNM"). */
	if (p == serving && c->special_nested && priority_input(c, p) == CASCADE)
		return CASCADE;
	return -1;
}

static void chip_ack(struct pic_chip *c, unsigned input)
{
	u8 bit = (u8)(1u << input);

	if (!(c->elcr & bit))
		c->irr &= ~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto_eoi)
		c->lowest = (u8)input;
}

/* After any change: cascades the slave's request and publishes the master's. */
static void pic_update(struct pic *pic)
{
	struct pic_chip *master = &pic->chip[0];
	bool level;

	/* The cascade input just follows the slave's INT pin, in either trigger mode. */
	if (chip_request(&pic->chip[1]) >= 0)
		master->irr |= CASCADE_BIT;
	else
		master->irr &= ~CASCADE_BIT;

	level = chip_request(master) >= 0;
	if (level != pic->pending) {
		/* No reader depends on the order: pic_ack() looks again under the lock. */
		WRITE_ONCE(pic->pending, level);
		pic->output(pic->ctx, level);
	}
}

static void chip_set_input(struct pic_chip *c, u8 bit, bool level)
{
	bool rising = level && !(c->lines & bit);

	c->lines = level ? c->lines | bit : c->lines & ~bit;
	if (rising || (level && (c->elcr & bit)))
		c->irr |= bit;
	else if (c->elcr & bit)
		c->irr &= ~bit;
}

void pic_set_irq(struct pic *pic, unsigned irq, bool level)
{
	if (irq >= PIC_IRQ_COUNT || irq == CASCADE)
		return;
	spin_lock(&pic->lock);
	chip_set_input(&pic->chip[irq >> 3], (u8)(1u << (irq & 7)), level);
	pic_update(pic);
	spin_unlock(&pic->lock);
}

/* The INTA cycle of one chip; returns its vector and through *input what was accepted. */
static int chip_inta(struct pic_chip *c, unsigned *input)
{
	int request = chip_request(c);

	*input = request < 0 ? SPURIOUS_INPUT : (unsigned)request;
	if (request >= 0)
		chip_ack(c, *input);
	return (int)(c->base + *input);
}

int pic_ack(struct pic *pic)
{
	unsigned input;
	int vector;

	spin_lock(&pic->lock);
	vector = chip_inta(&pic->chip[0], &input);
	if (input == CASCADE)
		vector = chip_inta(&pic->chip[1], &input);
	pic_update(pic);
	spin_unlock(&pic->lock);
	return vector;
}

static void chip_write_icw1(struct pic_chip *c, u8 value)
{
	/* Bit 3 (level) has no effect where ELCR exists. Level inputs that are up ask again. */
	c->irr = c->lines & c->elcr;
	c->isr = 0;
	WRITE_ONCE(c->imr, 0);
	c->lowest = 7;
	c->auto_eoi = c->rotate_auto_eoi = false;
	c->special_mask = c->special_nested = false;
	c->read_isr = false;
	WRITE_ONCE(c->poll, false);
	c->icw = 2;
	c->icw3_due = !(value & ICW1_SNGL);
	c->icw4_due = value & ICW1_IC4;
}

static void chip_write_icw(struct pic_chip *c, u8 value)
{
	switch (c->icw) {
	case 2:
		c->base = value & 0xf8;
		c->icw = c->icw3_due ? 3 : c->icw4_due ? 4 : 0;
		break;
	case 3: /* says where the slave is; here that is wired */
		c->icw = c->icw4_due ? 4 : 0;
		break;
	default:
		c->auto_eoi = value & ICW4_AEOI;
		c->special_nested = value & ICW4_SFNM;
		c->icw = 0;
	}
}

static void chip_write_eoi(struct pic_chip *c, u8 value)
{
	/* A masked input is left in service by a plain EOI in special mask mode (data sheet). */
	u8 ended = c->special_mask ? c->isr & ~c->imr : c->isr;
	unsigned input = value & 7;

	if (!(value & OCW2_SL)) {
		unsigned p = set_priority(c, ended);

		if (p == NO_INPUT)
			return;
		input = priority_input(c, p);
	}
	c->isr &= ~(1u << input);
	if (value & OCW2_R)
		c->lowest = (u8)input;
}

static void chip_write_ocw2(struct pic_chip *c, u8 value)
{
	if (value & OCW2_EOI)
		chip_write_eoi(c, value);
	else if (!(value & OCW2_SL))
		c->rotate_auto_eoi = value & OCW2_R;
	else if (value & OCW2_R)
		c->lowest = value & 7;
}

static void chip_write_ocw3(struct pic_chip *c, u8 value)
{
	if (value & OCW3_ESMM)
		c->special_mask = value & OCW3_SMM;
	if (value & OCW3_P)
		WRITE_ONCE(c->poll, true);
	else if (value & OCW3_RR)
		c->read_isr = value & OCW3_RIS;
}

static void chip_write(struct pic_chip *c, bool odd, u8 value)
{
	if (!odd && (value & ICW1))
		chip_write_icw1(c, value);
	else if (odd && c->icw)
		chip_write_icw(c, value);
	else if (odd)
		WRITE_ONCE(c->imr, value);
	else if (value & OCW3)
		chip_write_ocw3(c, value);
	else
		chip_write_ocw2(c, value);
}

/* A poll stands for the INTA cycle of this chip alone; bit 7 says that there was a request. */
static u8 chip_poll(struct pic_chip *c)
{
	int request = chip_request(c);

	WRITE_ONCE(c->poll, false);
	if (request < 0)
		return SPURIOUS_INPUT;
	chip_ack(c, (unsigned)request);
	return (u8)(0x80 | request);
}

static void pic_write_reg(struct pic *pic, unsigned chip, unsigned reg, u8 value)
{
	spin_lock(&pic->lock);
	chip_write(&pic->chip[chip], reg & 1, value);
	pic_update(pic);
	spin_unlock(&pic->lock);
}

static __attribute__((noinline)) u8 pic_read_locked(struct pic *pic, struct pic_chip *c,
						    unsigned reg)
{
	u8 value;

	spin_lock(&pic->lock);
	if (c->poll) {
		value = chip_poll(c);
		pic_update(pic);
	} else if (reg & 1) {
		value = c->imr;
	} else {
		value = c->read_isr ? c->isr : c->irr;
	}
	spin_unlock(&pic->lock);
	return value;
}

/* One byte needs no lock to be read, but for a poll, which changes things. */
static force_inline u8 pic_read_reg(struct pic *pic, unsigned chip, unsigned reg)
{
	struct pic_chip *c = &pic->chip[chip];

	if (likely((reg & 1) && !READ_ONCE(c->poll)))
		return READ_ONCE(c->imr);
	return pic_read_locked(pic, c, reg);
}

static u8 master_read(void *dev, unsigned reg)
{
	return pic_read_reg(dev, 0, reg);
}

static u8 slave_read(void *dev, unsigned reg)
{
	return pic_read_reg(dev, 1, reg);
}

static void master_write(void *dev, unsigned reg, u8 value)
{
	pic_write_reg(dev, 0, reg, value);
}

static void slave_write(void *dev, unsigned reg, u8 value)
{
	pic_write_reg(dev, 1, reg, value);
}

static u8 elcr_read(void *dev, unsigned reg)
{
	struct pic *pic = dev;

	return READ_ONCE(pic->chip[reg & 1].elcr);
}

static void elcr_write(void *dev, unsigned reg, u8 value)
{
	struct pic *pic = dev;
	struct pic_chip *c = &pic->chip[reg & 1];
	u8 changed;

	spin_lock(&pic->lock);
	value &= elcr_mask[reg & 1];
	changed = value ^ c->elcr;
	WRITE_ONCE(c->elcr, value);
	/* Inputs that become level follow the line now; those that become edge await one. */
	c->irr = (c->irr & ~changed) | (c->lines & value & changed);
	pic_update(pic);
	spin_unlock(&pic->lock);
}

#define PIC_OPS(who)                                                                \
	static u64 who##_read_op(void *dev, u64 offset, unsigned size)              \
	{                                                                           \
		return byte_ports_read(who##_read, dev, offset, size);              \
	}                                                                           \
	static void who##_write_op(void *dev, u64 offset, unsigned size, u64 value) \
	{                                                                           \
		byte_ports_write(who##_write, dev, offset, size, value);            \
	}                                                                           \
	static const struct io_ops who##_ops = { who##_read_op, who##_write_op }

PIC_OPS(master);
PIC_OPS(slave);
PIC_OPS(elcr);

static void chip_reset(struct pic_chip *c, u8 base, u8 elcr)
{
	*c = (struct pic_chip){
		.lines = c->lines,
		.irr = c->lines & elcr,
		.imr = 0xff,
		.elcr = elcr,
		.base = base,
		.lowest = 7,
	};
}

void pic_reset(struct pic *pic)
{
	spin_lock(&pic->lock);
	chip_reset(&pic->chip[0], 0x08, 0);
	chip_reset(&pic->chip[1], 0x70, 1u << (9 - 8));
	pic_update(pic);
	spin_unlock(&pic->lock);
}

void pic_init(struct pic *pic, void (*output)(void *ctx, bool level), void *ctx)
{
	*pic = (struct pic){ .output = output, .ctx = ctx };
	pic_reset(pic);
}

int pic_attach(struct pic *pic, struct io_bus *pio)
{
	int err = io_bus_add(pio, 0x20, 2, &master_ops, pic, "pic master");

	if (!err)
		err = io_bus_add(pio, 0xa0, 2, &slave_ops, pic, "pic slave");
	if (!err)
		err = io_bus_add(pio, 0x4d0, 2, &elcr_ops, pic, "pic elcr");
	return err;
}
