/* The local APIC's timer, against a clock that is set by hand. */
#include "core/time.h"
#include "shim.h"

/* lapic_timer.c asks this for the TSC's frequency here: some tests need an odd one. */
static u64 test_hz = SHIM_HZ;
#define time_hz() test_hz
#include "hv/dev/lapic_timer.c"
#undef time_hz

#include "apic_fake.h"

#define CLOCK  (SHIM_HZ / LAPIC_TIMER_HZ) /* ticks */
#define VECTOR 0xec

static struct fake_vm *vm;
static struct fake_cpu *cpu;
static struct lapic *l;
static u64 start; /* an odd moment, so that nothing relies on 0 */

static int set_up(void **state)
{
	(void)state;
	test_hz = SHIM_HZ;
	start = 1234567;
	shim_set_time(start);
	vm = fake_vm_new(1);
	cpu = vm->cpu[0];
	l = &cpu->l;
	fake_enable(l);
	mmio_set(l, LAPIC_TIMER_DIVIDE, 0xb); /* by 1 */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_vm_free(vm);
	return 0;
}

/* Interrupts of the timer up to now, all served. */
static unsigned interrupts(void)
{
	unsigned n = 0;
	int vector;

	while ((vector = fake_serve(l)) >= 0) {
		assert_int_equal(vector, VECTOR);
		n++;
	}
	return n;
}

/* Lets the time pass up to `clocks` after the start, then counts. */
static unsigned at_clock(u64 clocks)
{
	shim_run_until(start + clocks * CLOCK);
	return interrupts();
}

static unsigned at_tick(u64 ticks)
{
	shim_run_until(start + ticks);
	return interrupts();
}

static void set_mode(enum lapic_timer_mode mode)
{
	mmio_set(l, LAPIC_LVT_TIMER, (u32)mode << 17 | VECTOR);
}

/* --- counting --- */

static void test_one_shot(void **state)
{
	(void)state;
	set_mode(LAPIC_ONE_SHOT);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_INIT), 1000);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1000);
	assert_int_equal(at_tick(CLOCK - 1), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1000);
	assert_int_equal(at_tick(CLOCK), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 999);
	assert_int_equal(at_tick(1000 * CLOCK - 1), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1);
	cpu->notified = 0;
	shim_run_until(start + 1000 * CLOCK);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_INIT), 1000);
	assert_int_equal(at_clock(1000000), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
}

static void test_stop_and_restart(void **state)
{
	(void)state;
	set_mode(LAPIC_ONE_SHOT);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(at_clock(900), 0);
	mmio_set(l, LAPIC_TIMER_INIT, 500); /* anew */
	assert_int_equal(at_clock(1399), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1);
	mmio_set(l, LAPIC_TIMER_INIT, 0);
	assert_false(timer_is_armed(&l->timer.timer));
	assert_int_equal(at_clock(10000), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	/* The largest count and divider. */
	mmio_set(l, LAPIC_TIMER_DIVIDE, 0xa);
	mmio_set(l, LAPIC_TIMER_INIT, UINT32_MAX);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), UINT32_MAX);
	assert_int_equal(at_clock(10000 + 128ull * UINT32_MAX - 1), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1);
	assert_int_equal(at_clock(10000 + 128ull * UINT32_MAX), 1);
}

static void test_dividers(void **state)
{
	static const u8 code[8] = { 0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa };

	(void)state;
	set_mode(LAPIC_ONE_SHOT);
	for (unsigned i = 0; i < 8; i++) {
		u64 clocks = 100ull << i;

		shim_set_time(start);
		mmio_set(l, LAPIC_TIMER_DIVIDE, 0xfffffff4 | code[i]);
		assert_int_equal(mmio_get(l, LAPIC_TIMER_DIVIDE), code[i]);
		mmio_set(l, LAPIC_TIMER_INIT, 100);
		assert_int_equal(at_tick(((1ull << i) * CLOCK) - 1), 0);
		assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 100);
		assert_int_equal(at_clock(1ull << i), 0);
		assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 99);
		assert_int_equal(at_tick(clocks * CLOCK - 1), 0);
		assert_int_equal(at_clock(clocks), 1);
	}
}

