/* The local APIC: priorities, nesting, EOI, pins, and posting from other threads. */
#include "apic_fake.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

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

/* --- priorities --- */

static void test_order(void **state)
{
	(void)state;
	fake_enable(l);
	for (unsigned v = 16; v < 256; v++)
		assert_true(lapic_deliver(l, (u8)v, false));
	for (int v = 255; v >= 16; v--)
		assert_int_equal(fake_serve(l), v);
	assert_int_equal(fake_serve(l), -1);
}

static void test_each_bit(void **state)
{
	(void)state;
	fake_enable(l);
	for (unsigned v = 16; v < 256; v++) {
		unsigned i = v / 32;
		u32 bit = 1u << v % 32;

		assert_true(lapic_deliver(l, (u8)v, v & 1));
		assert_int_equal(mmio_get(l, LAPIC_IRR + i), bit);
		assert_int_equal(mmio_get(l, LAPIC_TMR + i) & bit, v & 1 ? bit : 0);
		assert_int_equal(lapic_highest_irr(l), v);
		assert_int_equal(fake_take(l), v);
		assert_int_equal(mmio_get(l, LAPIC_IRR + i), 0);
		assert_int_equal(mmio_get(l, LAPIC_ISR + i), bit);
		assert_int_equal(lapic_highest_isr(l), v);
		mmio_set(l, LAPIC_EOI, 0);
		assert_int_equal(mmio_get(l, LAPIC_ISR + i), 0);
		assert_int_equal(lapic_highest_isr(l), -1);
	}
	assert_int_equal(cpu->eois, 120);
}

static void test_nesting(void **state)
{
	(void)state;
	fake_enable(l);
	lapic_deliver(l, 0x31, false);
	assert_int_equal(fake_take(l), 0x31);
	assert_int_equal(lapic_ppr(l), 0x30);
	lapic_deliver(l, 0x3f, false); /* same class: waits */
	assert_int_equal(lapic_pending_vector(l), -1);
	lapic_deliver(l, 0x52, false);
	assert_int_equal(fake_take(l), 0x52);
	lapic_deliver(l, 0xf0, false);
	assert_int_equal(fake_take(l), 0xf0);
	assert_int_equal(lapic_ppr(l), 0xf0);
	lapic_deliver(l, 0x52, false); /* pending and in service at once */
	assert_int_equal(lapic_pending_vector(l), -1);
	lapic_eoi(l);
	assert_int_equal(lapic_highest_isr(l), 0x52);
	assert_int_equal(lapic_pending_vector(l), -1);
	lapic_eoi(l);
	assert_int_equal(fake_take(l), 0x52);
	lapic_eoi(l);
	assert_int_equal(lapic_highest_isr(l), 0x31);
	lapic_eoi(l);
	assert_int_equal(fake_serve(l), 0x3f);
	assert_int_equal(lapic_pending_vector(l), -1);
	lapic_eoi(l); /* one too many */
	assert_int_equal(lapic_highest_isr(l), -1);
}

static void test_ppr(void **state)
{
	static const u8 t[][3] = { /* TPR, in service, PPR */
				   { 0, 0, 0 },		 { 0x0f, 0, 0x0f },    { 0x20, 0x1f, 0x20 },
				   { 0x27, 0x25, 0x27 }, { 0x27, 0x31, 0x30 }, { 0xff, 0xff, 0xff },
				   { 0x0f, 0x10, 0x10 }, { 0xf3, 0xe9, 0xf3 }
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		lapic_reset(l, true);
		fake_enable(l);
		if (t[i][1]) {
			lapic_deliver(l, t[i][1], false);
			assert_int_equal(fake_take(l), t[i][1]);
		}
		mmio_set(l, LAPIC_TPR, t[i][0]);
		assert_int_equal(mmio_get(l, LAPIC_PPR), t[i][2]);
		assert_int_equal(lapic_ppr(l), t[i][2]);
	}
}

