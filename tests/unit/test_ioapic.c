/* The I/O APIC: registers, edges, levels and their EOI. */
#include "apic_fake.h"

#include <pthread.h>
#include <sched.h>

#include "hv/dev/ioapic.h"

#define N 4

static struct fake_vm *vm;
static struct ioapic io;

static void connect_eoi(void *ctx, u8 vector)
{
	fake_eoi(ctx, vector);
	ioapic_eoi(&io, vector);
}

static struct lapic_ops ops;

static int set_up(void **state)
{
	(void)state;
	shim_set_time(0);
	vm = fake_vm_new(N);
	ops = fake_lapic_ops;
	ops.eoi = connect_eoi;
	for (unsigned i = 0; i < N; i++) {
		vm->cpu[i]->l.config.ops = &ops;
		fake_enable(&vm->cpu[i]->l);
	}
	ioapic_init(&io, &vm->bus);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_vm_free(vm);
	return 0;
}

static struct lapic *lapic(unsigned i)
{
	return &vm->cpu[i]->l;
}

static u32 get(unsigned reg)
{
	ioapic_io_ops.write(&io, 0, 4, reg);
	return (u32)ioapic_io_ops.read(&io, 0x10, 4);
}

static void set(unsigned reg, u32 value)
{
	ioapic_io_ops.write(&io, 0, 4, reg);
	ioapic_io_ops.write(&io, 0x10, 4, value);
}

static void set_entry(unsigned pin, u32 low, u8 dest)
{
	set(0x11 + pin * 2, (u32)dest << 24);
	set(0x10 + pin * 2, low);
}

#define LEVEL  0x8000u
#define RIRR   0x4000u
#define MASKED 0x10000u

static void test_registers(void **state)
{
	(void)state;
	assert_int_equal(get(0), 0);
	assert_int_equal(get(1), 0x00170020);
	set(0, 0xffffffff);
	assert_int_equal(get(0), 0x0f000000);
	assert_int_equal(get(2), 0x0f000000);
	set(1, 0);
	set(2, 0);
	assert_int_equal(get(1), 0x00170020);
	assert_int_equal(get(2), 0x0f000000);
	for (unsigned pin = 0; pin < 24; pin++) {
		assert_int_equal(get(0x10 + pin * 2), MASKED);
		assert_int_equal(get(0x11 + pin * 2), 0);
		set(0x10 + pin * 2, 0xffffffff & ~(pin & 1 ? 0u : LEVEL));
		set(0x11 + pin * 2, 0xffffffff);
		assert_int_equal(get(0x10 + pin * 2), pin & 1 ? 0x1afff : 0x12fff);
		assert_int_equal(get(0x11 + pin * 2), 0xff000000);
	}
	for (unsigned reg = 3; reg < 0x100; reg++) {
		if (reg >= 0x10 && reg < 0x40)
			continue;
		set(reg, 0xffffffff);
		assert_int_equal(get(reg), 0);
	}
	ioapic_reset(&io);
	for (unsigned reg = 0x10; reg < 0x40; reg++)
		assert_int_equal(get(reg), reg & 1 ? 0 : MASKED);
	assert_int_equal(get(0), 0);
}