static void test_divider_while_counting(void **state)
{
	(void)state;
	set_mode(LAPIC_PERIODIC);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(at_clock(400), 0);
	mmio_set(l, LAPIC_TIMER_DIVIDE, 0x1); /* by 4 */
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 600);
	assert_int_equal(at_clock(400 + 2399), 0);
	assert_int_equal(at_clock(400 + 2400), 1);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1000);
	assert_int_equal(at_clock(400 + 2400 + 3999), 0);
	assert_int_equal(at_clock(400 + 2400 + 4000), 1);
	mmio_set(l, LAPIC_TIMER_DIVIDE, 0xb);
	assert_int_equal(at_clock(400 + 2400 + 4000 + 999), 0);
	assert_int_equal(at_clock(400 + 2400 + 4000 + 1000), 1);
}

/* --- periodic --- */

static void test_no_drift(void **state)
{
	(void)state;
	set_mode(LAPIC_PERIODIC);
	mmio_set(l, LAPIC_TIMER_INIT, 777);
	for (u64 i = 1; i <= 1000000; i++) {
		assert_int_equal(at_tick(i * 777 * CLOCK - 1), 0);
		assert_int_equal(at_tick(i * 777 * CLOCK), 1);
	}
}

/* A TSC whose frequency the APIC's clock does not divide: each end is exact, rounded up. */
static void test_no_drift_odd_frequency(void **state)
{
	(void)state;
	test_hz = 2893299999;
	set_mode(LAPIC_PERIODIC);
	mmio_set(l, LAPIC_TIMER_INIT, 777);
	for (u64 i = 1; i <= 1000000; i++) {
		unsigned __int128 exact = (unsigned __int128)i * 777 * test_hz;
		u64 end = (u64)((exact + LAPIC_TIMER_HZ - 1) / LAPIC_TIMER_HZ);

		cpu->notified = 0;
		assert_int_equal(at_tick(end - 1), 0);
		assert_int_equal(cpu->notified, 0); /* nor was the vCPU disturbed */
		assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1);
		assert_int_equal(at_tick(end), 1);
		assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 777);
	}
}

/* A vCPU that does not get to run misses periods, but not the beat. */
static void test_late_owner(void **state)
{
	(void)state;
	set_mode(LAPIC_PERIODIC);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(at_clock(1000), 1);
	cpu->notified = 0;
	shim_run_until(start + 7300 * CLOCK);
	assert_int_equal(cpu->notified, 1); /* the host was bothered once */
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 700);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 700);
	assert_int_equal(at_tick(8000 * CLOCK - 1), 0);
	assert_int_equal(at_clock(8000), 1);
	/* Exactly at an end. */
	shim_run_until(start + 10000 * CLOCK);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1000);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(at_tick(11000 * CLOCK - 1), 0);
	assert_int_equal(at_clock(11000), 1);
}

/* Serves the timer at each of the host's interrupts for so many clocks. */
static unsigned storm(u32 count, u64 clocks)
{
	unsigned n = 0;

	shim_set_time(start);
	mmio_set(l, LAPIC_TIMER_INIT, count);
	for (u64 i = 1; i <= clocks; i++)
		n += at_clock(i);
	mmio_set(l, LAPIC_TIMER_INIT, 0);
	return n;
}

static void test_min_period(void **state)
{
	(void)state;
	set_mode(LAPIC_PERIODIC);
	assert_int_equal(LAPIC_TIMER_MIN_CLOCKS, 500);
	assert_int_equal(storm(500, 50000), 100); /* at the edge: every one */
	/* First at once, then every second one, 998 clocks. */
	assert_int_equal(storm(499, 499 + 998 * 50), 51);
	assert_int_equal(storm(1, 1 + 500 * 50), 51);
	assert_int_equal(storm(300, 300 + 600 * 50), 51);
	/* The count goes on as if nothing were left out. */
	shim_set_time(start);
	mmio_set(l, LAPIC_TIMER_INIT, 300);
	assert_int_equal(at_clock(300), 1);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 300);
	assert_int_equal(at_clock(599), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1);
	assert_int_equal(at_clock(600), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 300);
	assert_int_equal(at_clock(900), 1);
	assert_int_equal(at_clock(1050), 0);
	/* Made one-shot, it ends with this period, not with the one that would interrupt. */
	set_mode(LAPIC_ONE_SHOT);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 150);
	assert_int_equal(at_clock(1199), 0);
	assert_int_equal(at_clock(1200), 1);
	assert_int_equal(at_clock(5000), 0);
	/* A period of just the limit loses no beat to a late owner. */
	set_mode(LAPIC_PERIODIC);
	mmio_set(l, LAPIC_TIMER_INIT, 500);
	shim_run_until(start + 5501 * CLOCK);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(at_clock(6000), 1);
}

/* --- modes and masks --- */