static void test_tpr(void **state)
{
	unsigned before;

	(void)state;
	fake_enable(l);
	lapic_set_cr8(l, 4);
	assert_int_equal(mmio_get(l, LAPIC_TPR), 0x40);
	before = cpu->notified;
	lapic_set_tpr(l, 0x30);
	assert_int_equal(cpu->notified, before); /* nothing waits */
	lapic_set_tpr(l, 0x4f);
	assert_int_equal(lapic_cr8(l), 4);
	lapic_deliver(l, 0x4f, false);
	assert_int_equal(lapic_pending_vector(l), -1);
	assert_int_equal(lapic_tpr_threshold(l), 4);
	lapic_set_tpr(l, 0x80);
	assert_int_equal(lapic_tpr_threshold(l), 4);
	before = cpu->notified;
	lapic_set_tpr(l, 0x3f);
	assert_int_equal(cpu->notified, before + 1);
	assert_int_equal(lapic_tpr_threshold(l), 0);
	assert_int_equal(lapic_pending_vector(l), 0x4f);
	assert_int_equal(fake_take(l), 0x4f);
	assert_int_equal(lapic_highest_irr(l), -1);
	/* Held up by what is in service, not by TPR. */
	lapic_deliver(l, 0x41, false);
	lapic_set_tpr(l, 0x40);
	lapic_sync_pir(l);
	assert_int_equal(lapic_tpr_threshold(l), 0);
}

static void test_eoi_level(void **state)
{
	(void)state;
	fake_enable(l);
	l->tmr_changed = false;
	lapic_deliver(l, 0x61, true);
	lapic_deliver(l, 0xc5, false);
	assert_int_equal(fake_take(l), 0xc5);
	assert_true(l->tmr_changed);
	assert_int_equal(lapic_tmr_word(l, 1), BIT(0x61 - 64));
	assert_int_equal(lapic_tmr_word(l, 3), 0);
	lapic_eoi(l);
	assert_int_equal(cpu->eois, 0);
	assert_int_equal(fake_serve(l), 0x61);
	assert_int_equal(cpu->eois, 1);
	assert_int_equal(cpu->eoi_vector, 0x61);
	/* The same vector by an edge: the last sender decides. */
	l->tmr_changed = false;
	lapic_deliver(l, 0x61, true);
	lapic_deliver(l, 0x61, false);
	assert_int_equal(fake_serve(l), 0x61);
	assert_true(l->tmr_changed);
	lapic_deliver(l, 0x61, false);
	lapic_deliver(l, 0x61, true);
	assert_int_equal(fake_serve(l), 0x61);
	assert_int_equal(cpu->eois, 2);
	/* And a self-IPI is an edge. */
	mmio_set(l, LAPIC_ICR, 0x44061);
	assert_int_equal(fake_serve(l), 0x61);
	assert_int_equal(cpu->eois, 2);
}

static void test_notify(void **state)
{
	unsigned n;

	(void)state;
	fake_enable(l);
	n = cpu->notified;
	lapic_deliver(l, 0x40, false);
	assert_int_equal(cpu->notified, n + 1);
	lapic_deliver(l, 0x40, false);
	lapic_deliver(l, 0x50, false);
	assert_int_equal(cpu->notified, n + 1); /* the first one stands for all */
	lapic_sync_pir(l);
	lapic_deliver(l, 0x60, false);
	assert_int_equal(cpu->notified, n + 2);
	assert_int_equal(fake_take(l), 0x60);
	lapic_eoi(l); /* more is pending */
	assert_int_equal(cpu->notified, n + 3);
	assert_int_equal(fake_serve(l), 0x50);
	assert_int_equal(cpu->notified, n + 4);
	assert_int_equal(fake_serve(l), 0x40);
	assert_int_equal(cpu->notified, n + 4);
	mmio_set(l, LAPIC_ICR, 0x44033);
	assert_int_equal(cpu->notified, n + 5);
	assert_int_equal(fake_serve(l), 0x33);
}

/* --- pins --- */

