/* The ACPI reader's tables that name a serial port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "acpi_build.h"
#include "shim.h"

static u8 *table(const char *signature, u32 n, u8 revision)
{
	static u8 t[256];

	memset(t, 0, sizeof(t));
	memcpy(t, signature, 4);
	put32(t + 4, n);
	t[8] = revision;
	return t;
}

static u8 *spcr_new(u32 n, u8 revision)
{
	u8 *t = table("SPCR", n, revision);

	put_gas(t + 40, ACPI_IO, 8, 1, 0x2f8);
	t[52] = 3;
	t[53] = 3;
	put32(t + 54, 19);
	t[58] = 7;
	return t;
}

static void test_spcr(void **state)
{
	struct acpi_serial s;
	u8 *t = spcr_new(88, 4);

	(void)state;
	assert_true(acpi_parse_spcr(t, 88, &s));
	assert_true(s.present);
	assert_int_equal(s.regs.address, 0x2f8);
	assert_int_equal(s.baud, 115200);
	assert_true(s.has_irq && s.has_gsi);
	assert_int_equal(s.irq, 3);
	assert_int_equal(s.gsi, 19);
	put32(t + 76, 48000000);
	put32(t + 80, 230400);
	assert_true(acpi_parse_spcr(t, 88, &s));
	assert_int_equal(s.clock, 48000000);
	assert_int_equal(s.baud, 230400);
	t[8] = 2; /* these words meant nothing then */
	assert_true(acpi_parse_spcr(t, 88, &s));
	assert_int_equal(s.clock, 0);
	assert_int_equal(s.baud, 115200);
	t[58] = 0;
	assert_true(acpi_parse_spcr(t, 76, &s));
	assert_int_equal(s.baud, 0);
	t[58] = 255;
	assert_true(acpi_parse_spcr(t, 76, &s));
	assert_int_equal(s.baud, 0);
	t[53] = 16;
	assert_true(acpi_parse_spcr(t, 76, &s));
	assert_false(s.has_irq);
}

static void test_spcr_refused(void **state)
{
	struct acpi_serial s = { .baud = 77 };
	u8 *t = spcr_new(88, 2);

	(void)state;
	assert_false(acpi_parse_spcr(t, 75, &s));
	t[36] = 3; /* an ARM port */
	assert_false(acpi_parse_spcr(t, 88, &s));
	t[36] = 0x12;
	assert_true(acpi_parse_spcr(t, 88, &s));
	put64(t + 44, 0x10000 - 7);
	assert_false(acpi_parse_spcr(t, 88, &s));
	put64(t + 44, 0x10000 - 8);
	assert_true(acpi_parse_spcr(t, 88, &s));
	t[40] = ACPI_PCI;
	assert_false(acpi_parse_spcr(t, 88, &s));
	t[40] = ACPI_IO;
	put64(t + 44, 0); /* switched off */
	shim_log_reset();
	assert_false(acpi_parse_spcr(t, 88, &s));
	assert_int_equal(shim_log_count(), 0);
}

static u8 *dbg2_new(unsigned devices)
{
	u8 *t = table("DBG2", 44 + devices * 40, 0);

	put32(t + 36, 44);
	put32(t + 40, devices);
	for (unsigned i = 0; i < devices; i++) {
		u8 *d = t + 44 + i * 40;

		put16(d + 1, 40);
		d[3] = 1;
		put16(d + 12, 0x8000);
		put16(d + 18, 22);
		put_gas(d + 22, ACPI_MEMORY, 32, 3, 0xfe030000 + i);
	}
	return t;
}

static void test_dbg2(void **state)
{
	struct acpi_serial s;
	u8 *t = dbg2_new(3);

	(void)state;
	put16(t + 44 + 12, 0x8003);	 /* the network */
	put16(t + 44 + 40 + 14, 0x0003); /* an ARM port */
	assert_true(acpi_parse_dbg2(t, 44 + 120, &s));
	assert_true(s.present);
	assert_int_equal(s.regs.space, ACPI_MEMORY);
	assert_int_equal(s.regs.address, 0xfe030002);
	assert_int_equal(s.baud, 0);
	assert_false(s.has_irq);
	/* The count says less than is there. */
	put32(t + 40, 2);
	assert_false(acpi_parse_dbg2(t, 44 + 120, &s));
}

static void test_dbg2_damaged(void **state)
{
	struct acpi_serial s;
	u8 *t = dbg2_new(1);

	(void)state;
	assert_true(acpi_parse_dbg2(t, 84, &s));
	assert_false(acpi_parse_dbg2(t, 83, &s));
	assert_false(acpi_parse_dbg2(t, 43, &s));
	put16(t + 45, 21);
	assert_false(acpi_parse_dbg2(t, 84, &s));
	put16(t + 45, 40);
	put16(t + 44 + 18, 28);
	put_gas(t + 44 + 28, ACPI_IO, 8, 1, 0x3f8);
	assert_true(acpi_parse_dbg2(t, 84, &s));
	put16(t + 44 + 18, 29);
	assert_false(acpi_parse_dbg2(t, 84, &s));
	put32(t + 36, 85);
	assert_false(acpi_parse_dbg2(t, 84, &s));
	put32(t + 36, 0xffffffff);
	assert_false(acpi_parse_dbg2(t, 84, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spcr),
		cmocka_unit_test(test_spcr_refused),
		cmocka_unit_test(test_dbg2),
		cmocka_unit_test(test_dbg2_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