static void test_mode_changes(void **state)
{
	(void)state;
	set_mode(LAPIC_ONE_SHOT);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(at_clock(600), 0);
	set_mode(LAPIC_PERIODIC); /* goes on from where it is */
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 400);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_INIT), 1000);
	assert_int_equal(at_clock(1000), 1);
	assert_int_equal(at_clock(1600), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 400);
	set_mode(LAPIC_ONE_SHOT);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 400);
	assert_int_equal(at_clock(2000), 1);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	set_mode(LAPIC_PERIODIC); /* at rest it stays at rest */
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	assert_int_equal(at_clock(10000), 0);
	/* To and from deadline mode everything is lost. */
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	set_mode(LAPIC_TSC_DEADLINE);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_INIT), 0);
	mmio_set(l, LAPIC_TIMER_INIT, 1000); /* ignored */
	assert_int_equal(mmio_get(l, LAPIC_TIMER_INIT), 0);
	lapic_timer_set_deadline(l, start + 11000 * CLOCK);
	set_mode(LAPIC_ONE_SHOT);
	assert_int_equal(lapic_timer_deadline(l), 0);
	assert_false(timer_is_armed(&l->timer.timer));
	set_mode(LAPIC_TSC_DEADLINE);
	assert_int_equal(lapic_timer_deadline(l), 0);
	/* The reserved mode runs nothing. */
	set_mode((enum lapic_timer_mode)3);
	mmio_set(l, LAPIC_TIMER_INIT, 10);
	lapic_timer_set_deadline(l, start + 11000 * CLOCK);
	assert_int_equal(at_clock(20000), 0);
}

static void set_masked(bool masked, enum lapic_timer_mode mode)
{
	mmio_set(l, LAPIC_LVT_TIMER, (u32)mode << 17 | VECTOR | (masked ? LAPIC_LVT_MASKED : 0));
}

