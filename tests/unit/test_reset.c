/* The ways to reset, the keyboard controller around one of them, and the exit port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "hv/dev/debug_exit.h"
#include "hv/dev/kbc.h"
#include "hv/dev/reset.h"

static struct reset reset;
static struct kbc kbc;
static struct debug_exit dbg;
static struct io_bus bus;
static unsigned resets, exits, exit_status;

static void on_power(void *ctx, enum vm_power_event event)
{
	assert_ptr_equal(ctx, &resets);
	assert_int_equal(event, VM_POWER_RESET);
	assert_true(spin_trylock(&kbc.lock));
	spin_unlock(&kbc.lock);
	resets++;
}

static void on_exit_port(void *ctx, unsigned status)
{
	assert_ptr_equal(ctx, &exits);
	exits++;
	exit_status = status;
}

static void out(u16 port, unsigned size, u64 v)
{
	io_bus_write(&bus, port, size, v);
}

static u64 in(u16 port, unsigned size)
{
	return io_bus_read(&bus, port, size);
}

static int setup(void **state __unused)
{
	struct vm_power power = { on_power, &resets };

	bus = (struct io_bus){ 0 };
	resets = exits = 0;
	reset_init(&reset, power);
	kbc_init(&kbc, power);
	debug_exit_init(&dbg, on_exit_port, &exits);
	return reset_attach(&reset, &bus) || kbc_attach(&kbc, &bus) || debug_exit_attach(&dbg, &bus)
		       ? -1
		       : 0;
}

static void test_reset_control(void **state __unused)
{
	assert_int_equal(in(0xcf9, 1), 0);
	out(0xcf9, 1, 0x02);
	assert_int_equal(resets, 0);
	out(0xcf9, 1, 0x06);
	assert_int_equal(resets, 1);
	assert_int_equal(in(0xcf9, 1), 0x06);
	out(0xcf9, 1, 0x06); /* only 0 to 1 counts */
	assert_int_equal(resets, 1);
	out(0xcf9, 1, 0xf0);
	assert_int_equal(in(0xcf9, 1), 0);
	out(0xcf9, 1, RESET_CONTROL_VALUE);
	assert_int_equal(resets, 2);
	reset_reset(&reset);
	assert_int_equal(in(0xcf9, 1), 0);
	out(0xcf9, 1, 0x0e);
	assert_int_equal(resets, 3);
}

/* A kernel that looks for PCI writes addresses there whose second byte has bit 2 set. */
static void test_pci_probe_is_no_reset(void **state __unused)
{
	for (u32 slot = 0; slot < 32; slot++) {
		for (u32 fn = 0; fn < 8; fn++) {
			out(0xcf8, 4, 0x80000000 | slot << 11 | fn << 8);
			assert_int_equal(in(0xcf8, 4), 0xffffffff);
			assert_int_equal(in(0xcfc, 4), 0xffffffff);
		}
	}
	out(0xcfb, 1, 0x01);
	out(0xcf8, 2, 0x0600);
	out(0xcf9, 2, 0x0006);
	out(0xcf8, 1, 0x06);
	assert_int_equal(resets, 0);
	assert_int_equal(in(0xcf8, 2), 0xffff);
	assert_int_equal(in(0xcf9, 1), 0);
}

static void test_port92(void **state __unused)
{
	assert_int_equal(in(0x92, 1), 0x02);
	out(0x92, 1, 0xfe); /* as boot code that opens A20 does */
	assert_int_equal(in(0x92, 1), 0x02);
	out(0x92, 1, 0x00);
	assert_int_equal(in(0x92, 1), 0x00);
	assert_int_equal(resets, 0);
	out(0x92, 1, 0x01);
	assert_int_equal(resets, 1);
	out(0x92, 1, 0x01);
	assert_int_equal(resets, 1);
}

static void test_kbc_reset(void **state __unused)
{
	assert_int_equal(in(0x64, 1) & 3, 0); /* nothing to wait for, nothing to drain */
	out(0x64, 1, 0xfe);
	assert_int_equal(resets, 1);
	out(0x64, 1, 0xff); /* pulses nothing */
	out(0x64, 1, 0xfd);
	out(0x60, 1, 0xfe); /* to the keyboard, not a command */
	assert_int_equal(resets, 1);
	out(0x64, 1, 0xf0);
	assert_int_equal(resets, 2);
	/* By the output port. */
	out(0x64, 1, 0xd1);
	out(0x60, 1, 0xdf);
	assert_int_equal(resets, 2);
	out(0x60, 1, 0xfe);
	assert_int_equal(resets, 2);
	out(0x64, 1, 0xd1);
	out(0x60, 1, 0xfe);
	assert_int_equal(resets, 3);
}

static u8 kbc_reply(void)
{
	u8 v;

	assert_int_equal(in(0x64, 1) & 1, 1);
	v = (u8)in(0x60, 1);
	assert_int_equal(in(0x64, 1) & 0x43, 0);
	return v;
}

static void test_kbc_answers(void **state __unused)
{
	out(0x64, 1, 0xaa);
	assert_int_equal(kbc_reply(), 0x55);
	out(0x64, 1, 0xab);
	assert_int_equal(kbc_reply(), 0x00);
	out(0x64, 1, 0xa9);
	assert_int_equal(kbc_reply(), 0xff);
	out(0x64, 1, 0xd0);
	assert_int_equal(kbc_reply(), 0x03);
	out(0x64, 1, 0x20);
	assert_int_equal(kbc_reply(), 0x34);
	out(0x64, 1, 0x60);
	assert_int_equal(in(0x64, 1) & 8, 8);
	out(0x60, 1, 0x47);
	assert_int_equal(in(0x64, 1) & 9, 0);
	out(0x64, 1, 0xad);
	out(0x64, 1, 0x20);
	assert_int_equal(kbc_reply(), 0x57);
	out(0x64, 1, 0xae);
	out(0x64, 1, 0x20);
	assert_int_equal(kbc_reply(), 0x47);
	/* A byte for the keyboard: no one there. */
	out(0x60, 1, 0xff);
	assert_int_equal(in(0x64, 1) & 0x41, 0x41);
	assert_int_equal(kbc_reply(), 0xfe);
	out(0x64, 1, 0xd4);
	out(0x60, 1, 0xf2);
	assert_int_equal(kbc_reply(), 0xfe);
	out(0x64, 1, 0x33); /* unknown: silence */
	assert_int_equal(in(0x64, 1) & 3, 0);
	kbc_reset(&kbc);
	out(0x64, 1, 0x20);
	assert_int_equal(kbc_reply(), 0x34);
	assert_int_equal(resets, 0);
}

static void test_debug_exit(void **state __unused)
{
	out(0xf4, 1, 0x10);
	assert_int_equal(exit_status, 0x21);
	out(0xf4, 2, 0);
	assert_int_equal(exit_status, 1);
	out(0xf4, 4, 0x12345681);
	assert_int_equal(exit_status, 0x03);
	out(0xf4, 4, 0xff);
	assert_int_equal(exit_status, 0xff);
	assert_int_equal(exits, 4);
	out(0xf5, 1, 0x10);
	out(0xf2, 2, 0x10);
	assert_int_equal(exits, 4);
	assert_int_equal(in(0xf4, 4), 0);
	out(0xf3, 2, 0x1000); /* byte by byte: the second is at the port */
	assert_int_equal(exits, 5);
	assert_int_equal(exit_status, 0x21);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(test_reset_control), T(test_pci_probe_is_no_reset), T(test_port92),
		T(test_kbc_reset),     T(test_kbc_answers),	      T(test_debug_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
