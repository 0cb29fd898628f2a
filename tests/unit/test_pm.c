/* ACPI fixed hardware. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "core/time.h"
#include "hv/dev/pm.h"
#include "shim.h"

#define STATUS	PM_EVENT_PORT
#define ENABLE	(PM_EVENT_PORT + 2)
#define CONTROL PM_CTRL_PORT
#define SLP_EN	0x2000

static struct pm pm;
static struct io_bus bus;
static bool sci;
static unsigned offs, resets;

static void on_irq(void *ctx __unused, unsigned gsi, bool level)
{
	assert_int_equal(gsi, 9);
	assert_int_not_equal(level, sci);
	sci = level;
}

static void on_power(void *ctx, enum vm_power_event event)
{
	assert_ptr_equal(ctx, &offs);
	/* Called with the lock free. */
	assert_true(spin_trylock(&pm.lock));
	spin_unlock(&pm.lock);
	offs += event == VM_POWER_OFF;
	resets += event == VM_POWER_RESET;
}

static u64 get(u16 port, unsigned size)
{
	return io_bus_read(&bus, port, size);
}

static void set(u16 port, unsigned size, u64 v)
{
	io_bus_write(&bus, port, size, v);
}

static int setup(void **state __unused)
{
	bus = (struct io_bus){ 0 };
	sci = false;
	offs = resets = 0;
	shim_set_time(SHIM_HZ);
	pm_init(&pm, (struct irq_line){ .set = on_irq, .gsi = PM_SCI_IRQ },
		(struct vm_power){ on_power, &offs });
	return pm_attach(&pm, &bus);
}

static int teardown(void **state __unused)
{
	pm_fini(&pm);
	return 0;
}

static void test_timer(void **state __unused)
{
	assert_int_equal(get(PM_TIMER_PORT, 4), 0);
	shim_set_time(SHIM_HZ + SHIM_HZ);
	assert_int_equal(get(PM_TIMER_PORT, 4), 3579545);
	assert_int_equal(get(PM_TIMER_PORT, 2), 3579545 & 0xffff);
	assert_int_equal(get(PM_TIMER_PORT + 1, 1), 3579545 >> 8 & 0xff);
	assert_int_equal(get(PM_TIMER_PORT + 2, 2), 3579545 >> 16);
	set(PM_TIMER_PORT, 4, 0); /* read-only */
	assert_int_equal(get(PM_TIMER_PORT, 4), 3579545);
	/* 32 bits: goes round after 20 minutes. */
	shim_set_time(SHIM_HZ + 1201 * SHIM_HZ);
	assert_int_equal(get(PM_TIMER_PORT, 4), (u32)(1201ull * 3579545));
}

static void test_timer_event(void **state __unused)
{
	const u64 half_ns = (1ull << 31) * SHIM_HZ / PM_TIMER_HZ;

	shim_run_until(SHIM_HZ + half_ns - 1000);
	assert_int_equal(get(STATUS, 2) & 1, 0);
	shim_run_until(SHIM_HZ + half_ns + 1000);
	assert_int_equal(get(STATUS, 2) & 1, 1); /* without interrupt */
	assert_false(sci);
	assert_false(timer_is_armed(&pm.timer));
	set(ENABLE, 2, 1);
	assert_true(sci);
	set(STATUS, 2, 1);
	assert_false(sci);
	assert_int_equal(get(STATUS, 2), 0);
	assert_true(timer_is_armed(&pm.timer));
	shim_run_until(SHIM_HZ + 2 * half_ns - 1000);
	assert_false(sci);
	shim_run_until(SHIM_HZ + 2 * half_ns + 1000); /* the falling bit, too */
	assert_true(sci);
	assert_false(timer_is_armed(&pm.timer));
	set(ENABLE, 2, 0);
	assert_false(sci);
	set(ENABLE, 2, 1);
	set(STATUS, 2, 1);
	pm.timer.fn(&pm.timer); /* early: nothing */
	assert_false(sci);
}

