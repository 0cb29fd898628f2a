/*
 * Interrupt controllers: threads raise vectors at a local APIC and lines at an I/O APIC, while each
 * thread owns a local APIC and accepts what comes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "hv/dev/apic_bus.h"
#include "hv/dev/ioapic.h"
#include "hv/dev/lapic.h"
#include "shim.h"
#include "tsan.h"

#define VECTOR	    0x40
#define VECTORS	    16
#define PIN_VECTOR  0x80
#define ENTRY(pin)  (0x10 + 2 * (pin))
#define ENTRY_LEVEL BIT(15)
#define BUDGET	    100000 /* tries until what was raised must have come */
#define SVR_VALUE   (LAPIC_SVR_ENABLE | 0xff)

static struct owned {
	struct lapic lapic;
	u32 pending; /* atomic: notified */
	u64 raised[256], seen[256];
	u32 page[PAGE_SIZE / sizeof(u32)] __aligned(4096);
} owned[TSAN_THREADS];

static struct apic_bus bus;
static struct ioapic io;
static u32 over; /* atomic: threads that raise no more */

static void notify(void *ctx)
{
	struct owned *o = ctx;

	atomic_xchg(&o->pending, 1);
}

static void never(void *ctx)
{
	(void)ctx;
	abort();
}

static void never_sipi(void *ctx, u8 vector)
{
	(void)ctx;
	(void)vector;
	abort();
}

static bool no_extint(void *ctx)
{
	(void)ctx;
	return false;
}

static u8 no_ack(void *ctx)
{
	(void)ctx;
	abort();
}

static void level_eoi(void *ctx, u8 vector)
{
	(void)ctx;
	ioapic_eoi(&io, vector);
}

static const struct lapic_ops ops = {
	.notify = notify,
	.nmi = never,
	.init = never,
	.sipi = never_sipi,
	.extint_pending = no_extint,
	.extint_ack = no_ack,
	.eoi = level_eoi,
};

static struct lapic *by_id(void *ctx, u32 id)
{
	(void)ctx;
	return id < TSAN_THREADS ? &owned[id].lapic : NULL;
}

static struct lapic *next(void *ctx, u32 *cursor)
{
	(void)ctx;
	return *cursor < TSAN_THREADS ? &owned[(*cursor)++].lapic : NULL;
}

static const struct apic_bus_ops bus_ops = { by_id, next };

static bool is_level(unsigned pin)
{
	return pin % 2;
}

static void write_reg(u32 reg, u32 value)
{
	ioapic_io_ops.write(&io, 0x00, 4, reg);
	ioapic_io_ops.write(&io, 0x10, 4, value);
}

static void serve(struct owned *o)
{
	int vector;

	if (!atomic_xchg(&o->pending, 0))
		return;
	while ((vector = lapic_pending_vector(&o->lapic)) >= 0) {
		TSAN_CHECK(lapic_accept(&o->lapic, vector) == vector);
		o->seen[vector] = READ_ONCE(o->raised[vector]);
		if (vector >= PIN_VECTOR && is_level((unsigned)vector - PIN_VECTOR))
			ioapic_set_irq(&io, (unsigned)vector - PIN_VECTOR, false);
		lapic_eoi(&o->lapic);
	}
}

static void raise_something(struct tsan_thread *t)
{
	struct owned *o = &owned[tsan_random(t, TSAN_THREADS)];
	unsigned pin = tsan_random(t, IOAPIC_PINS);
	u8 vector = (u8)(VECTOR + tsan_random(t, VECTORS));

	if (tsan_random(t, 2)) {
		atomic_fetch_add(&o->raised[vector], 1);
		TSAN_CHECK(lapic_deliver(&o->lapic, vector, false));
		return;
	}
	o = &owned[pin % TSAN_THREADS];
	atomic_fetch_add(&o->raised[PIN_VECTOR + pin], 1);
	ioapic_set_irq(&io, pin, true);
	if (!is_level(pin))
		ioapic_set_irq(&io, pin, false);
}

/* An edge may find the line up already; a level may be lowered for an earlier rise: only vectors
 * that were raised directly are all known to be seen. */
static bool all_seen(const struct owned *o)
{
	for (unsigned v = VECTOR; v < VECTOR + VECTORS; v++) {
		if (o->seen[v] != READ_ONCE(o->raised[v]))
			return false;
	}
	return true;
}

static void *use(void *arg)
{
	struct tsan_thread *t = arg;
	struct owned *mine = &owned[t->id];

	while (tsan_going(t)) {
		raise_something(t);
		serve(mine);
	}
	atomic_fetch_add(&over, 1);
	while (load_acquire(&over) < TSAN_THREADS)
		serve(mine);
	for (unsigned i = 0; i < BUDGET && !all_seen(mine); i++)
		serve(mine);
	TSAN_CHECK(all_seen(mine));
	return NULL;
}

static void test_interrupts(void **unused)
{
	(void)unused;
	apic_bus_init(&bus, &bus_ops, NULL);
	for (u32 i = 0; i < TSAN_THREADS; i++) {
		const struct lapic_config c = { .apic_id = i,
						.has_x2apic = true,
						.phys_bits = 40,
						.bus = &bus,
						.ops = &ops,
						.ctx = &owned[i] };

		lapic_init(&owned[i].lapic, owned[i].page, &c);
		lapic_mmio_write(&owned[i].lapic, LAPIC_SVR * 16, 4, SVR_VALUE);
	}
	ioapic_init(&io, &bus);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		write_reg(ENTRY(pin) + 1, pin % TSAN_THREADS << 24);
		write_reg(ENTRY(pin), PIN_VECTOR + pin + (is_level(pin) ? (u32)ENTRY_LEVEL : 0));
	}
	assert_true(tsan_run(use) > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_interrupts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
