/* The local APIC: modes, registers and errors. Its interrupts: test_lapic_irq.c. */
#include "apic_fake.h"

static struct fake_vm *vm;
static struct fake_cpu *cpu;
static struct lapic *l;

static int set_up(void **state)
{
	(void)state;
	shim_set_time(0);
	vm = fake_vm_new(2);
	cpu = vm->cpu[0];
	l = &cpu->l;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_vm_free(vm);
	return 0;
}

/* --- state and modes --- */

static void test_power_up(void **state)
{
	(void)state;
	assert_int_equal(lapic_base(l), 0xfee00900);
	assert_int_equal(lapic_base(&vm->cpu[1]->l), 0xfee00800);
	assert_int_equal(lapic_mode(l), LAPIC_MODE_XAPIC);
	assert_int_equal(mmio_get(&vm->cpu[1]->l, LAPIC_ID), 1u << 24);
	assert_int_equal(mmio_get(l, LAPIC_VERSION), 0x50014);
	assert_int_equal(mmio_get(l, LAPIC_TPR), 0);
	assert_int_equal(mmio_get(l, LAPIC_PPR), 0);
	assert_int_equal(mmio_get(l, LAPIC_LDR), 0);
	assert_int_equal(mmio_get(l, LAPIC_DFR), 0xffffffff);
	assert_int_equal(mmio_get(l, LAPIC_SVR), 0xff);
	assert_int_equal(mmio_get(l, LAPIC_ICR), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_INIT), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_DIVIDE), 0);
	for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
		assert_int_equal(mmio_get(l, LAPIC_LVT_TIMER + i), 0x10000);
	for (unsigned i = 0; i < 24; i++)
		assert_int_equal(mmio_get(l, LAPIC_ISR + i), 0);
	assert_int_equal(cpu->notified, 0);
	assert_int_equal(vm->bus.xapic_count, 2);
}

static void go_to_mode(enum lapic_mode mode)
{
	assert_int_equal(lapic_set_base(l, LAPIC_BASE_DEFAULT), 0);
	if (mode >= LAPIC_MODE_XAPIC)
		assert_int_equal(lapic_set_base(l, FAKE_BASE_XAPIC), 0);
	if (mode == LAPIC_MODE_X2APIC)
		assert_int_equal(lapic_set_base(l, FAKE_BASE_X2APIC), 0);
	assert_int_equal(lapic_mode(l), mode);
}

static void test_base_transitions(void **state)
{
	static const u64 bits[4] = { 0, LAPIC_BASE_EXTD, LAPIC_BASE_ENABLE,
				     LAPIC_BASE_ENABLE | LAPIC_BASE_EXTD };
	static const enum lapic_mode to[4] = { LAPIC_MODE_DISABLED, LAPIC_MODE_DISABLED,
					       LAPIC_MODE_XAPIC, LAPIC_MODE_X2APIC };
	/* From disabled, xAPIC, x2APIC to 00, EXTD alone, EN alone, both. */
	static const bool legal[3][4] = { { true, false, true, false },
					  { true, false, true, true },
					  { true, false, false, true } };

	(void)state;
	for (unsigned from = 0; from < 3; from++) {
		for (unsigned i = 0; i < 4; i++) {
			u64 old;
			int err;

			go_to_mode((enum lapic_mode)from);
			old = lapic_base(l);
			err = lapic_set_base(l, LAPIC_BASE_DEFAULT | bits[i]);
			assert_int_equal(err == 0, legal[from][i]);
			assert_int_equal(lapic_mode(l), err ? (enum lapic_mode)from : to[i]);
			assert_int_equal(lapic_base(l), err ? old : LAPIC_BASE_DEFAULT | bits[i]);
			assert_int_equal(vm->bus.xapic_count,
					 1 + (lapic_mode(l) == LAPIC_MODE_XAPIC));
		}
	}
}

static void test_base_bits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		bool legal = i == 8 || i == 10 || i == 11 || (i >= 12 && i < 40);
		u64 value = FAKE_BASE_XAPIC | BIT(i);

		go_to_mode(LAPIC_MODE_XAPIC);
		assert_int_equal(lapic_set_base(l, value) == 0, legal);
		if (legal)
			assert_int_equal(lapic_base(l), value);
	}
	go_to_mode(LAPIC_MODE_XAPIC);
	l->config.has_x2apic = false;
	assert_int_equal(lapic_set_base(l, FAKE_BASE_X2APIC), -EIO);
	l->config.has_x2apic = true;
}