static void test_access(void **state)
{
	(void)state;
	ioapic_io_ops.write(&io, 0, 1, 0x3f);
	assert_int_equal(ioapic_io_ops.read(&io, 0, 4), 0x3f);
	assert_int_equal(ioapic_io_ops.read(&io, 0, 1), 0x3f);
	ioapic_io_ops.write(&io, 0, 4, 0xffffff01);
	assert_int_equal(ioapic_io_ops.read(&io, 0, 4), 1);
	assert_int_equal(ioapic_io_ops.read(&io, 0x10, 8), 0x170020);
	assert_int_equal(ioapic_io_ops.read(&io, 0x12, 2), 0x17);
	assert_int_equal(ioapic_io_ops.read(&io, 0x12, 1), 0x17);
	assert_int_equal(ioapic_io_ops.read(&io, 0x20, 4), 0);
	assert_int_equal(ioapic_io_ops.read(&io, 0x40, 4), 0);
	assert_int_equal(ioapic_io_ops.read(&io, 0xffc, 4), 0);
	/* The window takes words at its own address only. */
	ioapic_io_ops.write(&io, 0, 4, 0x10);
	ioapic_io_ops.write(&io, 0x10, 1, 0x55);
	ioapic_io_ops.write(&io, 0x10, 2, 0x5555);
	assert_int_equal(get(0x10), MASKED);
	ioapic_io_ops.write(&io, 0, 4, 0);
	ioapic_io_ops.write(&io, 0x10, 1, 0xff);
	ioapic_io_ops.write(&io, 0x10, 2, 0xffff);
	ioapic_io_ops.write(&io, 0x12, 4, 0xffffffff);
	ioapic_io_ops.write(&io, 0x20, 4, 0xffffffff);
	assert_int_equal(get(0), 0);
	ioapic_io_ops.write(&io, 0x10, 4, 0x05000000);
	assert_int_equal(get(0), 0x05000000);
}

static void test_edge(void **state)
{
	(void)state;
	set_entry(4, 0x34, 1);
	ioapic_set_irq(&io, 4, true);
	assert_int_equal(fake_serve(lapic(1)), 0x34);
	ioapic_set_irq(&io, 4, true); /* no new edge */
	assert_int_equal(fake_serve(lapic(1)), -1);
	ioapic_set_irq(&io, 4, false);
	ioapic_set_irq(&io, 4, true);
	/* A second edge before the first was taken is one with it... */
	ioapic_set_irq(&io, 4, false);
	ioapic_set_irq(&io, 4, true);
	assert_int_equal(fake_take(lapic(1)), 0x34);
	/* ... one while it is in service is another. */
	ioapic_set_irq(&io, 4, false);
	ioapic_set_irq(&io, 4, true);
	lapic_eoi(lapic(1));
	assert_int_equal(fake_serve(lapic(1)), 0x34);
	assert_int_equal(fake_serve(lapic(1)), -1);
	assert_int_equal(vm->cpu[1]->eois, 0);
	assert_int_equal(get(0x18), 0x34);
	/* At a masked pin an edge is lost, and unmasking makes none. */
	ioapic_set_irq(&io, 4, false);
	set_entry(4, MASKED | 0x34, 1);
	ioapic_set_irq(&io, 4, true);
	set_entry(4, 0x34, 1);
	assert_int_equal(fake_serve(lapic(1)), -1);
	/* Pins that are not there. */
	ioapic_set_irq(&io, 24, true);
	ioapic_set_irq(&io, 0xffffffff, true);
}

static void test_last_pin(void **state)
{
	(void)state;
	set_entry(23, 0xfe, 3);
	ioapic_set_irq(&io, 23, true);
	assert_int_equal(fake_serve(lapic(3)), 0xfe);
	set_entry(0, 0x10, 3);
	ioapic_set_irq(&io, 0, true);
	assert_int_equal(fake_serve(lapic(3)), 0x10);
}

static void test_level(void **state)
{
	(void)state;
	set_entry(10, LEVEL | 0x5a, 2);
	ioapic_set_irq(&io, 10, true);
	assert_int_equal(get(0x24), LEVEL | RIRR | 0x5a);
	ioapic_set_irq(&io, 10, true);
	ioapic_set_irq(&io, 10, false);
	ioapic_set_irq(&io, 10, true); /* nothing new before the EOI */
	assert_int_equal(fake_take(lapic(2)), 0x5a);
	assert_int_equal(lapic_pending_vector(lapic(2)), -1);
	lapic_eoi(lapic(2)); /* still asserted: again */
	assert_int_equal(vm->cpu[2]->eois, 1);
	assert_int_equal(get(0x24), LEVEL | RIRR | 0x5a);
	assert_int_equal(fake_take(lapic(2)), 0x5a);
	ioapic_set_irq(&io, 10, false);
	assert_int_equal(get(0x24), LEVEL | RIRR | 0x5a);
	lapic_eoi(lapic(2));
	assert_int_equal(get(0x24), LEVEL | 0x5a);
	assert_int_equal(fake_take(lapic(2)), -1);
	assert_int_equal(vm->cpu[2]->eois, 2);
	/* An EOI of another vector does not concern it. */
	ioapic_set_irq(&io, 10, true);
	ioapic_eoi(&io, 0x5b);
	assert_int_equal(get(0x24), LEVEL | RIRR | 0x5a);
}

