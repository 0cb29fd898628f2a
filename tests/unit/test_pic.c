/* The pair of 8259A interrupt controllers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "hv/dev/pic.h"

#define MASTER 0x20
#define SLAVE  0xa0
#define EOI    0x20

static struct pic pic;
static struct io_bus bus;
static bool out;
static unsigned out_calls;

static void on_output(void *ctx, bool level)
{
	assert_ptr_equal(ctx, &out);
	assert_int_not_equal(level, out); /* called on changes only */
	out = level;
	out_calls++;
}

static void outb(u16 port, u8 v)
{
	io_bus_write(&bus, port, 1, v);
}

static u8 inb(u16 port)
{
	return (u8)io_bus_read(&bus, port, 1);
}

static void program(u8 icw4)
{
	outb(MASTER, 0x11);
	outb(MASTER + 1, 0x30);
	outb(MASTER + 1, 4);
	outb(MASTER + 1, icw4);
	outb(SLAVE, 0x11);
	outb(SLAVE + 1, 0x38);
	outb(SLAVE + 1, 2);
	outb(SLAVE + 1, icw4);
}

static int setup(void **state __unused)
{
	bus = (struct io_bus){ 0 };
	out = false;
	out_calls = 0;
	pic_init(&pic, on_output, &out);
	if (pic_attach(&pic, &bus))
		return -1;
	program(0x01);
	return 0;
}

static void pulse(unsigned irq)
{
	pic_set_irq(&pic, irq, true);
	pic_set_irq(&pic, irq, false);
}

static void assert_idle(void)
{
	assert_false(pic_pending(&pic));
	assert_false(out);
}

static void assert_acks(int vector)
{
	assert_true(pic_pending(&pic));
	assert_true(out);
	assert_int_equal(pic_ack(&pic), vector);
}

static u8 read_isr(u16 port)
{
	u8 v;

	outb(port, 0x0b);
	v = inb(port);
	outb(port, 0x0a);
	return v;
}

static void test_reset_state(void **state __unused)
{
	pic_init(&pic, on_output, &out);
	assert_int_equal(inb(MASTER + 1), 0xff);
	assert_int_equal(inb(SLAVE + 1), 0xff);
	assert_int_equal(inb(0x4d0), 0);
	assert_int_equal(inb(0x4d1), 0x02); /* SCI */
	pulse(0);
	assert_idle();
	outb(MASTER + 1, 0xfe); /* usable without initialization, as firmware leaves it */
	assert_acks(0x08);
}

static void test_masks_read_back(void **state __unused)
{
	assert_int_equal(inb(MASTER + 1), 0); /* ICW1 cleared it */
	outb(MASTER + 1, 0xfb);
	assert_int_equal(inb(MASTER + 1), 0xfb);
	outb(SLAVE + 1, 0x5a);
	assert_int_equal(inb(SLAVE + 1), 0x5a);
	/* One 16-bit write: the odd port gets the second byte. */
	io_bus_write(&bus, MASTER, 2, 0x770a);
	assert_int_equal(inb(MASTER + 1), 0x77);
	assert_int_equal(io_bus_read(&bus, MASTER, 2), 0x7700);
}

static void test_edge(void **state __unused)
{
	assert_idle();
	pic_set_irq(&pic, 4, true);
	assert_acks(0x34);
	assert_idle();
	assert_int_equal(read_isr(MASTER), 0x10);
	outb(MASTER, EOI);
	assert_int_equal(read_isr(MASTER), 0);
	assert_idle(); /* still high, but that is no edge */
	pic_set_irq(&pic, 4, true);
	assert_idle();
	pic_set_irq(&pic, 4, false);
	pic_set_irq(&pic, 4, true);
	assert_acks(0x34);
	outb(MASTER, EOI);
	/* An edge is kept although the line falls before it is taken. */
	pulse(4);
	pulse(4);
	assert_int_equal(inb(MASTER), 0x10);
	assert_acks(0x34);
	outb(MASTER, EOI);
	assert_idle();
}

static void test_mask_holds_back(void **state __unused)
{
	outb(MASTER + 1, 0x10);
	pulse(4);
	assert_idle();
	assert_int_equal(inb(MASTER), 0x10);
	outb(MASTER + 1, 0);
	assert_acks(0x34);
}