static void test_disable_loses_state(void **state)
{
	(void)state;
	fake_enable(l);
	mmio_set(l, LAPIC_TPR, 0x55);
	assert_true(lapic_deliver(l, 0x99, true));
	assert_int_equal(lapic_set_base(l, LAPIC_BASE_DEFAULT), 0);
	assert_int_equal(lapic_mmio_read(l, LAPIC_VERSION * 16, 4), 0xffffffff);
	assert_int_equal(lapic_mmio_read(l, LAPIC_VERSION * 16, 8), UINT64_MAX);
	assert_false(lapic_deliver(l, 0x99, false));
	assert_int_equal(lapic_pending_vector(l), -1);
	/* CR8 belongs to the processor. */
	lapic_set_cr8(l, 7);
	assert_int_equal(lapic_cr8(l), 7);
	lapic_set_cr8(l, 0);

	assert_int_equal(lapic_set_base(l, FAKE_BASE_XAPIC), 0);
	assert_int_equal(mmio_get(l, LAPIC_TPR), 0);
	assert_int_equal(mmio_get(l, LAPIC_SVR), 0xff);
	assert_int_equal(mmio_get(l, LAPIC_VERSION), 0x50014);
	assert_int_equal(lapic_pending_vector(l), -1);
}

/* A message that was on its way when the APIC was switched off does not come back later. */
static void test_disable_drops_late_message(void **state)
{
	(void)state;
	fake_enable(l);
	assert_int_equal(lapic_set_base(l, LAPIC_BASE_DEFAULT), 0);
	l->posted->pir[2] = 1;
	l->posted->control |= LAPIC_POSTED_ON;
	l->level[2] = 2;
	l->events |= LAPIC_EVENT_LEVEL;
	assert_int_equal(lapic_pending_vector(l), -1);
	assert_int_equal(lapic_set_base(l, FAKE_BASE_XAPIC), 0);
	assert_int_equal(lapic_pending_vector(l), -1);
}

static void test_x2apic_ids(void **state)
{
	static const struct {
		u32 id, ldr;
	} t[] = { { 0, 1 },	    { 15, 0x8000 },	 { 16, 0x10001 },
		  { 255, 0xf8000 }, { 4095, 0xff8000u }, { 0x12345, 0x12340020 } };
	struct lapic *m = &vm->cpu[1]->l;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(lapic_set_base(m, LAPIC_BASE_DEFAULT), 0);
		m->config.apic_id = t[i].id;
		assert_int_equal(lapic_set_base(m, FAKE_BASE_XAPIC), 0);
		assert_int_equal(mmio_get(m, LAPIC_ID), t[i].id << 24);
		mmio_set(m, LAPIC_LDR, 0x5a000000);
		mmio_set(m, LAPIC_TPR, 0x30);
		fake_x2apic(m);
		assert_int_equal(msr_get(m, LAPIC_ID), t[i].id);
		assert_int_equal(msr_get(m, LAPIC_LDR), t[i].ldr);
		assert_int_equal(msr_get(m, LAPIC_TPR), 0x30); /* the rest is kept */
	}
}

static void test_matches_logical(void **state)
{
	static const struct {
		u32 dest;
		bool flat, cluster, x2apic;
	} t[] = { /* LDR 0x24 in xAPIC mode; id 37 in x2APIC mode: cluster 2, bit 5 */
		  { 0x24, true, true, false },	    { 0x20, true, false, false },
		  { 0x04, true, false, false },	    { 0x2b, true, false, false },
		  { 0x3f, true, false, false },	    { 0x2c, true, true, false },
		  { 0xdb, false, false, false },    { 0x124, false, false, false },
		  { 0x20020, false, false, true },  { 0x2ffff, false, false, true },
		  { 0x2ffdf, false, false, false }, { 0x10020, false, false, false },
		  { 0x30020, false, false, false }, { 0x20, true, false, false },
		  { 0, false, false, false }
	};

	(void)state;
	l->config.apic_id = 37;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		go_to_mode(LAPIC_MODE_XAPIC);
		mmio_set(l, LAPIC_LDR, 0x24000000);
		assert_int_equal(lapic_matches_logical(l, t[i].dest), t[i].flat);
		mmio_set(l, LAPIC_DFR, 0);
		assert_int_equal(lapic_matches_logical(l, t[i].dest), t[i].cluster);
		mmio_set(l, LAPIC_DFR, 0x10000000);
		assert_false(lapic_matches_logical(l, t[i].dest));
		go_to_mode(LAPIC_MODE_X2APIC);
		assert_int_equal(lapic_matches_logical(l, t[i].dest), t[i].x2apic);
		go_to_mode(LAPIC_MODE_DISABLED);
		assert_false(lapic_matches_logical(l, t[i].dest));
	}
	go_to_mode(LAPIC_MODE_XAPIC);
}