static void test_level_mask(void **state)
{
	(void)state;
	ioapic_set_irq(&io, 10, true);
	set_entry(10, MASKED | LEVEL | 0x5a, 2);
	assert_int_equal(fake_take(lapic(2)), -1);
	set_entry(10, LEVEL | 0x5a, 2); /* unmasking looks at the wire */
	assert_int_equal(fake_take(lapic(2)), 0x5a);
	set_entry(10, MASKED | LEVEL | 0x5a, 2); /* masked in service, as handlers do */
	assert_int_equal(get(0x24), MASKED | LEVEL | RIRR | 0x5a);
	lapic_eoi(lapic(2));
	assert_int_equal(get(0x24), MASKED | LEVEL | 0x5a);
	assert_int_equal(fake_take(lapic(2)), -1);
	set_entry(10, LEVEL | 0x5a, 2);
	assert_int_equal(fake_take(lapic(2)), 0x5a);
	/* Unmasked before the EOI: not yet. */
	set_entry(10, MASKED | LEVEL | 0x5a, 2);
	set_entry(10, LEVEL | 0x5a, 2);
	assert_int_equal(lapic_pending_vector(lapic(2)), -1);
	lapic_eoi(lapic(2));
	assert_int_equal(fake_take(lapic(2)), 0x5a);
	/* The guest cannot write remote IRR and delivery status. */
	ioapic_set_irq(&io, 10, false);
	set_entry(10, LEVEL | 0x5a, 2);
	assert_int_equal(get(0x24), LEVEL | RIRR | 0x5a);
	lapic_eoi(lapic(2));
	set_entry(10, LEVEL | RIRR | 0x1000 | 0x5a, 2);
	assert_int_equal(get(0x24), LEVEL | 0x5a);
	/* A wire that drops while masked leaves nothing. */
	set_entry(10, MASKED | LEVEL | 0x5a, 2);
	ioapic_set_irq(&io, 10, true);
	ioapic_set_irq(&io, 10, false);
	set_entry(10, LEVEL | 0x5a, 2);
	assert_int_equal(fake_take(lapic(2)), -1);
}

static void test_trigger_change(void **state)
{
	(void)state;
	set_entry(9, LEVEL | 0x49, 0);
	ioapic_set_irq(&io, 9, true);
	assert_int_equal(fake_take(lapic(0)), 0x49);
	/* To edge and back: how remote IRR is cleared without an EOI register. */
	set_entry(9, MASKED | 0x49, 0);
	assert_int_equal(get(0x22), MASKED | 0x49);
	set_entry(9, MASKED | LEVEL | 0x49, 0);
	assert_int_equal(get(0x22), MASKED | LEVEL | 0x49);
	lapic_eoi(lapic(0));
	set_entry(9, LEVEL | 0x49, 0);
	assert_int_equal(fake_take(lapic(0)), 0x49);
}

static void test_shared_vector(void **state)
{
	(void)state;
	for (unsigned pin = 0; pin < 24; pin++) {
		set_entry(pin, LEVEL | 0x66, (u8)(pin % N));
		ioapic_set_irq(&io, pin, true);
	}
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(fake_take(lapic(i)), 0x66);
	ioapic_set_irq(&io, 5, false);
	ioapic_eoi(&io, 0x66);
	for (unsigned pin = 0; pin < 24; pin++)
		assert_int_equal(get(0x10 + pin * 2), LEVEL | 0x66 | (pin == 5 ? 0 : RIRR));
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(lapic_highest_irr(lapic(i)), -1);
	for (unsigned i = 0; i < N; i++) {
		lapic_sync_pir(lapic(i));
		assert_int_equal(lapic_highest_irr(lapic(i)), 0x66);
	}
}

