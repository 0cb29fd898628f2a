/* The APIC bus: who gets a message, and at what cost. */
#include "apic_fake.h"

#define N 12

static struct fake_vm *vm;

static int set_up(void **state)
{
	(void)state;
	shim_set_time(0);
	vm = fake_vm_new(N);
	for (unsigned i = 0; i < N; i++)
		fake_enable(&vm->cpu[i]->l);
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

static void all_x2apic(void)
{
	for (unsigned i = 0; i < vm->n; i++)
		fake_x2apic(lapic(i));
}

/* Sends, and says as a bit map who had vector 0x77 after it; checks the count returned. */
static u32 send(struct lapic *from, struct apic_msg msg)
{
	unsigned accepted;
	u32 who = 0;

	msg.vector = 0x77;
	msg.assert_level = true;
	vm->steps = vm->lookups = 0;
	accepted = apic_bus_send(&vm->bus, from, &msg);
	for (unsigned i = 0; i < vm->n && i < 32; i++) {
		if (fake_serve(lapic(i)) == 0x77)
			who |= 1u << i;
	}
	assert_int_equal(accepted, __builtin_popcount(who));
	return who;
}

static u32 send_to(u32 dest, bool logical, bool x2apic)
{
	return send(NULL, (struct apic_msg){ .dest = dest, .logical = logical, .x2apic = x2apic });
}

#define EVERYONE ((1u << N) - 1)

static void test_physical(void **state)
{
	(void)state;
	for (unsigned x2 = 0; x2 < 2; x2++) {
		for (unsigned i = 0; i < N; i++) {
			assert_int_equal(send_to(i, false, x2), 1u << i);
			assert_int_equal(vm->lookups, 1);
			assert_int_equal(vm->steps, 0);
		}
		assert_int_equal(send_to(N, false, x2), 0);
		assert_int_equal(send_to(0xfe, false, x2), 0);
		assert_int_equal(send_to(x2 ? UINT32_MAX : 0xff, false, x2), EVERYONE);
		assert_int_equal(send_to(x2 ? 0xff : 0x100, false, x2), 0);
		all_x2apic(); /* the second time round: the same */
	}
}

static void test_shorthands(void **state)
{
	(void)state;
	assert_int_equal(send(lapic(3), (struct apic_msg){ .shorthand = APIC_SELF }), 1u << 3);
	assert_int_equal(vm->steps, 0);
	assert_int_equal(send(lapic(3), (struct apic_msg){ .shorthand = APIC_ALL }), EVERYONE);
	assert_int_equal(send(lapic(3), (struct apic_msg){ .shorthand = APIC_OTHERS }),
			 EVERYONE & ~(1u << 3));
	assert_int_equal(send(NULL, (struct apic_msg){ .shorthand = APIC_SELF }), 0);
	assert_int_equal(send(lapic(3), (struct apic_msg){ .shorthand = (enum apic_shorthand)4 }),
			 0);
}

static void test_logical_flat(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++)
		mmio_set(lapic(i), LAPIC_LDR, i < 8 ? 1u << (24 + i) : 0);
	for (u32 dest = 0; dest < 0xff; dest++)
		assert_int_equal(send_to(dest, true, false), dest);
	assert_int_equal(send_to(0xff, true, false), EVERYONE);
	/* Two members of one bit, one of two. */
	mmio_set(lapic(8), LAPIC_LDR, 0x01000000);
	mmio_set(lapic(9), LAPIC_LDR, 0x03000000);
	assert_int_equal(send_to(0x01, true, false), 0x301);
	assert_int_equal(send_to(0x02, true, false), 0x202);
	/* From a sender in x2APIC mode: only what fits eight bits. */
	assert_int_equal(send_to(0x04, true, true), 0x04);
	assert_int_equal(send_to(0x104, true, true), 0);
	assert_int_equal(send_to(0x10004, true, true), 0);
}