static void test_priorities(void **state __unused)
{
	pulse(5);
	pulse(3);
	pulse(6);
	assert_acks(0x33);
	assert_idle(); /* 5 and 6 are lower */
	pulse(1);
	assert_acks(0x31); /* nests */
	assert_int_equal(read_isr(MASTER), 0x0a);
	outb(MASTER, EOI); /* ends 1 */
	assert_int_equal(read_isr(MASTER), 0x08);
	assert_idle();
	outb(MASTER, 0x60 | 3); /* specific */
	assert_acks(0x35);
	outb(MASTER, EOI);
	assert_acks(0x36);
	outb(MASTER, EOI);
	outb(MASTER, EOI); /* nothing in service: no harm */
	assert_idle();
}

static void test_cascade(void **state __unused)
{
	pulse(10);
	pulse(8);
	assert_int_equal(inb(MASTER), 0x04);
	assert_acks(0x38);
	assert_int_equal(read_isr(MASTER), 0x04);
	assert_int_equal(read_isr(SLAVE), 0x01);
	pulse(3); /* below the cascade */
	assert_idle();
	outb(SLAVE, EOI);
	assert_idle(); /* 10 waits for the master's EOI */
	outb(MASTER, EOI);
	assert_acks(0x3a);
	pulse(0);
	assert_acks(0x30); /* above it */
	outb(MASTER, EOI);
	outb(SLAVE, EOI);
	outb(MASTER, EOI);
	assert_acks(0x33);
	outb(MASTER, EOI);
	assert_idle();
	pic_set_irq(&pic, 2, true); /* no one can drive the cascade */
	pic_set_irq(&pic, 16, true);
	pic_set_irq(&pic, ~0u, true);
	assert_idle();
}

static void test_level(void **state __unused)
{
	outb(0x4d1, 0xff);
	assert_int_equal(inb(0x4d1), 0xde); /* RTC and FPU stay edge */
	outb(0x4d0, 0xff);
	assert_int_equal(inb(0x4d0), 0xf8);
	pic_set_irq(&pic, 9, true);
	assert_acks(0x39);
	assert_idle();
	outb(SLAVE, EOI);
	outb(MASTER, EOI);
	assert_acks(0x39); /* still asserted */
	pic_set_irq(&pic, 9, false);
	outb(SLAVE, EOI);
	outb(MASTER, EOI);
	assert_idle();
	/* Asserted, then withdrawn before the processor takes it. */
	pic_set_irq(&pic, 9, true);
	assert_true(out);
	pic_set_irq(&pic, 9, false);
	assert_idle();
	/* Becoming level finds a line that is up; becoming edge forgets it. */
	outb(0x4d1, 0);
	pic_set_irq(&pic, 11, true);
	assert_acks(0x3b);
	outb(SLAVE, EOI);
	outb(MASTER, EOI);
	assert_idle();
	outb(0x4d1, 0x08);
	assert_true(out);
	outb(0x4d1, 0);
	assert_idle();
}

static void test_spurious(void **state __unused)
{
	assert_int_equal(pic_ack(&pic), 0x37);
	assert_int_equal(read_isr(MASTER), 0);

	/* The slave's request goes between the two INTA cycles' worth of attention. */
	outb(0x4d1, 0x08);
	pic_set_irq(&pic, 11, true);
	pic_set_irq(&pic, 11, false);
	assert_int_equal(pic_ack(&pic), 0x37);
	assert_idle();
	outb(MASTER + 1, 0x80); /* masked only after it had raised the pin */
	pulse(7);
	assert_int_equal(pic_ack(&pic), 0x37);
	assert_int_equal(read_isr(MASTER), 0);
	outb(MASTER + 1, 0);
	assert_acks(0x37);
	assert_int_equal(read_isr(MASTER),
			 0x80); /* a real one has its bit: that tells them apart */
}

static void test_spurious_slave(void **state __unused)
{
	pulse(12);
	pic.chip[1].imr = 0xff; /* the slave loses it with the master's INTA under way */
	assert_int_equal(pic_ack(&pic), 0x3f);
	assert_int_equal(read_isr(SLAVE), 0);
	assert_int_equal(read_isr(MASTER), 0x04); /* the master did accept: it needs its EOI */
	outb(MASTER, EOI);
	assert_idle();
}