static void test_enable_bits(void **state __unused)
{
	set(ENABLE, 2, 0xffff);
	assert_int_equal(get(ENABLE, 2), 0x0521);
	set(ENABLE + 1, 1, 0);
	assert_int_equal(get(ENABLE, 2), 0x0021);
	set(ENABLE, 1, 0);
	set(ENABLE + 1, 1, 1);
	set(ENABLE, 1, 0x20); /* a byte leaves the other alone */
	assert_int_equal(get(ENABLE, 2), 0x0120);
	set(ENABLE, 1, 0);
	assert_int_equal(get(ENABLE, 2), 0x0100);
	assert_int_equal(get(STATUS, 4), 0x01000000);
	assert_int_equal(get(PM_BASE + 6, 2), 0);
	pm_press_power_button(&pm);
	set(STATUS, 4, 0x00200100); /* clears the button, enables another */
	assert_int_equal(get(STATUS, 4), 0x00200000);
	/* Odd address, two registers. */
	set(STATUS + 1, 2, 0x0101);
	assert_int_equal(get(ENABLE, 2), 0x0001);
}

static void test_power_button(void **state __unused)
{
	pm_press_power_button(&pm);
	assert_false(sci);
	assert_int_equal(get(STATUS, 2), 0x0100);
	set(ENABLE, 2, 0x0100);
	assert_true(sci);
	set(STATUS, 2, 0x0001); /* other bits do not clear it */
	assert_true(sci);
	set(STATUS + 1, 1, 0x01);
	assert_false(sci);
	pm_press_power_button(&pm);
	assert_true(sci);
	pm_reset(&pm);
	assert_false(sci);
	assert_int_equal(get(ENABLE, 2), 0);
}

static void test_power_off(void **state __unused)
{
	assert_int_equal(get(CONTROL, 2), 1); /* always in ACPI mode */
	set(CONTROL, 2, 0);
	assert_int_equal(get(CONTROL, 2), 1);
	/* As ACPICA does: the type first, then type and enable. */
	set(CONTROL, 2, 1 | PM_SLEEP_TYPE_S5 << 10);
	assert_int_equal(offs, 0);
	assert_int_equal(get(CONTROL, 2), 1 | PM_SLEEP_TYPE_S5 << 10);
	set(CONTROL, 2, 1 | PM_SLEEP_TYPE_S5 << 10 | SLP_EN);
	assert_int_equal(offs, 1);
	assert_int_equal(get(CONTROL, 2) & SLP_EN, 0);
	/* Sleep states that do not exist. */
	for (unsigned type = 0; type < 8; type++) {
		if (type != PM_SLEEP_TYPE_S5)
			set(CONTROL, 2, type << 10 | SLP_EN);
	}
	assert_int_equal(offs, 1);
	/* The high byte alone. */
	set(CONTROL + 1, 1, (PM_SLEEP_TYPE_S5 << 10 | SLP_EN) >> 8);
	assert_int_equal(offs, 2);
	/* The low byte does not count, nor does the enable bit in another register. */
	set(CONTROL, 1, 0xff);
	set(STATUS, 2, SLP_EN | PM_SLEEP_TYPE_S5 << 10);
	set(CONTROL + 2, 2, SLP_EN | PM_SLEEP_TYPE_S5 << 10);
	assert_int_equal(offs, 2);
	/* Four bytes across both blocks. */
	set(ENABLE, 4, (u64)(PM_SLEEP_TYPE_S5 << 10 | SLP_EN) << 16 | 0x0100);
	assert_int_equal(offs, 3);
	assert_int_equal(get(ENABLE, 2), 0x0100);
	assert_int_equal(resets, 0);
}

static void test_gpe(void **state __unused)
{
	set(PM_GPE_PORT, 4, 0xffffffff);
	assert_int_equal(get(PM_GPE_PORT, 4), 0);
	assert_int_equal(get(PM_GPE_PORT + 4, 1), 0xff);
	assert_int_equal(get(PM_TIMER_PORT + 4, 1), 0xff);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_timer),	      T(test_timer_event), T(test_enable_bits),
		T(test_power_button), T(test_power_off),   T(test_gpe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