static void test_logical_cluster(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N; i++) {
		mmio_set(lapic(i), LAPIC_DFR, 0);
		mmio_set(lapic(i), LAPIC_LDR, (i / 4) << 28 | 1u << (24 + i % 4));
	}
	for (u32 dest = 0; dest < 0xff; dest++) {
		u32 expected = dest >> 4 < 3 ? (dest & 0xf) << (dest >> 4) * 4 : 0;

		assert_int_equal(send_to(dest, true, false), expected);
	}
	assert_int_equal(send_to(0xff, true, false), EVERYONE);
	/* A reserved model answers to nothing but the broadcast. */
	mmio_set(lapic(0), LAPIC_DFR, 0x70000000);
	assert_int_equal(send_to(0x01, true, false), 0);
	assert_int_equal(send_to(0xff, true, false), EVERYONE);
}

static void test_logical_x2apic(void **state)
{
	struct fake_vm *small = vm;

	(void)state;
	vm = fake_vm_new(40);
	all_x2apic();
	for (unsigned i = 0; i < 40; i++)
		fake_enable(lapic(i));
	assert_int_equal(vm->bus.xapic_count, 0);
	assert_int_equal(send_to(0x00000001, true, true), 0x1);
	assert_int_equal(send_to(0x0000a5a5, true, true), 0xa5a5);
	assert_int_equal(vm->steps, 0);
	assert_int_equal(vm->lookups, 8);
	assert_int_equal(send_to(0x0001ffff, true, true), 0xffff0000);
	assert_int_equal(send_to(0x000000ff, true, true), 0xff); /* no broadcast in this form */
	assert_int_equal(vm->steps, 0);
	assert_int_equal(send_to(0x00010000, true, true), 0);
	assert_int_equal(vm->lookups, 0);
	assert_int_equal(send_to(0x0003ffff, true, true), 0); /* nobody there */
	assert_int_equal(apic_bus_send(&vm->bus, NULL,
				       &(struct apic_msg){ .vector = 0x55,
							   .dest = 0x0002ffff,
							   .logical = true,
							   .x2apic = true }),
			 8); /* 32 to 39 */
	assert_int_equal(fake_serve(lapic(39)), 0x55);
	assert_int_equal(apic_bus_send(&vm->bus, NULL,
				       &(struct apic_msg){ .vector = 0x56,
							   .dest = UINT32_MAX,
							   .logical = true,
							   .x2apic = true }),
			 40);
	fake_vm_free(vm);
	vm = small;
}

static void test_mixed_modes(void **state)
{
	(void)state;
	/* 0 to 3 in xAPIC mode, flat; the rest in x2APIC mode, cluster 0. */
	for (unsigned i = 0; i < N; i++) {
		if (i < 4)
			mmio_set(lapic(i), LAPIC_LDR, 1u << (31 - i));
		else
			fake_x2apic(lapic(i));
	}
	assert_int_equal(vm->bus.xapic_count, 4);
	/* Bits 4 to 7: 4..7 by their x2APIC ids, and 3..0 by the LDR they chose. */
	assert_int_equal(send_to(0x80, true, false), 1u << 7 | 1u << 0);
	assert_int_equal(send_to(0x30, true, true), 3u << 4 | 3u << 2);
	assert_int_equal(send_to(0x0f00, true, true), 0xf00);
	assert_int_equal(vm->steps, 0); /* nobody in xAPIC mode can match */
	assert_int_equal(send_to(0xff, true, false), EVERYONE);
	assert_int_equal(send_to(UINT32_MAX, false, true), EVERYONE);
	/* A disabled one hears nothing. */
	assert_int_equal(lapic_set_base(lapic(2), LAPIC_BASE_DEFAULT), 0);
	assert_int_equal(vm->bus.xapic_count, 3);
	assert_int_equal(send_to(UINT32_MAX, false, true), EVERYONE & ~4u);
	assert_int_equal(send_to(2, false, false), 0);
	assert_int_equal(send_to(0x20, true, false), 1u << 5);
}