static void test_auto_eoi(void **state __unused)
{
	program(0x03);
	pulse(3);
	pulse(4);
	assert_acks(0x33);
	assert_int_equal(read_isr(MASTER), 0);
	assert_acks(0x34);
	assert_idle();
	/* Rotating with it: 4 has become the lowest. */
	outb(MASTER, 0x80);
	pulse(4);
	assert_acks(0x34);
	pulse(4);
	pulse(5);
	pulse(3);
	assert_acks(0x35); /* now 5 is the lowest */
	assert_acks(0x33);
	assert_acks(0x34);
	outb(MASTER, 0x00);
	pulse(5);
	pulse(4);
	assert_acks(0x35); /* set by the last rotation (4 lowest), no longer moved */
	pulse(5);
	assert_acks(0x35);
	assert_acks(0x34);
}

static void test_rotation(void **state __unused)
{
	outb(MASTER, 0xc0 | 3); /* 3 lowest: 4 is highest */
	pulse(0);
	pulse(4);
	assert_acks(0x34);
	outb(MASTER, 0xa0); /* EOI and rotate: 4 lowest */
	pulse(4);
	assert_acks(0x30);
	outb(MASTER, 0xe0); /* specific EOI of 0 and rotate: 0 lowest */
	pulse(0);
	assert_acks(0x34);
	outb(MASTER, EOI);
	assert_acks(0x30);
	outb(MASTER, EOI);
	/* No operation; and ICW1 makes 7 the lowest again. */
	outb(MASTER, 0x40);
	program(0x01);
	pulse(7);
	pulse(0);
	assert_acks(0x30);
}

static void test_special_mask(void **state __unused)
{
	pulse(1);
	assert_acks(0x31);
	pulse(5);
	assert_idle();
	outb(MASTER, 0x68);
	assert_idle(); /* 1 is in service and not masked */
	outb(MASTER + 1, 0x02);
	assert_acks(0x35); /* 1 is masked: all others may come */
	outb(MASTER, EOI); /* ends 5, passes by 1 */
	assert_int_equal(read_isr(MASTER), 0x02);
	outb(MASTER, EOI);
	assert_int_equal(read_isr(MASTER), 0x02);
	outb(MASTER, 0x48); /* mode off: 1 is in the way again */
	pulse(6);
	assert_idle();
	outb(MASTER, 0x61);
	assert_acks(0x36);
}

static void test_special_fully_nested(void **state __unused)
{
	program(0x01);
	pulse(12);
	assert_acks(0x3c);
	pulse(8);
	assert_idle();
	outb(SLAVE, EOI);
	outb(MASTER, EOI);
	assert_acks(0x38);
	outb(SLAVE, EOI);
	outb(MASTER, EOI);

	program(0x11);
	pulse(12);
	assert_acks(0x3c);
	pulse(8); /* higher on the slave: comes through */
	pulse(4);
	assert_acks(0x38);
	assert_idle(); /* the cascade still holds back those below it */
	outb(SLAVE, EOI);
	outb(SLAVE, EOI);
	outb(MASTER, EOI);
	assert_acks(0x34);
}

static void test_poll(void **state __unused)
{
	outb(MASTER, 0x0c);
	assert_int_equal(inb(MASTER) & 0x80, 0);
	pulse(4);
	outb(MASTER, 0x0c);
	assert_int_equal(inb(MASTER), 0x84);
	assert_idle();
	assert_int_equal(read_isr(MASTER), 0x10); /* it was an acknowledgement */
	assert_int_equal(inb(MASTER), 0);	  /* one read only */
	outb(MASTER, EOI);
	pulse(11);
	outb(MASTER, 0x0c);
	assert_int_equal(inb(MASTER + 1), 0x82); /* either port */
	outb(SLAVE, 0x0c);
	assert_int_equal(inb(SLAVE), 0x83);
}

static void test_init_sequence(void **state __unused)
{
	pulse(4);
	assert_true(out);
	outb(MASTER, 0x11);
	assert_idle(); /* edges are forgotten */
	pulse(5);
	assert_idle(); /* not before it is ready */
	outb(MASTER + 1, 0x47);
	outb(MASTER + 1, 4);
	assert_idle();
	outb(MASTER + 1, 1);
	assert_acks(0x45); /* low three bits of ICW2 are not used */
	/* Without ICW4: three words, and no automatic EOI. */
	outb(MASTER, 0x10);
	outb(MASTER + 1, 0x50);
	outb(MASTER + 1, 4);
	outb(MASTER + 1, 0x01); /* already the mask */
	assert_int_equal(inb(MASTER + 1), 0x01);
	pulse(1);
	assert_acks(0x51);
	/* Single: no ICW3. */
	outb(MASTER, 0x13);
	outb(MASTER + 1, 0x60);
	outb(MASTER + 1, 1);
	outb(MASTER + 1, 0x33);
	assert_int_equal(inb(MASTER + 1), 0x33);
	/* A level line that is up asks again after ICW1. */
	outb(0x4d0, 0x20);
	pic_set_irq(&pic, 5, true);
	program(0x01);
	assert_acks(0x35);
}