static void test_eoi_register(void **state)
{
	(void)state;
	set_entry(9, LEVEL | 0x49, 0);
	ioapic_set_irq(&io, 9, true);
	assert_int_equal(fake_take(lapic(0)), 0x49);
	ioapic_set_irq(&io, 9, false);
	ioapic_io_ops.write(&io, 0x40, 4, 0x48);
	assert_int_equal(get(0x22), LEVEL | RIRR | 0x49);
	ioapic_io_ops.write(&io, 0x40, 4, 0xffffff49);
	assert_int_equal(get(0x22), LEVEL | 0x49);
}

/* Nobody takes it: no EOI will come, so it must not wait for one. */
static void test_not_accepted(void **state)
{
	(void)state;
	set_entry(9, LEVEL | 0x49, 77);
	ioapic_set_irq(&io, 9, true);
	assert_int_equal(get(0x22), LEVEL | 0x49);
	mmio_set(lapic(1), LAPIC_SVR, 0xff);
	set(0x23, 1u << 24);
	assert_int_equal(get(0x22), LEVEL | 0x49);
	fake_enable(lapic(1));
	set(0x23, 1u << 24); /* any write to the entry looks again */
	assert_int_equal(get(0x22), LEVEL | RIRR | 0x49);
	assert_int_equal(fake_take(lapic(1)), 0x49);
	/* Illegal vectors are not accepted, either. */
	set_entry(8, LEVEL | 0x0f, 1);
	ioapic_set_irq(&io, 8, true);
	assert_int_equal(get(0x20), LEVEL | 0x0f);
}

static void test_delivery_modes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++)
		mmio_set(lapic(i), LAPIC_LDR, 1u << (24 + i));
	set_entry(2, 0x0930, 0x0f); /* logical, lowest priority */
	for (unsigned i = 0; i < 8; i++) {
		ioapic_set_irq(&io, 2, false);
		ioapic_set_irq(&io, 2, true);
		for (unsigned j = 0; j < N; j++)
			assert_int_equal(fake_serve(lapic(j)), j == i % N ? 0x30 : -1);
	}
	set_entry(3, 0x0831, 0x05); /* logical, fixed */
	ioapic_set_irq(&io, 3, true);
	for (unsigned j = 0; j < N; j++)
		assert_int_equal(fake_serve(lapic(j)), j % 2 ? -1 : 0x31);
	set_entry(5, LEVEL | 0x0400, 1); /* NMI, level: an edge all the same */
	ioapic_set_irq(&io, 5, true);
	ioapic_set_irq(&io, 5, true);
	assert_int_equal(vm->cpu[1]->nmis, 1);
	assert_int_equal(get(0x1a), LEVEL | 0x0400);
	set_entry(6, 0x0700, 1); /* ExtINT */
	vm->cpu[1]->extints = 1;
	vm->cpu[1]->extint_vector = 8;
	assert_int_equal(fake_take(lapic(1)), -1);
	ioapic_set_irq(&io, 6, true);
	assert_int_equal(fake_take(lapic(1)), 8);
	set_entry(7, 0x0500, 0xff); /* INIT to everyone */
	ioapic_set_irq(&io, 7, true);
	for (unsigned j = 0; j < N; j++)
		assert_int_equal(vm->cpu[j]->inits, 1);
	set_entry(8, 0x0200, 0); /* SMI */
	ioapic_set_irq(&io, 8, true);
	set_entry(8, 0x0300, 0); /* reserved */
	ioapic_set_irq(&io, 8, false);
	ioapic_set_irq(&io, 8, true);
	/* Low active or high active is the wire's business. */
	set_entry(11, 0x2033, 0);
	ioapic_set_irq(&io, 11, true);
	assert_int_equal(fake_serve(lapic(0)), 0x33);
	/* The entry changed with the wire high: level yes, edge no. */
	set_entry(12, 0x34, 0);
	ioapic_set_irq(&io, 12, true);
	assert_int_equal(fake_serve(lapic(0)), 0x34);
	set_entry(12, LEVEL | 0x34, 0);
	assert_int_equal(fake_serve(lapic(0)), 0x34);
}