static void test_lowest_priority(void **state)
{
	struct apic_msg msg = { .delivery = APIC_LOWEST, .logical = true, .dest = 0x0f };

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		mmio_set(lapic(i), LAPIC_LDR, 1u << (24 + i));
	/* In turn. */
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(send(NULL, msg), 1u << i % 4);
	/* By task priority class first, within a class in turn. */
	mmio_set(lapic(0), LAPIC_TPR, 0x20);
	mmio_set(lapic(1), LAPIC_TPR, 0x1f);
	mmio_set(lapic(2), LAPIC_TPR, 0x20);
	mmio_set(lapic(3), LAPIC_TPR, 0x10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(send(NULL, msg), 1u << (i & 1 ? 3 : 1));
	/* Not to those that are off. */
	mmio_set(lapic(1), LAPIC_SVR, 0xff);
	mmio_set(lapic(3), LAPIC_SVR, 0xff);
	assert_int_equal(send(NULL, msg), 1u << 0);
	assert_int_equal(send(NULL, msg), 1u << 2);
	msg.dest = 0x0a;
	assert_int_equal(send(NULL, msg), 0);
	/* A broadcast and a single target arbitrate as well. */
	msg.dest = 0xff;
	assert_int_equal(send(NULL, msg), 1u << 4); /* after 2, of the class 0 ones */
	msg.logical = false;
	msg.dest = 0;
	assert_int_equal(send(NULL, msg), 1u << 0);
	msg.dest = 3;
	assert_int_equal(send(NULL, msg), 0);
}

static void test_lowest_priority_cluster(void **state)
{
	struct apic_msg msg = {
		.delivery = APIC_LOWEST, .logical = true, .x2apic = true, .dest = 0x0c11
	};
	static const u8 order[] = { 0, 4, 10, 11, 0, 4, 10, 11, 0 };

	(void)state;
	all_x2apic();
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		assert_int_equal(send(NULL, msg), 1u << order[i]);
		assert_int_equal(vm->steps, 0);
	}
}

static void test_other_deliveries(void **state)
{
	struct apic_msg msg = { .delivery = APIC_NMI, .dest = 5, .vector = 0x9a };
	struct fake_cpu *to = vm->cpu[5];

	(void)state;
	mmio_set(lapic(5), LAPIC_SVR, 0xff); /* makes no difference to these */
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 1);
	assert_int_equal(to->nmis, 1);
	msg.delivery = APIC_SIPI;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 1);
	assert_int_equal(to->sipis, 1);
	assert_int_equal(to->sipi_vector, 0x9a);
	msg.delivery = APIC_INIT;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 1);
	assert_int_equal(to->inits, 1);
	msg.level = true;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0); /* de-assert */
	msg.assert_level = true;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 1);
	assert_int_equal(to->inits, 2);
	/* But to these it does. */
	msg.level = false;
	msg.delivery = APIC_FIXED;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0);
	msg.delivery = APIC_EXTINT;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0);
	fake_enable(lapic(5));
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 1);
	assert_true(lapic_accepts_extint(lapic(5)));
	/* Not known, or not there: SMI, a reserved code. */
	msg.delivery = APIC_SMI;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0);
	msg.delivery = (enum apic_delivery)3;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0);
	assert_int_equal(lapic_pending_vector(lapic(5)), -1);
	/* Off altogether: not even INIT. */
	assert_int_equal(lapic_set_base(lapic(5), LAPIC_BASE_DEFAULT), 0);
	msg.delivery = APIC_INIT;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0);
	msg.delivery = APIC_NMI;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0);
	assert_int_equal(to->inits, 2);
	assert_int_equal(to->nmis, 1);
}

static void test_init_shorthands(void **state)
{
	struct apic_msg msg = { .delivery = APIC_INIT, .shorthand = APIC_SELF };

	(void)state;
	assert_int_equal(apic_bus_send(&vm->bus, lapic(0), &msg), 0);
	msg.shorthand = APIC_ALL;
	assert_int_equal(apic_bus_send(&vm->bus, lapic(0), &msg), 0);
	msg.shorthand = APIC_OTHERS;
	assert_int_equal(apic_bus_send(&vm->bus, lapic(0), &msg), N - 1);
	msg.delivery = APIC_SIPI;
	assert_int_equal(apic_bus_send(&vm->bus, lapic(0), &msg), N - 1);
	assert_int_equal(vm->cpu[0]->inits + vm->cpu[0]->sipis, 0);
	assert_int_equal(vm->cpu[N - 1]->inits, 1);
	assert_int_equal(vm->cpu[N - 1]->sipis, 1);
}

