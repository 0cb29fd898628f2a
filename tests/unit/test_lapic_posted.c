/* The local APIC whose processor takes in by itself what is posted, and when it does not. */
#include "apic_fake.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

static struct fake_vm *vm;
static struct fake_cpu *cpu;
static struct lapic *l;
static struct lapic_ops ops;
static unsigned notifications; /* that the processor has been sent, and not yet acted upon */
static struct lapic_posted descriptor;

static void fake_notify_running(void *ctx)
{
	assert_ptr_equal(ctx, cpu);
	atomic_fetch_add(&notifications, 1);
}

static int set_up(void **state)
{
	(void)state;
	shim_set_time(0);
	vm = fake_vm_new(1);
	cpu = vm->cpu[0];
	l = &cpu->l;
	ops = fake_lapic_ops;
	ops.notify_running = fake_notify_running;
	l->config.ops = &ops;
	memset(&descriptor, 0, sizeof(descriptor));
	lapic_use_descriptor(l, &descriptor);
	fake_enable(l);
	lapic_set_hw_delivery(l, true);
	cpu->notified = 0;
	notifications = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_vm_free(vm);
	return 0;
}

/* What a processor in the guest does when the notification comes (SDM vol. 3 30.6). */
static void process_notification(void)
{
	atomic_fetch_and(&descriptor.control, ~1u);
	for (unsigned i = 0; i < 4; i++) {
		u64 bits = atomic_xchg(&descriptor.pir[i], 0);

		l->regs[(LAPIC_IRR + 2 * i) * 4] |= (u32)bits;
		l->regs[(LAPIC_IRR + 2 * i + 1) * 4] |= (u32)(bits >> 32);
	}
}

static void test_layout(void **state)
{
	const u8 *bytes = (const u8 *)&descriptor;

	(void)state;
	assert_int_equal(bytes[32], 2); /* SN, and nothing else */
	for (unsigned v = 16; v < 256; v++) {
		assert_true(lapic_deliver(l, (u8)v, false));
		assert_int_equal(bytes[v / 8], 1 << v % 8);
		assert_int_equal(bytes[32], 3);
		assert_int_equal(lapic_pending_vector(l), v);
		assert_int_equal(bytes[v / 8], 0);
		assert_int_equal(bytes[32], 2);
		assert_int_equal(fake_serve(l), v);
	}
	for (unsigned i = 33; i < 64; i++)
		assert_int_equal(bytes[i], 0);
}

/* Until the owner says otherwise, it takes everything. */
static void test_starts_parked(void **state)
{
	(void)state;
	lapic_deliver(l, 0x40, false);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(notifications, 0);
	assert_int_equal(lapic_pending_vector(l), 0x40);
}

static void test_processor_takes(void **state)
{
	(void)state;
	assert_false(lapic_unpark(l));
	lapic_deliver(l, 0x40, false);
	lapic_deliver(l, 0x40, false);
	lapic_deliver(l, 0x51, false);
	assert_int_equal(notifications, 1); /* one stands for all until it is acted upon */
	process_notification();
	lapic_deliver(l, 0xff, false);
	assert_int_equal(notifications, 2);
	assert_int_equal(cpu->notified, 0);
	process_notification();
	assert_int_equal(lapic_highest_irr(l), 0xff);
	assert_int_equal(fake_serve(l), 0xff);
	assert_int_equal(fake_serve(l), 0x51);
	assert_int_equal(fake_serve(l), 0x40);
	assert_int_equal(fake_serve(l), -1);
}

/* The notification found the processor outside of the guest: the owner takes what it was for. */
static void test_owner_takes(void **state)
{
	(void)state;
	assert_false(lapic_unpark(l));
	lapic_deliver(l, 0x40, false);
	assert_int_equal(fake_take(l), 0x40);
	assert_int_equal(descriptor.control & LAPIC_POSTED_ON, 0);
	process_notification(); /* late, for nothing */
	lapic_eoi(l);
	assert_int_equal(fake_take(l), -1);
}

/* In the descriptor, and in IRR where the processor puts it by itself. */
static void test_waits(void **state)
{
	(void)state;
	assert_false(lapic_unpark(l));
	assert_false(lapic_waits(l, 0x40));
	lapic_deliver(l, 0x40, false);
	assert_true(lapic_waits(l, 0x40));
	process_notification();
	assert_true(lapic_waits(l, 0x40));
	assert_false(lapic_waits(l, 0x41));
	assert_int_equal(fake_serve(l), 0x40);
	assert_false(lapic_waits(l, 0x40));
}

static void test_park(void **state)
{
	(void)state;
	assert_false(lapic_unpark(l));
	assert_false(lapic_park(l));
	lapic_deliver(l, 0x40, false);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(notifications, 0);
	assert_true(lapic_unpark(l)); /* it is not looked at yet */
	lapic_deliver(l, 0x41, false);
	assert_int_equal(cpu->notified + notifications, 1);
	assert_true(lapic_park(l)); /* nor now */
	assert_true(lapic_park(l));
	lapic_sync_pir(l);
	assert_false(lapic_park(l));
	assert_int_equal(fake_serve(l), 0x41);
	assert_int_equal(fake_serve(l), 0x40);
}