static void test_reset_keeps_lines(void **state __unused)
{
	pic_set_irq(&pic, 9, true); /* level after reset */
	pic_reset(&pic);
	assert_idle();
	outb(MASTER + 1, 0);
	outb(SLAVE + 1, 0);
	assert_acks(0x71);
}

/* --- what waits --- */

enum waits_step { EDGE, UP, DOWN, MASK, ACK, END, AGAIN };

static int waits_do(enum waits_step step, u8 arg)
{
	switch (step) {
	case EDGE:
		pulse(arg);
		break;
	case UP:
	case DOWN:
		pic_set_irq(&pic, arg, step == UP);
		break;
	case MASK:
		outb(MASTER + 1, arg);
		break;
	case ACK:
		return pic_ack(&pic) - 0x30 == arg;
	case END:
		outb(MASTER, EOI);
		break;
	case AGAIN:
		program(0x01);
		break;
	}
	return true;
}

/* One after the other: what is done, and the set of inputs of which pic_waits() is true then. */
static const struct {
	enum waits_step step;
	u8 arg, waits;
} waits_table[] = {
	{ MASK, 0x00, 0x00 }, { EDGE, 0, 0x01 }, /* kept, though the line has fallen */
	{ EDGE, 0, 0x01 },    { ACK, 0, 0x00 },
	{ EDGE, 0, 0x01 }, /* behind the one that is in service */
	{ EDGE, 7, 0x81 },    { END, 0, 0x81 },
	{ ACK, 0, 0x80 },     { END, 0, 0x80 },
	{ MASK, 0x80, 0x00 }, /* not while it is masked, and still there */
	{ EDGE, 1, 0x02 },    { MASK, 0x82, 0x00 },
	{ MASK, 0x00, 0x82 }, { ACK, 1, 0x80 },
	{ END, 0, 0x80 },     { UP, 6, 0xc0 },
	{ ACK, 6, 0x80 }, /* the line is up, but that was one edge */
	{ END, 0, 0x80 },     { UP, 6, 0x80 },
	{ DOWN, 6, 0x80 },    { UP, 5, 0xa0 }, /* level: as long as the line is up */
	{ ACK, 5, 0xa0 },     { END, 0, 0xa0 },
	{ DOWN, 5, 0x80 },    { UP, 16, 0x80 }, /* there is no such input */
	{ AGAIN, 0, 0x00 },
};

static void test_waits(void **state __unused)
{
	outb(0x4d0, 0x20);
	for (unsigned i = 0; i < ARRAY_SIZE(waits_table); i++) {
		assert_true(waits_do(waits_table[i].step, waits_table[i].arg));
		for (unsigned irq = 0; irq < 8; irq++) {
			if (pic_waits(&pic, irq) != !!(waits_table[i].waits & BIT(irq)))
				fail_msg("step %u: input %u", i, irq);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset_state, setup),
		cmocka_unit_test_setup(test_masks_read_back, setup),
		cmocka_unit_test_setup(test_edge, setup),
		cmocka_unit_test_setup(test_mask_holds_back, setup),
		cmocka_unit_test_setup(test_priorities, setup),
		cmocka_unit_test_setup(test_cascade, setup),
		cmocka_unit_test_setup(test_level, setup),
		cmocka_unit_test_setup(test_spurious, setup),
		cmocka_unit_test_setup(test_spurious_slave, setup),
		cmocka_unit_test_setup(test_auto_eoi, setup),
		cmocka_unit_test_setup(test_rotation, setup),
		cmocka_unit_test_setup(test_special_mask, setup),
		cmocka_unit_test_setup(test_special_fully_nested, setup),
		cmocka_unit_test_setup(test_poll, setup),
		cmocka_unit_test_setup(test_init_sequence, setup),
		cmocka_unit_test_setup(test_reset_keeps_lines, setup),
		cmocka_unit_test_setup(test_waits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
