/*
 * An I/O APIC whose pins all CPUs assert, edge- and level-triggered, while its entries are masked
 * and unmasked and the local APICs end what they have served.
 */
#include "rig.h"

#include "core/spinlock.h"
#include "hv/dev/ioapic.h"
#include "mm/heap.h"

#define VECTOR(pin)   ((u8)(0x30 + (pin)))
#define PIN(vector)   ((vector)-0x30u)
#define ENTRY(pin)    (0x10 + 2 * (pin))
#define SELECT	      0x00
#define WINDOW	      0x10
#define ENTRY_LEVEL   BIT(15)
#define ENTRY_MASKED  BIT(16)
#define WAIT_EVERY    16
#define REWRITE_EVERY 8

struct device {
	struct spinlock lock; /* guards the wire */
	u64 risen;
};

static struct ioapic *io;
static struct device *devices;			  /* one at each pin */
static struct spinlock registers = SPINLOCK_INIT; /* guards the register that is selected */

static bool is_level(unsigned pin)
{
	return pin % 2;
}

static struct rig *target(unsigned pin)
{
	return &rigs[pin % cpu_count()];
}

static void write_reg(u32 reg, u32 value)
{
	ioapic_io_ops.write(io, SELECT, 4, reg);
	ioapic_io_ops.write(io, WINDOW, 4, value);
}

static u32 low_half(unsigned pin)
{
	return VECTOR(pin) | (is_level(pin) ? (u32)ENTRY_LEVEL : 0);
}

/* A served level-triggered device is content, and lets go of its wire. */
static void serve(struct rig *r, u8 vector)
{
	unsigned pin = PIN(vector);

	if (!is_level(pin))
		return;
	spin_lock(&devices[pin].lock);
	/* Again, now that none can be added: all of it is served. */
	WRITE_ONCE(r->seen[vector], READ_ONCE(r->raised[vector]));
	ioapic_set_irq(io, pin, false);
	spin_unlock(&devices[pin].lock);
}

static void eoi(struct rig *r, u8 vector)
{
	TORTURE_CHECK(is_level(PIN(vector)), "EOI of vector 0x%x of CPU %u", vector, r->cpu);
	ioapic_eoi(io, vector);
}

static void begin(void)
{
	rig_begin(&(struct rig_hooks){ serve, eoi });
	io = torture_alloc(sizeof(*io));
	devices = torture_alloc(IOAPIC_PINS * sizeof(*devices));
	ioapic_init(io, &rig_bus);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		write_reg(ENTRY(pin) + 1, target(pin)->cpu << 24);
		write_reg(ENTRY(pin), low_half(pin));
	}
}

static void rise(unsigned pin)
{
	struct device *d = &devices[pin];

	spin_lock(&d->lock);
	rig_count(target(pin), VECTOR(pin));
	ioapic_set_irq(io, pin, true);
	if (!is_level(pin))
		ioapic_set_irq(io, pin, false);
	spin_unlock(&d->lock);
}

/* A level that rose while its pin was masked is seen on unmasking. An edge would be lost. */
static void rewrite(unsigned pin)
{
	spin_lock(&registers);
	write_reg(ENTRY(pin), low_half(pin) | (u32)ENTRY_MASKED);
	write_reg(ENTRY(pin), low_half(pin));
	spin_unlock(&registers);
}

static void work(struct torture_worker *w)
{
	rig_start(w);
	while (torture_going(w)) {
		unsigned pin = torture_random(w, IOAPIC_PINS);

		rise(pin);
		if (w->operations % REWRITE_EVERY == 0 && is_level(pin))
			rewrite(pin);
		if (w->operations % WAIT_EVERY == 0)
			rig_wait(target(pin), VECTOR(pin));
	}
	rig_stop(w);
}

static void end(void)
{
	TORTURE_CHECK(!io->lines, "wires stay asserted: 0x%x", io->lines);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		TORTURE_CHECK((u32)io->entry[pin] == low_half(pin), "pin %u: entry 0x%lx", pin,
			      io->entry[pin]);
	rig_end();
	heap_free(io);
	heap_free(devices);
}

const struct torture_part part_ioapic = { "ioapic", begin, work, end };