static void test_init_keeps_mode(void **state)
{
	struct lapic *m = &vm->cpu[1]->l;

	(void)state;
	fake_x2apic(m);
	fake_enable(m);
	msr_set(m, LAPIC_TPR, 0x20);
	assert_true(lapic_deliver(m, 0x88, false));
	lapic_reset(m, false);
	assert_int_equal(lapic_mode(m), LAPIC_MODE_X2APIC);
	assert_int_equal(msr_get(m, LAPIC_ID), 1);
	assert_int_equal(msr_get(m, LAPIC_LDR), 2);
	assert_int_equal(msr_get(m, LAPIC_TPR), 0);
	assert_int_equal(msr_get(m, LAPIC_SVR), 0xff);
	assert_int_equal(lapic_pending_vector(m), -1);
	lapic_reset(m, true);
	assert_int_equal(lapic_mode(m), LAPIC_MODE_XAPIC);
	assert_int_equal(mmio_get(m, LAPIC_ID), 1u << 24);
	assert_int_equal(lapic_base(m), 0xfee00800);
	assert_int_equal(vm->bus.xapic_count, 2);
}

/* --- register access --- */

static bool x2apic_has(unsigned reg, bool write)
{
	static const u8 ro[] = { 0x02, 0x03, 0x0a, 0x0d, 0x39 }, wo[] = { 0x0b, 0x3f };
	static const u8 rw[] = { 0x08, 0x0f, 0x28, 0x30, 0x32, 0x33,
				 0x34, 0x35, 0x36, 0x37, 0x38, 0x3e };

	if (memchr(rw, (int)reg, sizeof(rw)))
		return true;
	if (write)
		return memchr(wo, (int)reg, sizeof(wo)) != NULL;
	return memchr(ro, (int)reg, sizeof(ro)) != NULL || (reg >= 0x10 && reg < 0x28);
}

static void test_x2apic_registers(void **state)
{
	u64 value;

	(void)state;
	for (unsigned reg = 0; reg < 0x100; reg++) {
		assert_int_equal(lapic_msr_read(l, 0x800 + reg, &value), -EPERM);
		assert_int_equal(lapic_msr_write(l, 0x800 + reg, 0), -EPERM);
	}
	fake_x2apic(l);
	for (unsigned reg = 0; reg < 0x100; reg++) {
		assert_int_equal(lapic_msr_read(l, 0x800 + reg, &value) == 0,
				 x2apic_has(reg, false));
		assert_int_equal(lapic_msr_write(l, 0x800 + reg, 0) == 0, x2apic_has(reg, true));
	}
	assert_int_equal(lapic_msr_read(l, 0x7ff, &value), -EIO);
	/* MMIO is dead in this mode. */
	assert_int_equal(lapic_mmio_read(l, 0x30, 4), 0xffffffff);
	lapic_mmio_write(l, 0x80, 4, 0x10);
	assert_int_equal(msr_get(l, LAPIC_TPR), 0);
}

static void test_x2apic_reserved_bits(void **state)
{
	static const struct {
		u8 reg;
		u64 legal;
	} t[] = {
		{ LAPIC_TPR, 0xff },
		{ LAPIC_EOI, 0 },
		{ LAPIC_SVR, 0x3ff },
		{ LAPIC_ESR, 0 },
		{ LAPIC_ICR, 0xffffffff000cdfff },
		{ LAPIC_LVT_TIMER, 0x710ff },
		{ LAPIC_LVT_THERMAL, 0x117ff },
		{ LAPIC_LVT_PMC, 0x117ff },
		{ LAPIC_LVT_LINT0, 0x1f7ff },
		{ LAPIC_LVT_LINT1, 0x1f7ff },
		{ LAPIC_LVT_ERROR, 0x110ff },
		{ LAPIC_TIMER_INIT, 0xffffffff },
		{ LAPIC_TIMER_DIVIDE, 0xb },
		{ LAPIC_SELF_IPI, 0xff },
	};

	(void)state;
	fake_x2apic(l);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		for (unsigned bit = 0; bit < 64; bit++) {
			int err = lapic_msr_write(l, 0x800u + t[i].reg, BIT(bit));

			assert_int_equal(err, t[i].legal >> bit & 1 ? 0 : -EIO);
		}
	}
	l->config.has_tsc_deadline = false;
	assert_int_equal(lapic_msr_write(l, 0x832, 2u << 17), -EIO);
	assert_int_equal(lapic_msr_write(l, 0x832, 1u << 17), 0);
}

