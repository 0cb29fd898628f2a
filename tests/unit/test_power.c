/* Switching off: what does it may be slow; where nothing does, that is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "arch/x86/acpi.h"
#include "arch/x86/pio.h"
#include "shim.h"

#define CONTROL	   0x604
#define KEYBOARD   0x64
#define PORT_TICKS (SHIM_HZ / 10000000) /* an emulator's port: a tenth of a microsecond */

static u64 now, off_at; /* UINT64_MAX: not asked to */
static u64 takes;	/* from the request until the machine is off */
static bool resets;	/* the keyboard controller does */
static jmp_buf is_off;
static unsigned drained;

u64 time_now(void)
{
	return now;
}

void host_uart_drain(void)
{
	drained++;
}

void *phys_map_device(hpa_t pa, u64 size)
{
	(void)pa;
	(void)size;
	return NULL;
}

static void request(void)
{
	if (takes != UINT64_MAX && off_at == UINT64_MAX)
		off_at = now + takes;
}

static void pass(void)
{
	now += PORT_TICKS;
	if (now >= off_at)
		longjmp(is_off, 1);
}

static u8 fake_inb(u16 port)
{
	(void)port;
	pass();
	return 0;
}

static void fake_outb(u16 port, u8 v)
{
	if (resets && port == KEYBOARD && v == 0xfe)
		request();
	pass();
}

static u16 fake_inw(u16 port)
{
	assert_int_equal(port, CONTROL);
	pass();
	return 1; /* handed over */
}

static void fake_outw(u16 port, u16 v)
{
	assert_int_equal(port, CONTROL);
	if (v & 1 << 13)
		request();
	pass();
}

#define inb  fake_inb
#define outb fake_outb
#define inw  fake_inw
#define outw fake_outw
#include "arch/x86/power.c"

static int set_up(void **state)
{
	(void)state;
	memset(&acpi_info, 0, sizeof(acpi_info));
	acpi_info.has_s5 = acpi_info.has_fadt = true;
	acpi_info.fadt.pm1a_cnt = (struct acpi_gas){ .space = ACPI_IO, .address = CONTROL };
	power_init();
	now = SHIM_HZ;
	off_at = UINT64_MAX;
	takes = 0;
	resets = false;
	drained = 0;
	shim_log_reset();
	return 0;
}

static bool goes_off(void (*how)(void))
{
	if (setjmp(is_off))
		return true;
	how();
	return false;
}

static void at_once(void **state)
{
	(void)state;
	assert_true(goes_off(power_off));
	assert_int_equal(drained, 1);
	assert_int_equal(shim_log_count(), 0);
}

/* Another thread of an emulator's does it, which is stopped for a while. */
static void late(void **state)
{
	(void)state;
	takes = 3 * SHIM_HZ;
	assert_true(goes_off(power_off));
	assert_int_equal(shim_log_count(), 0);
}

static void late_reset(void **state)
{
	(void)state;
	takes = 3 * SHIM_HZ;
	resets = true;
	assert_true(goes_off(power_reset));
	assert_int_equal(shim_log_count(), 0);
}

static void never(void **state)
{
	u64 start = now;

	(void)state;
	takes = UINT64_MAX;
	assert_false(goes_off(power_off));
	assert_true(shim_log_contains("the machine does not switch off"));
	assert_in_range(now - start, 5 * SHIM_HZ, 6 * SHIM_HZ);
	assert_false(goes_off(power_reset));
	assert_true(shim_log_contains("the machine does not reset"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(at_once, set_up),
		cmocka_unit_test_setup(late, set_up),
		cmocka_unit_test_setup(late_reset, set_up),
		cmocka_unit_test_setup(never, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