static void test_extint(void **state)
{
	struct fake_cpu *ap = vm->cpu[1];

	(void)state;
	cpu->extint_vector = ap->extint_vector = 0x08; /* the PIC may use any vector */
	/* Virtual wire while off, for the boot CPU only. */
	cpu->extints = 1;
	ap->extints = 1;
	assert_int_equal(lapic_pending_vector(l), LAPIC_EXTINT);
	assert_int_equal(lapic_pending_vector(&ap->l), -1);
	assert_int_equal(lapic_accept(l, LAPIC_EXTINT), 0x08);
	assert_int_equal(lapic_pending_vector(l), -1);
	cpu->extints = 2;
	assert_int_equal(lapic_set_base(l, LAPIC_BASE_DEFAULT), 0);
	cpu->notified = 0;
	assert_int_equal(fake_take(l), 0x08);
	assert_int_equal(cpu->notified, 1); /* the PIC has another */
	assert_int_equal(fake_take(l), 0x08);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(lapic_set_base(l, FAKE_BASE_XAPIC), 0);
	/* Enabled: as LINT0 says. */
	fake_enable(l);
	assert_false(lapic_accepts_extint(l));
	cpu->extints = 1;
	assert_int_equal(lapic_pending_vector(l), -1);
	mmio_set(l, LAPIC_LVT_LINT0, 0x10700);
	assert_false(lapic_accepts_extint(l));
	cpu->notified = 0;
	mmio_set(l, LAPIC_LVT_LINT0, 0x700);
	assert_true(lapic_accepts_extint(l));
	assert_int_equal(cpu->notified, 1);
	/* It goes before everything, whatever TPR is. */
	lapic_set_tpr(l, 0xff);
	assert_int_equal(fake_take(l), 0x08);
	assert_int_equal(lapic_highest_isr(l), -1);
	cpu->notified = 0;
	lapic_set_lint(l, 0, true);
	lapic_set_lint(l, 0, true);
	assert_int_equal(cpu->notified, 2);
	mmio_set(l, LAPIC_LVT_LINT0, 0x10700);
	lapic_set_lint(l, 0, false);
	lapic_set_lint(l, 0, true);
	assert_int_equal(cpu->notified, 2);
}

static void test_extint_message(void **state)
{
	struct fake_cpu *ap = vm->cpu[1];

	(void)state;
	fake_enable(&ap->l);
	ap->extints = 1;
	ap->extint_vector = 0x33;
	assert_int_equal(lapic_pending_vector(&ap->l), -1);
	lapic_deliver_extint(&ap->l);
	assert_int_equal(ap->notified, 1);
	assert_int_equal(fake_take(&ap->l), 0x33);
	ap->extints = 1;
	assert_int_equal(fake_take(&ap->l), -1); /* one message, one interrupt */
}

static void test_lint_edges(void **state)
{
	(void)state;
	/* Off: the pins are INTR and NMI. */
	assert_int_equal(lapic_set_base(l, LAPIC_BASE_DEFAULT), 0);
	lapic_set_lint(l, 1, true);
	lapic_set_lint(l, 1, true);
	assert_int_equal(cpu->nmis, 1);
	lapic_set_lint(l, 1, false);
	assert_int_equal(lapic_set_base(l, FAKE_BASE_XAPIC), 0);
	lapic_set_lint(l, 1, true); /* masked */
	assert_int_equal(cpu->nmis, 1);
	fake_enable(l);
	mmio_set(l, LAPIC_LVT_LINT1, 0x400);
	assert_int_equal(cpu->nmis, 1); /* the edge is over */
	lapic_set_lint(l, 1, false);
	lapic_set_lint(l, 1, true);
	assert_int_equal(cpu->nmis, 2);

	mmio_set(l, LAPIC_LVT_LINT0, 0x35);
	lapic_set_lint(l, 0, true);
	lapic_set_lint(l, 0, true);
	assert_int_equal(fake_serve(l), 0x35);
	assert_int_equal(fake_serve(l), -1);
	assert_int_equal(cpu->eois, 0);
	mmio_set(l, LAPIC_LVT_LINT0, 0x500);
	lapic_set_lint(l, 0, false);
	lapic_set_lint(l, 0, true);
	assert_int_equal(cpu->inits, 1);
	mmio_set(l, LAPIC_LVT_PMC, 0x400);
	lapic_fire_lvt(l, LAPIC_LVT_PMC);
	assert_int_equal(cpu->nmis, 3);
	mmio_set(l, LAPIC_LVT_THERMAL, 0x05); /* illegal vector */
	lapic_fire_lvt(l, LAPIC_LVT_THERMAL);
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0x40);
}