static void test_mask(void **state)
{
	(void)state;
	/* One-shot: what passes under the mask is gone. */
	set_masked(true, LAPIC_ONE_SHOT);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_false(timer_is_armed(&l->timer.timer));
	assert_int_equal(at_clock(400), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 600);
	assert_int_equal(at_clock(1000), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	set_masked(false, LAPIC_ONE_SHOT);
	assert_int_equal(at_clock(2000), 0);
	/* Unmasked in time it fires. */
	set_masked(true, LAPIC_ONE_SHOT);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(at_clock(2999), 0);
	set_masked(false, LAPIC_ONE_SHOT);
	assert_int_equal(at_clock(3000), 1);
	/* Periodic: the beat goes on. */
	set_masked(true, LAPIC_PERIODIC);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(at_clock(5300), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 700);
	set_masked(false, LAPIC_PERIODIC);
	assert_int_equal(at_clock(5999), 0);
	assert_int_equal(at_clock(6000), 1);
	/* Masked after it went off, before the owner looked: it had happened. */
	shim_run_until(start + 7000 * CLOCK);
	set_masked(true, LAPIC_PERIODIC);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(at_clock(8000), 0);
	/* Software-disabling masks, too. */
	set_masked(false, LAPIC_PERIODIC);
	mmio_set(l, LAPIC_SVR, 0xff);
	assert_false(timer_is_armed(&l->timer.timer));
	assert_int_equal(at_clock(10000), 0);
}

static void test_illegal_vector(void **state)
{
	(void)state;
	mmio_set(l, LAPIC_LVT_TIMER, 15);
	mmio_set(l, LAPIC_TIMER_INIT, 10);
	assert_int_equal(at_clock(10), 0);
	mmio_set(l, LAPIC_ESR, 0);
	assert_int_equal(mmio_get(l, LAPIC_ESR), 0x40);
}

static void test_reset(void **state)
{
	(void)state;
	set_mode(LAPIC_PERIODIC);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	shim_run_until(start + 1000 * CLOCK); /* flagged, not yet looked at */
	lapic_reset(l, false);
	assert_false(timer_is_armed(&l->timer.timer));
	fake_enable(l);
	set_mode(LAPIC_PERIODIC);
	assert_int_equal(interrupts(), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	assert_int_equal(at_clock(1500), 0);
	lapic_reset(l, false); /* in the midst of counting */
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	fake_enable(l);
	assert_int_equal(at_clock(5000), 0);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	/* The divider is 2 again. */
	set_mode(LAPIC_ONE_SHOT);
	mmio_set(l, LAPIC_TIMER_INIT, 100);
	assert_int_equal(at_clock(5199), 0);
	assert_int_equal(at_clock(5200), 1);
}

/* The host may call back late or for nothing, and from a CPU whose TSC is behind. */
static void test_stale_callback(void **state)
{
	(void)state;
	lapic_timer_fn(&l->timer.timer);
	assert_int_equal(interrupts(), 0);
	set_mode(LAPIC_ONE_SHOT);
	mmio_set(l, LAPIC_TIMER_INIT, 1000);
	shim_set_time(start - 50);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 1000);
	timer_cancel(&l->timer.timer);
	lapic_timer_fn(&l->timer.timer);
	assert_int_equal(interrupts(), 0);
	assert_true(timer_is_armed(&l->timer.timer));
	assert_int_equal(at_clock(1000), 1);
	set_mode(LAPIC_TSC_DEADLINE);
	lapic_timer_set_deadline(l, start + 2000 * CLOCK);
	timer_cancel(&l->timer.timer);
	lapic_timer_fn(&l->timer.timer);
	assert_int_equal(interrupts(), 0);
	assert_int_equal(at_clock(2000), 1);
	assert_int_equal(at_clock(9000), 0);
}

/* --- TSC deadline --- */

static void test_deadline(void **state)
{
	(void)state;
	lapic_timer_set_deadline(l, start + 5); /* not in this mode */
	assert_int_equal(lapic_timer_deadline(l), 0);
	assert_false(timer_is_armed(&l->timer.timer));
	set_mode(LAPIC_TSC_DEADLINE);
	assert_int_equal(lapic_timer_deadline(l), 0);
	lapic_timer_set_deadline(l, start + 5000);
	assert_int_equal(lapic_timer_deadline(l), start + 5000);
	assert_int_equal(mmio_get(l, LAPIC_TIMER_COUNT), 0);
	assert_int_equal(at_tick(4999), 0);
	assert_int_equal(lapic_timer_deadline(l), start + 5000);
	assert_int_equal(at_tick(5000), 1);
	assert_int_equal(lapic_timer_deadline(l), 0);
	/* Now, and in the past: at once, in the write itself. */
	cpu->notified = 0;
	lapic_timer_set_deadline(l, start + 5000);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(lapic_timer_deadline(l), 0);
	assert_int_equal(interrupts(), 1);
	lapic_timer_set_deadline(l, 1);
	assert_int_equal(interrupts(), 1);
	/* Replaced by an earlier one, a later one, none. */
	lapic_timer_set_deadline(l, start + 9000);
	lapic_timer_set_deadline(l, start + 8000);
	assert_int_equal(at_tick(8000), 1);
	assert_int_equal(at_tick(9000), 0);
	lapic_timer_set_deadline(l, start + 10000);
	lapic_timer_set_deadline(l, start + 11000);
	assert_int_equal(at_tick(10999), 0);
	assert_int_equal(at_tick(11000), 1);
	lapic_timer_set_deadline(l, start + 12000);
	lapic_timer_set_deadline(l, 0);
	assert_false(timer_is_armed(&l->timer.timer));
	assert_int_equal(at_tick(13000), 0);
	/* A replacement in the past leaves nothing of the first. */
	lapic_timer_set_deadline(l, start + 14000);
	lapic_timer_set_deadline(l, start);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(at_tick(15000), 0);
}

/* The guest reads the MSR after the deadline, before the host's timer was served. */
static void test_deadline_read_late(void **state)
{
	(void)state;
	set_mode(LAPIC_TSC_DEADLINE);
	lapic_timer_set_deadline(l, start + 100);
	shim_set_time(start + 100);
	cpu->notified = 0;
	assert_int_equal(lapic_timer_deadline(l), 0);
	assert_int_equal(cpu->notified, 1);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(at_tick(1000), 0);
}

static void test_deadline_mask(void **state)
{
	(void)state;
	set_masked(true, LAPIC_TSC_DEADLINE);
	lapic_timer_set_deadline(l, start + 100);
	assert_int_equal(lapic_timer_deadline(l), start + 100);
	assert_false(timer_is_armed(&l->timer.timer));
	assert_int_equal(at_tick(100), 0);
	assert_int_equal(lapic_timer_deadline(l), 0);
	set_masked(false, LAPIC_TSC_DEADLINE);
	assert_int_equal(at_tick(150), 0);
	/* Passed under the mask and never read. */
	set_masked(true, LAPIC_TSC_DEADLINE);
	lapic_timer_set_deadline(l, start + 200);
	assert_int_equal(at_tick(200), 0);
	set_masked(false, LAPIC_TSC_DEADLINE);
	assert_int_equal(at_tick(250), 0);
	assert_int_equal(lapic_timer_deadline(l), 0);
	/* Unmasked in time. */
	set_masked(true, LAPIC_TSC_DEADLINE);
	lapic_timer_set_deadline(l, start + 300);
	set_masked(false, LAPIC_TSC_DEADLINE);
	assert_int_equal(at_tick(299), 0);
	assert_int_equal(at_tick(300), 1);
	/* In the past, masked. */
	set_masked(true, LAPIC_TSC_DEADLINE);
	lapic_timer_set_deadline(l, start);
	assert_int_equal(lapic_timer_deadline(l), 0);
	assert_int_equal(interrupts(), 0);
}

static void test_deadline_offset(void **state)
{
	(void)state;
	set_mode(LAPIC_TSC_DEADLINE);
	lapic_set_tsc_offset(l, -start); /* guest's TSC: 0 now */
	lapic_timer_set_deadline(l, 1000);
	assert_int_equal(at_tick(999), 0);
	assert_int_equal(at_tick(1000), 1);
	/* The guest moves its TSC forth over an armed deadline, and back before one. */
	lapic_timer_set_deadline(l, 5000);
	lapic_set_tsc_offset(l, -start + 3000);
	assert_int_equal(at_tick(1999), 0);
	assert_int_equal(at_tick(2000), 1);
	lapic_timer_set_deadline(l, 6000);
	lapic_set_tsc_offset(l, -start + 4000);
	assert_int_equal(interrupts(), 1);
	lapic_timer_set_deadline(l, 7000);
	lapic_set_tsc_offset(l, -start);
	assert_int_equal(at_tick(6999), 0);
	assert_int_equal(at_tick(7000), 1);
	/* Farther away than the host's time goes. */
	lapic_set_tsc_offset(l, -start - 7000);
	lapic_timer_set_deadline(l, UINT64_MAX);
	assert_int_equal(l->timer.timer.deadline, UINT64_MAX);
	assert_int_equal(lapic_timer_deadline(l), UINT64_MAX);
	assert_int_equal(at_tick(1000000), 0);
	/* The guest's TSC is about to wrap. */
	lapic_set_tsc_offset(l, -(start + 1000000) - 100);
	lapic_timer_set_deadline(l, UINT64_MAX - 49);
	assert_int_equal(at_tick(1000049), 0);
	assert_int_equal(at_tick(1000050), 1);
}

/* A TSC that counts 2.5 ticks for one of the host's, as the processor multiplies. */
static void test_deadline_scaled(void **state)
{
	const struct tsc_scaling vmx = { 16, 48 };
	u64 zero;

	(void)state;
	assert_true(guest_tsc_init(&l->config.tsc, 5 * SHIM_HZ / 2, SHIM_HZ, vmx));
	zero = guest_tsc_scale(&l->config.tsc, start);
	set_mode(LAPIC_TSC_DEADLINE);
	lapic_set_tsc_offset(l, -zero);
	lapic_timer_set_deadline(l, 2500);
	assert_int_equal(at_tick(999), 0);
	assert_int_equal(at_tick(1000), 1);
	/* Not a whole tick: the next one. */
	lapic_timer_set_deadline(l, 5001);
	assert_int_equal(at_tick(2000), 0);
	assert_int_equal(at_tick(2001), 1);
	lapic_timer_set_deadline(l, 10000);
	lapic_set_tsc_offset(l, -zero - 2500);
	assert_int_equal(at_tick(4999), 0);
	assert_int_equal(at_tick(5000), 1);
	lapic_timer_set_deadline(l, UINT64_MAX);
	assert_int_equal(l->timer.timer.deadline, UINT64_MAX);
	assert_int_equal(at_tick(1000000), 0);
	/* Counts are of the timer's own clock. */
	l->config.tsc = (struct guest_tsc){ 0, 0, 0 };
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_shot),	    T(test_stop_and_restart),
		T(test_dividers),	    T(test_divider_while_counting),
		T(test_no_drift),	    T(test_no_drift_odd_frequency),
		T(test_late_owner),	    T(test_min_period),
		T(test_mode_changes),	    T(test_mask),
		T(test_illegal_vector),	    T(test_reset),
		T(test_stale_callback),	    T(test_deadline),
		T(test_deadline_read_late), T(test_deadline_mask),
		T(test_deadline_offset),    T(test_deadline_scaled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