/* The illegal vector is the receiver's error when the sender is not an ICR. */
static void test_illegal_vector(void **state)
{
	struct apic_msg msg = { .dest = 2, .vector = 15 };

	(void)state;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 0);
	mmio_set(lapic(2), LAPIC_ESR, 0);
	assert_int_equal(mmio_get(lapic(2), LAPIC_ESR), 0x40);
	msg.vector = 16;
	assert_int_equal(apic_bus_send(&vm->bus, NULL, &msg), 1);
}

/* A big machine: ids beyond 8 bits, reached in x2APIC form even while still in xAPIC mode. */
static void test_many(void **state)
{
	struct fake_vm *small = vm;

	(void)state;
	vm = fake_vm_new(4096);
	assert_int_equal(
		apic_bus_send(
			&vm->bus, NULL,
			&(struct apic_msg){ .delivery = APIC_INIT, .dest = 4095, .x2apic = true }),
		1);
	assert_int_equal(vm->cpu[4095]->inits, 1);
	assert_int_equal(vm->steps, 0);
	all_x2apic();
	for (unsigned i = 0; i < 4096; i++)
		fake_enable(lapic(i));
	fake_x2apic(lapic(7));
	vm->steps = vm->lookups = 0;
	msr_set(lapic(7), LAPIC_ICR, 4095ull << 32 | 0x40e1);
	assert_int_equal(fake_serve(lapic(4095)), 0xe1);
	msr_set(lapic(7), LAPIC_ICR, 0x00ffc000ull << 32 | 0x48e2); /* cluster 255 */
	assert_int_equal(fake_serve(lapic(4094)), 0xe2);
	assert_int_equal(fake_serve(lapic(4095)), 0xe2);
	assert_int_equal(vm->lookups, 3);
	assert_int_equal(vm->steps, 0);
	msr_set(lapic(7), LAPIC_ICR, 0xc40e3); /* all others */
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(fake_serve(lapic(i)), i == 7 ? -1 : 0xe3);
	assert_int_equal(vm->steps, 4097);
	/* An id with the same low byte is not meant by the 8-bit form. */
	assert_int_equal(send_to(5, false, false), 1u << 5);
	assert_int_equal(fake_serve(lapic(0x105)), -1);
	fake_vm_free(vm);
	vm = small;
}

/* As the ICR says it: the fields get to the bus. */
static void test_icr_fields(void **state)
{
	struct lapic *from = lapic(0);

	(void)state;
	for (unsigned i = 0; i < N; i++)
		mmio_set(lapic(i), LAPIC_LDR, 1u << (24 + i % 8));
	mmio_set(from, LAPIC_ICR2, 3u << 24);
	mmio_set(from, LAPIC_ICR, 0x4044); /* physical: 3 */
	assert_int_equal(fake_serve(lapic(3)), 0x44);
	mmio_set(from, LAPIC_ICR, 0x4845); /* logical: 0, 1, 8, 9 */
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(fake_serve(lapic(i)), i % 8 < 2 ? 0x45 : -1);
	mmio_set(from, LAPIC_ICR, 0xc4046);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(fake_serve(lapic(i)), i ? 0x46 : -1);
	mmio_set(from, LAPIC_ICR, 0xc4500); /* INIT */
	mmio_set(from, LAPIC_ICR, 0x4609);  /* SIPI to 3 */
	mmio_set(from, LAPIC_ICR, 0x8500);  /* INIT de-assert */
	assert_int_equal(vm->cpu[3]->inits, 1);
	assert_int_equal(vm->cpu[3]->sipi_vector, 9);
	assert_int_equal(vm->cpu[0]->inits, 0);
	/* A level-triggered IPI is an edge all the same. */
	mmio_set(from, LAPIC_ICR, 0xc047);
	assert_int_equal(fake_serve(lapic(3)), 0x47);
	assert_int_equal(vm->cpu[3]->eois, 0);
	assert_int_equal(mmio_get(from, LAPIC_ICR), 0xc047);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_physical),	  T(test_shorthands),
		T(test_logical_flat),	  T(test_logical_cluster),
		T(test_logical_x2apic),	  T(test_mixed_modes),
		T(test_lowest_priority),  T(test_lowest_priority_cluster),
		T(test_other_deliveries), T(test_init_shorthands),
		T(test_illegal_vector),	  T(test_many),
		T(test_icr_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