/* The processor must not take these: their EOI has to exit, and only the owner sees to that. */
static void test_level_is_the_owners(void **state)
{
	(void)state;
	assert_false(lapic_unpark(l));
	lapic_sync_pir(l);
	l->tmr_changed = false;
	lapic_deliver(l, 0x61, true);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(notifications, 0);
	process_notification(); /* that of something else */
	assert_int_equal(lapic_highest_irr(l), -1);
	lapic_deliver(l, 0x61, true);
	lapic_deliver(l, 0x62, true);
	assert_int_equal(cpu->notified, 1);
	lapic_sync_pir(l);
	assert_true(l->tmr_changed);
	assert_int_equal(lapic_tmr_word(l, 1), BIT(0x61 - 64) | BIT(0x62 - 64));
	assert_int_equal(fake_serve(l), 0x62);
	assert_int_equal(fake_serve(l), 0x61);
	assert_int_equal(fake_serve(l), -1);
	assert_int_equal(cpu->eois, 2);
}

/* A vector that has been level-triggered becomes an edge's again: TMR changes, so the owner's. */
static void test_edge_after_level(void **state)
{
	(void)state;
	lapic_deliver(l, 0x61, true);
	assert_int_equal(fake_serve(l), 0x61);
	assert_false(lapic_unpark(l));
	cpu->notified = 0;
	l->tmr_changed = false;
	lapic_deliver(l, 0x61, false);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(notifications, 0);
	assert_int_equal(fake_serve(l), 0x61);
	assert_true(l->tmr_changed);
	assert_int_equal(lapic_tmr_word(l, 1), 0);
	assert_int_equal(cpu->eois, 1);
	lapic_deliver(l, 0x61, false);
	assert_int_equal(notifications, 1);
}

/* An edge for the processor and a level for the owner, of one vector, are two interrupts. */
static void test_both_ways(void **state)
{
	(void)state;
	assert_false(lapic_unpark(l));
	lapic_deliver(l, 0x61, false);
	lapic_deliver(l, 0x61, true);
	assert_int_equal(notifications, 1);
	assert_int_equal(cpu->notified, 1);
	process_notification();
	assert_int_equal(lapic_highest_irr(l), 0x61);
	assert_int_equal(lapic_accept(l, 0x61), 0x61);
	lapic_eoi(l);
	assert_int_equal(cpu->eois, 0);
	assert_int_equal(fake_serve(l), 0x61);
	assert_int_equal(cpu->eois, 1);
}

static void test_reset(void **state)
{
	(void)state;
	descriptor.ndst = 7;
	descriptor.control |= 0xf3u << LAPIC_POSTED_NV_SHIFT;
	assert_false(lapic_unpark(l));
	lapic_deliver(l, 0x40, false);
	lapic_deliver(l, 0x50, true);
	lapic_reset(l, false);
	assert_int_equal(descriptor.control, 0xf3u << LAPIC_POSTED_NV_SHIFT);
	assert_int_equal(descriptor.ndst, 7);
	fake_enable(l);
	assert_int_equal(fake_take(l), -1);
	lapic_deliver(l, 0x40, false);
	lapic_deliver(l, 0x50, true);
	assert_int_equal(fake_serve(l), 0x50);
	assert_int_equal(fake_serve(l), 0x40);
}

/* --- senders against an owner that runs and sleeps, each vector taken before it is sent again ---
 */

#define SENDERS 3
#define ROUNDS	4000

static unsigned served[256], senders_left;

static void *sender(void *arg)
{
	u8 vector = (u8)(0x20 + 0x40 * (uintptr_t)arg);

	for (unsigned i = 1; i <= ROUNDS; i++) {
		lapic_deliver(l, vector, i % 7 == 0);
		while (load_acquire(&served[vector]) < i)
			sched_yield();
	}
	atomic_fetch_add(&senders_left, -1u);
	return NULL;
}

static void serve_all(void)
{
	int vector;

	while ((vector = lapic_highest_irr(l)) >= 0) {
		assert_int_equal(lapic_accept(l, vector), vector);
		lapic_eoi(l);
		store_release(&served[vector], served[vector] + 1);
	}
}

/* In the guest: what the processor takes is served; left by a notification for the owner. */
static void run_guest(unsigned turns)
{
	while (turns-- && !READ_ONCE(cpu->notified)) {
		if (atomic_xchg(&notifications, 0))
			process_notification();
		serve_all();
		sched_yield();
	}
}

static bool sleep_until_notified(void)
{
	time_t limit = time(NULL) + 60;

	while (!READ_ONCE(cpu->notified) && load_acquire(&senders_left)) {
		if (time(NULL) >= limit)
			return false;
		sched_yield();
	}
	return true;
}

static void test_threads(void **state)
{
	pthread_t thread[SENDERS];

	(void)state;
	memset(served, 0, sizeof(served));
	senders_left = SENDERS;
	for (uintptr_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, sender, (void *)i), 0);
	for (unsigned turn = 0; load_acquire(&senders_left); turn++) {
		atomic_xchg(&cpu->notified, 0);
		lapic_sync_pir(l);
		serve_all();
		if (!lapic_unpark(l))
			run_guest(turn % 5);
		if (!lapic_park(l))
			assert_true(sleep_until_notified());
	}
	for (unsigned i = 0; i < SENDERS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(served[0x20 + 0x40 * i], ROUNDS);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_layout),		  T(test_starts_parked), T(test_processor_takes),
		T(test_owner_takes),	  T(test_park),		 T(test_level_is_the_owners),
		T(test_edge_after_level), T(test_both_ways),	 T(test_reset),
		T(test_threads),	  T(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