/* Devices on two threads share a level pin's vector with the owner's EOIs: nothing gets stuck. */
#define ROUNDS 5000

static u32 asserted[2], running;

static void *device(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		store_release(&asserted[me], 1);
		ioapic_set_irq(&io, 16 + me, true);
		while (load_acquire(&asserted[me]))
			sched_yield();
	}
	atomic_fetch_add(&running, -1u);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread[2];
	unsigned long idle = 0;

	(void)state;
	running = 2;
	for (uintptr_t i = 0; i < 2; i++) {
		set_entry(16 + (unsigned)i, LEVEL | 0x99, 0);
		assert_int_equal(pthread_create(&thread[i], NULL, device, (void *)i), 0);
	}
	while (load_acquire(&running)) {
		if (!atomic_xchg(&vm->cpu[0]->notified, 0)) {
			assert_true(++idle < 20000000);
			sched_yield();
			continue;
		}
		while (fake_take(lapic(0)) == 0x99) {
			/* The handler asks each of the devices that share the vector. */
			for (unsigned i = 0; i < 2; i++) {
				if (load_acquire(&asserted[i])) {
					ioapic_set_irq(&io, 16 + i, false);
					store_release(&asserted[i], 0);
				}
			}
			lapic_eoi(lapic(0));
		}
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(lapic_highest_isr(lapic(0)), -1);
}

/* An entry's low half, and ioapic_edge_vector() of it. */
static const struct {
	u32 low;
	int vector;
} edge_table[] = {
	{ 0x30, 0x30 },
	{ 0x00, 0x00 },
	{ 0xff, 0xff },
	{ 0x130, 0x30 },  /* lowest priority */
	{ 0x230, -1 },	  /* SMI */
	{ 0x330, -1 },	  /* reserved */
	{ 0x430, -1 },	  /* NMI */
	{ 0x530, -1 },	  /* INIT */
	{ 0x630, -1 },	  /* reserved */
	{ 0x730, -1 },	  /* ExtINT */
	{ 0x830, 0x30 },  /* logical */
	{ 0x2031, 0x31 }, /* active low */
	{ LEVEL | 0x30, -1 },
	{ LEVEL | 0x130, -1 },
	{ LEVEL | 0x430, -1 },
	{ MASKED | 0x30, -1 },
	{ MASKED | LEVEL | 0x30, -1 },
};

static void test_edge_vector(void **state)
{
	static const u8 pins[] = { 0, 2, 23 };

	(void)state;
	for (unsigned pin = 0; pin < 24; pin++)
		assert_int_equal(ioapic_edge_vector(&io, pin), -1); /* masked by reset */
	for (unsigned i = 0; i < ARRAY_SIZE(pins) * ARRAY_SIZE(edge_table); i++) {
		unsigned pin = pins[i % ARRAY_SIZE(pins)], row = i / ARRAY_SIZE(pins);

		set_entry(pin, edge_table[row].low, (u8)(row * 17));
		if (ioapic_edge_vector(&io, pin) != edge_table[row].vector)
			fail_msg("pin %u, 0x%x", pin, edge_table[row].low);
	}
	/* Each pin's is its own, and what its wire does is nothing to it. */
	set_entry(2, 0x41, 0);
	set_entry(3, MASKED | 0x42, 0);
	ioapic_set_irq(&io, 2, true);
	assert_int_equal(ioapic_edge_vector(&io, 2), 0x41);
	assert_int_equal(ioapic_edge_vector(&io, 3), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_registers),	T(test_access),		T(test_edge),
		T(test_last_pin),	T(test_level),		T(test_level_mask),
		T(test_trigger_change), T(test_shared_vector),	T(test_eoi_register),
		T(test_not_accepted),	T(test_delivery_modes), T(test_threads),
		T(test_edge_vector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