static void test_lint0_level(void **state)
{
	(void)state;
	fake_enable(l);
	lapic_set_lint(l, 0, true);
	mmio_set(l, LAPIC_LVT_LINT0, 0x8035); /* unmasked with the wire high */
	assert_int_equal(mmio_get(l, LAPIC_LVT_LINT0), 0xc035);
	assert_int_equal(fake_take(l), 0x35);
	lapic_set_lint(l, 0, true);
	assert_int_equal(lapic_pending_vector(l), -1);
	lapic_eoi(l);
	assert_int_equal(fake_take(l), 0x35); /* still high: again */
	lapic_set_lint(l, 0, false);
	lapic_eoi(l);
	assert_int_equal(fake_take(l), -1);
	assert_int_equal(mmio_get(l, LAPIC_LVT_LINT0), 0x8035);
	lapic_set_lint(l, 0, true);
	mmio_set(l, LAPIC_LVT_LINT0, 0x35); /* to edge: forgets */
	assert_int_equal(mmio_get(l, LAPIC_LVT_LINT0), 0x35);
	mmio_set(l, LAPIC_LVT_LINT0, 0x800f); /* not accepted: awaits no EOI */
	assert_int_equal(mmio_get(l, LAPIC_LVT_LINT0), 0x800f);
	mmio_set(l, LAPIC_LVT_LINT0, 0xffffffff);
	assert_int_equal(mmio_get(l, LAPIC_LVT_LINT0), 0x1a7ff);
}

/* --- with hardware's help --- */

static void test_hw_delivery(void **state)
{
	(void)state;
	fake_enable(l);
	assert_int_equal(fake_serve(l), -1);
	lapic_set_hw_delivery(l, true);
	cpu->page[(LAPIC_ISR + 5) * 4] = 1u << 3; /* as hardware would */
	cpu->page[(LAPIC_IRR + 7) * 4] = 1u << 31;
	assert_int_equal(lapic_highest_isr(l), 0xa3);
	assert_int_equal(lapic_highest_irr(l), 0xff);
	cpu->page[(LAPIC_ISR + 5) * 4] = 0;
	cpu->page[(LAPIC_IRR + 7) * 4] = 0;
	assert_int_equal(lapic_highest_isr(l), -1);
	assert_int_equal(lapic_highest_irr(l), -1);
	cpu->page[(LAPIC_IRR + 1) * 4] = 1;
	assert_int_equal(lapic_highest_irr(l), 0x20);
	cpu->page[(LAPIC_ISR + 2) * 4] = 1;
	lapic_set_hw_delivery(l, false);
	assert_int_equal(fake_take(l), -1); /* 0x40 is in service */
	lapic_eoi(l);
	assert_int_equal(fake_serve(l), 0x20);
	lapic_eoi_broadcast(l, 0x77);
	assert_int_equal(cpu->eoi_vector, 0x77);
}

/* --- posting from other threads --- */

#define POSTERS 3
#define ROUNDS	20000

static u32 served[256]; /* by the owner, read by the posters */
static u32 posters_left;

/* Each poster has its own vectors and posts one again only when it was served. */
static void *poster(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (u32 round = 1; round <= ROUNDS; round++) {
		for (unsigned v = 16 + me; v < 256; v += 61 * POSTERS)
			assert_true(lapic_deliver(l, (u8)v, me == 0));
		for (unsigned v = 16 + me; v < 256; v += 61 * POSTERS) {
			while (load_acquire(&served[v]) != round)
				sched_yield();
		}
	}
	atomic_fetch_add(&posters_left, -1u);
	return NULL;
}