static void test_x2apic_icr(void **state)
{
	u64 value;

	(void)state;
	fake_x2apic(l);
	msr_set(l, LAPIC_ICR, 0x12345678000c5aa5 | LAPIC_ICR_STATUS);
	value = msr_get(l, LAPIC_ICR);
	assert_true(value == 0x12345678000c4aa5);
}

static void test_xapic_access(void **state)
{
	(void)state;
	fake_enable(l);
	mmio_set(l, LAPIC_LDR, 0x12345678);
	assert_int_equal(mmio_get(l, LAPIC_LDR), 0x12000000);
	mmio_set(l, LAPIC_DFR, 0);
	assert_int_equal(mmio_get(l, LAPIC_DFR), 0x0fffffff);
	mmio_set(l, LAPIC_ICR2, 0xffffffff);
	assert_int_equal(mmio_get(l, LAPIC_ICR2), 0xff000000);
	mmio_set(l, LAPIC_ID, 0x7f000000); /* read-only here */
	assert_int_equal(mmio_get(l, LAPIC_ID), 0);
	mmio_set(l, LAPIC_VERSION, 0);
	assert_int_equal(mmio_get(l, LAPIC_VERSION), 0x50014);

	/* Narrow and misplaced reads; only aligned words are written. */
	assert_int_equal(lapic_mmio_read(l, 0x32, 1), 5);
	assert_int_equal(lapic_mmio_read(l, 0x32, 2), 5);
	assert_int_equal(lapic_mmio_read(l, 0x30, 8), 0x50014);
	assert_int_equal(lapic_mmio_read(l, 0x34, 4), 0);
	lapic_mmio_write(l, 0x80, 1, 0x10);
	lapic_mmio_write(l, 0x80, 2, 0x10);
	lapic_mmio_write(l, 0x80, 8, 0x10);
	lapic_mmio_write(l, 0x84, 4, 0x10);
	lapic_mmio_write(l, 0x81, 4, 0x10);
	assert_int_equal(mmio_get(l, LAPIC_TPR), 0);
	lapic_mmio_write(l, 0x80, 4, 0xffffff10);
	assert_int_equal(mmio_get(l, LAPIC_TPR), 0x10);
	assert_int_equal(lapic_mmio_read(l, 0x1000, 4), 0xffffffff);
	lapic_mmio_write(l, 0x1000, 4, 0);
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0);
}

static void test_xapic_absent_registers(void **state)
{
	(void)state;
	for (unsigned offset = 0; offset < 0x1000; offset += 16) {
		unsigned reg = offset / 16;
		bool exists = (reg < 0x40 && (x2apic_has(reg, false) || x2apic_has(reg, true)) &&
			       reg != LAPIC_SELF_IPI) ||
			      reg == LAPIC_APR || reg == LAPIC_RRD || reg == LAPIC_DFR ||
			      reg == LAPIC_ICR2;

		mmio_set(l, LAPIC_ESR, 0);
		lapic_mmio_read(l, offset, 4);
		mmio_set(l, LAPIC_ESR, 0);
		assert_int_equal(mmio_get(l, LAPIC_ESR), exists ? 0 : 0x80);
		if (exists)
			continue;
		lapic_mmio_write(l, offset, 4, 0);
		mmio_set(l, LAPIC_ESR, 0);
		assert_int_equal(mmio_get(l, LAPIC_ESR), 0x80);
	}
}

/* --- enabling, errors --- */

static void test_software_disable(void **state)
{
	(void)state;
	fake_enable(l);
	mmio_set(l, LAPIC_LVT_ERROR, 0xfe);
	mmio_set(l, LAPIC_LVT_LINT1, 0x400);
	lapic_deliver(l, 0x45, false);
	mmio_set(l, LAPIC_SVR, 0xff);
	assert_int_equal(mmio_get(l, LAPIC_LVT_ERROR), 0x100fe);
	assert_int_equal(mmio_get(l, LAPIC_LVT_LINT1), 0x10400);
	mmio_set(l, LAPIC_LVT_ERROR, 0xfd);
	assert_int_equal(mmio_get(l, LAPIC_LVT_ERROR), 0x100fd);
	assert_false(lapic_deliver(l, 0x46, false));
	mmio_set(l, LAPIC_ICR, 0x44047); /* to itself */
	/* What it had already is still served. */
	assert_int_equal(fake_serve(l), 0x45);
	assert_int_equal(fake_serve(l), -1);
	mmio_set(l, LAPIC_SVR, 0x1ff);
	assert_int_equal(mmio_get(l, LAPIC_LVT_ERROR), 0x100fd); /* stays masked */
	mmio_set(l, LAPIC_LVT_ERROR, 0xfd);
	assert_int_equal(mmio_get(l, LAPIC_LVT_ERROR), 0xfd);
	mmio_set(l, LAPIC_SVR, 0xffffffff);
	assert_int_equal(mmio_get(l, LAPIC_SVR), 0x3ff);
}

