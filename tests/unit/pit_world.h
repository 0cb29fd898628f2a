/* An 8254 with port 0x61 beside it, on a bus; included by one file of a program. */
#ifndef NEAP_TESTS_PIT_WORLD_H
#define NEAP_TESTS_PIT_WORLD_H

#include "core/time.h"
#include "hv/dev/port61.h"
#include "shim.h"

static struct pit pit;
static struct port61 port61;
static struct io_bus bus;
static bool line;
static unsigned edges;

static inline void on_irq(void *ctx __unused, unsigned gsi, bool level)
{
	assert_int_equal(gsi, 0);
	if (level && !line)
		edges++;
	line = level;
}

static inline void outb(u16 port, u8 v)
{
	io_bus_write(&bus, port, 1, v);
}

static inline u8 inb(u16 port)
{
	return (u8)io_bus_read(&bus, port, 1);
}

/* The tick at which a clock of the PIT is reached, counted from the PIT's origin. */
static inline u64 tick(u64 clock)
{
	return pit.origin + (clock * SHIM_HZ + PIT_HZ - 1) / PIT_HZ;
}

static inline u64 clock_now(void)
{
	return (time_now() - pit.origin) * PIT_HZ / SHIM_HZ;
}

static inline void run_to(u64 clock)
{
	shim_run_until(tick(clock));
}

static inline void program(unsigned ch, u8 control, u16 count)
{
	outb(0x43, (u8)(ch << 6) | control);
	outb(0x40 + ch, (u8)count);
	outb(0x40 + ch, count >> 8);
}

static inline u16 latched(unsigned ch)
{
	u16 v;

	outb(0x43, (u8)(ch << 6));
	v = inb(0x40 + ch);
	return v | (u16)(inb(0x40 + ch) << 8);
}

static inline u8 status(unsigned ch)
{
	outb(0x43, 0xe0 | 2 << ch);
	return inb(0x40 + ch);
}

static inline int setup(void **state __unused)
{
	bus = (struct io_bus){ 0 };
	line = true; /* OUT of counter 0 begins high */
	shim_set_time(5 * SHIM_HZ + 12345);
	pit_init(&pit, (struct irq_line){ .set = on_irq });
	port61_init(&port61, &pit);
	edges = 0;
	return pit_attach(&pit, &bus) || port61_attach(&port61, &bus) ? -1 : 0;
}

static inline int teardown(void **state __unused)
{
	pit_fini(&pit);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