/* The owner looks only when notified: a lost notification shows as a standstill. */
static void test_posting_threads(void **state)
{
	pthread_t thread[POSTERS];
	time_t limit = time(NULL) + 120;
	unsigned total = 0, level = 0;

	(void)state;
	fake_enable(l);
	memset(served, 0, sizeof(served));
	posters_left = POSTERS;
	for (uintptr_t i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, poster, (void *)i), 0);
	while (load_acquire(&posters_left)) {
		int vector;

		if (!atomic_xchg(&cpu->notified, 0)) {
			assert_true(time(NULL) < limit);
			sched_yield();
			continue;
		}
		while ((vector = fake_serve(l)) >= 0) {
			total++;
			level += (unsigned)(vector - 16) % (61 * POSTERS) == 0;
			store_release(&served[vector], served[vector] + 1);
		}
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(total, ROUNDS * 2 * POSTERS);
	assert_int_equal(level, ROUNDS * 2);
	assert_int_equal(cpu->eois, level);
}

/* --- what waits --- */

static void expect_waits(u8 vector, bool waits)
{
	for (unsigned v = 0; v < 256; v++) {
		if (lapic_waits(l, (u8)v) != (waits && v == vector))
			fail_msg("vector 0x%x, of 0x%x", v, vector);
	}
}

/* From its posting, through IRR, to its being taken; whether an earlier one is in service or not.
 */
static void check_waits(u8 vector, bool level)
{
	expect_waits(vector, false);
	assert_true(lapic_deliver(l, vector, level));
	expect_waits(vector, true); /* posted */
	lapic_take_posted(l);
	expect_waits(vector, true); /* in IRR */
	assert_int_equal(fake_take(l), vector);
	expect_waits(vector, false); /* in service */
	assert_true(lapic_deliver(l, vector, level));
	expect_waits(vector, true);
	assert_int_equal(lapic_pending_vector(l), -1);
	expect_waits(vector, true);
	lapic_eoi(l);
	assert_int_equal(fake_serve(l), vector);
	expect_waits(vector, false);
}

static void test_waits(void **state)
{
	static const u8 vectors[] = { 16,  31,	32,  63,  64,  65,  95,	 96,  127,
				      128, 159, 160, 191, 192, 223, 224, 254, 255 };

	(void)state;
	fake_enable(l);
	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
		check_waits(vectors[i], false);
		check_waits(vectors[i], true);
	}
}

/* What was not accepted does not wait, and what is reset does no more. */
static void test_waits_no_more(void **state)
{
	(void)state;
	assert_false(lapic_deliver(l, 0x40, false));
	expect_waits(0x40, false);
	fake_enable(l);
	assert_false(lapic_deliver(l, 15, false));
	expect_waits(15, false);
	for (unsigned taken_in = 0; taken_in < 2; taken_in++) {
		assert_true(lapic_deliver(l, 0x40, taken_in));
		if (taken_in)
			lapic_take_posted(l);
		expect_waits(0x40, true);
		lapic_reset(l, false);
		expect_waits(0x40, false);
		fake_enable(l);
	}
	/* The priority is no matter: it waits for that. */
	lapic_set_tpr(l, 0xff);
	assert_true(lapic_deliver(l, 0x40, false));
	assert_int_equal(lapic_pending_vector(l), -1);
	expect_waits(0x40, true);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_order),	    T(test_each_bit),	   T(test_nesting),
		T(test_ppr),	    T(test_tpr),	   T(test_eoi_level),
		T(test_notify),	    T(test_extint),	   T(test_extint_message),
		T(test_lint_edges), T(test_lint0_level),   T(test_hw_delivery),
		T(test_waits),	    T(test_waits_no_more), T(test_posting_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