static void test_errors(void **state)
{
	(void)state;
	fake_enable(l);
	assert_false(lapic_deliver(l, 15, false));
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0); /* shown on writing only */
	mmio_set(l, LAPIC_ESR, 0xffff);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0x40);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0x40);
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0);
	assert_int_equal(lapic_pending_vector(l), -1);

	mmio_set(l, LAPIC_LVT_ERROR, 0xfe);
	mmio_set(l, LAPIC_ICR, 0x4400f); /* self */
	mmio_set(l, LAPIC_ICR2, 1u << 24);
	mmio_set(l, LAPIC_ICR, 0x4010f); /* lowest priority */
	mmio_set(l, LAPIC_ICR, 0x04000);
	assert_int_equal(fake_serve(l), 0xfe);
	assert_int_equal(fake_serve(l), -1); /* once until ESR is written */
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0x20); /* sent, not received */
	mmio_set(l, LAPIC_ICR, 0x4400f);
	lapic_mmio_read(l, 0x3f0, 4);
	assert_int_equal(fake_serve(l), 0xfe);
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0xa0);
	/* NMI and the like may have any vector. */
	mmio_set(l, LAPIC_ICR, 0x04400);
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0);
	assert_int_equal(vm->cpu[1]->nmis, 1);
	/* An illegal vector in the error entry itself comes to an end. */
	mmio_set(l, LAPIC_LVT_ERROR, 3);
	lapic_error(l, LAPIC_ESR_SEND_VECTOR);
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0x60);
}

static void test_self_ipi(void **state)
{
	(void)state;
	fake_x2apic(l);
	fake_enable(l);
	msr_set(l, LAPIC_SELF_IPI, 0x10);
	assert_int_equal(fake_serve(l), 0x10);
	msr_set(l, LAPIC_ICR, 0x44011);
	assert_int_equal(fake_serve(l), 0x11);
	msr_set(l, LAPIC_ICR, 0x4012); /* to id 0 */
	assert_int_equal(fake_serve(l), 0x12);
	msr_set(l, LAPIC_ICR, 0x80013); /* all */
	assert_int_equal(fake_serve(l), 0x13);
	msr_set(l, LAPIC_SELF_IPI, 0x0f);
	assert_int_equal(fake_serve(l), -1);
	msr_set(l, LAPIC_ESR, 0);
	assert_int_equal(msr_get(l, LAPIC_ESR), 0x20);
	vm->steps = vm->lookups = 0;
	msr_set(l, LAPIC_SELF_IPI, 0xff);
	msr_set(l, LAPIC_ICR, 0x44011);
	assert_int_equal(vm->steps + vm->lookups, 0);
}

/* --- writes that hardware did itself --- */

static void trapped(unsigned reg, u32 value)
{
	cpu->page[reg * 4] = value;
	lapic_write_trapped(l, reg * 16);
}

static void test_trapped_writes(void **state)
{
	(void)state;
	trapped(LAPIC_SVR, 0x1ff);
	trapped(LAPIC_ID, 0x55000000);
	assert_int_equal(mmio_get(l, LAPIC_ID), 0);
	trapped(LAPIC_LDR, 0x01ffffff);
	assert_int_equal(mmio_get(l, LAPIC_LDR), 0x01000000);
	trapped(LAPIC_LVT_ERROR, 0xffffffff);
	assert_int_equal(mmio_get(l, LAPIC_LVT_ERROR), 0x100ff);
	trapped(LAPIC_ESR, 0x1234);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0);
	trapped(LAPIC_ICR2, 1u << 24);
	trapped(LAPIC_ICR, 0x4400);
	assert_int_equal(vm->cpu[1]->nmis, 1);
	lapic_write_trapped(l, 0xff0);
	trapped(LAPIC_SVR, 0xff);
	assert_false(lapic_is_enabled(l));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_power_up),
		T(test_base_transitions),
		T(test_base_bits),
		T(test_disable_loses_state),
		T(test_disable_drops_late_message),
		T(test_x2apic_ids),
		T(test_matches_logical),
		T(test_init_keeps_mode),
		T(test_x2apic_registers),
		T(test_x2apic_reserved_bits),
		T(test_x2apic_icr),
		T(test_xapic_access),
		T(test_xapic_absent_registers),
		T(test_software_disable),
		T(test_errors),
		T(test_self_ipi),
		T(test_trapped_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
