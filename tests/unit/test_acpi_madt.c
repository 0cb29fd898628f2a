/* The ACPI reader's interrupt controller table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "acpi_build.h"
#include "shim.h"

struct madt {
	u8 t[32 * 1024];
	u32 n;
};

static struct madt madt;
static struct acpi_madt m;

static void madt_begin(void)
{
	memset(&madt, 0, sizeof(madt));
	memcpy(madt.t, "APIC", 4);
	put32(madt.t + 36, 0xfee00000);
	put32(madt.t + 40, 1);
	madt.n = 44;
}

static u8 *entry(u8 type, u8 size)
{
	u8 *e = madt.t + madt.n;

	e[0] = type;
	e[1] = size;
	madt.n += size;
	return e;
}

static void madt_lapic(u8 uid, u8 id, u32 flags)
{
	u8 *e = entry(0, 8);

	e[2] = uid;
	e[3] = id;
	put32(e + 4, flags);
}

static void madt_x2apic(u32 uid, u32 id, u32 flags)
{
	u8 *e = entry(9, 16);

	put32(e + 4, id);
	put32(e + 8, flags);
	put32(e + 12, uid);
}

static void madt_parse(void)
{
	u8 copy[sizeof(madt.t)];

	/* At the end of its memory, so that the sanitizer sees a read beyond. */
	memcpy(copy + sizeof(copy) - madt.n, madt.t, madt.n);
	memset(&m, 0, sizeof(m));
	shim_log_reset();
	acpi_parse_madt(copy + sizeof(copy) - madt.n, madt.n, &m);
}

static void test_madt_processors(void **state)
{
	(void)state;
	madt_begin();
	madt_lapic(1, 0, 1);
	madt_lapic(2, 2, 0);	/* not there */
	madt_lapic(3, 4, 2);	/* could be added */
	madt_lapic(4, 0xff, 1); /* no id */
	madt_x2apic(5, 0x12345, 1);
	madt_x2apic(6, 0xffffffff, 1);
	madt_x2apic(7, 4, 1); /* the one from before, by its other name */
	madt_parse();
	assert_int_equal(m.lapic_address, 0xfee00000);
	assert_true(m.has_pics);
	assert_int_equal(m.cpu_count, 3);
	assert_int_equal(m.cpu[0].apic_id, 0);
	assert_int_equal(m.cpu[0].uid, 1);
	assert_true(m.cpu[0].enabled);
	assert_int_equal(m.cpu[1].apic_id, 4);
	assert_true(m.cpu[1].enabled); /* the second entry says so */
	assert_int_equal(m.cpu[2].apic_id, 0x12345);
	assert_int_equal(m.cpu[2].uid, 5);
	assert_int_equal(shim_log_count(), 0);
}

static void test_madt_others(void **state)
{
	u8 *e;

	(void)state;
	madt_begin();
	e = entry(1, 12);
	e[2] = 8;
	put32(e + 4, 0xfec00000);
	put32(e + 8, 24);
	e = entry(2, 10);
	e[3] = 0;
	put32(e + 4, 2);
	e = entry(2, 10);
	e[3] = 9;
	put32(e + 4, 9);
	put16(e + 8, 0xd);
	e = entry(4, 6);
	e[2] = 0xff;
	put16(e + 3, 5);
	e[5] = 1;
	e = entry(10, 12);
	put16(e + 2, 7);
	put32(e + 4, 300);
	e[8] = 0;
	e = entry(5, 12);
	put64(e + 4, 0x1fee00000);
	(void)entry(0x7f, 200); /* of a later revision */
	madt_parse();
	assert_int_equal(m.ioapic_count, 1);
	assert_int_equal(m.ioapic[0].id, 8);
	assert_int_equal(m.ioapic[0].address, 0xfec00000);
	assert_int_equal(m.ioapic[0].gsi_base, 24);
	assert_int_equal(m.override_count, 2);
	assert_int_equal(m.override[0].gsi, 2);
	assert_int_equal(m.override[1].isa_irq, 9);
	assert_int_equal(m.override[1].flags, 0xd);
	assert_int_equal(m.nmi_count, 2);
	assert_int_equal(m.nmi[0].uid, ACPI_ALL_CPUS);
	assert_int_equal(m.nmi[0].flags, 5);
	assert_int_equal(m.nmi[0].lint, 1);
	assert_int_equal(m.nmi[1].uid, 300);
	assert_int_equal(m.nmi[1].flags, 7);
	assert_int_equal(m.lapic_address, 0x1fee00000);
	assert_int_equal(shim_log_count(), 0);
}

static void test_madt_nonsense(void **state)
{
	u8 *e;

	(void)state;
	madt_begin();
	(void)entry(1, 12); /* address 0 */
	e = entry(2, 10);
	e[2] = 1; /* not ISA */
	e = entry(2, 10);
	e[3] = 16;
	e = entry(4, 6);
	e[5] = 2;	   /* there are two pins */
	(void)entry(0, 7); /* shorter than its type */
	madt_parse();
	assert_int_equal(m.ioapic_count + m.override_count + m.nmi_count + m.cpu_count, 0);
	assert_int_equal(shim_log_count(), 4);
}

static void test_madt_bad_lengths(void **state)
{
	(void)state;
	for (unsigned size = 0; size < 2; size++) {
		madt_begin();
		madt_lapic(1, 0, 1);
		(void)entry(0, 8);
		madt.t[madt.n - 7] = (u8)size; /* would never end */
		madt_parse();
		assert_int_equal(m.cpu_count, 1);
		assert_int_equal(shim_log_count(), 1);
	}
	madt_begin();
	madt_lapic(1, 0, 1);
	madt_lapic(2, 1, 1);
	madt.n--; /* the last is cut */
	madt_parse();
	assert_int_equal(m.cpu_count, 1);
	madt.n -= 6; /* only its type is left */
	madt_parse();
	assert_int_equal(m.cpu_count, 1);
	assert_int_equal(shim_log_count(), 0);
	madt.n = 43;
	madt_parse();
	assert_int_equal(m.lapic_address, 0);
}

static void test_madt_caps(void **state)
{
	(void)state;
	madt_begin();
	for (unsigned i = 0; i < ACPI_MAX_CPUS; i++)
		madt_x2apic(i, i, 1);
	for (unsigned i = 0; i < ACPI_MAX_IOAPICS; i++)
		put32(entry(1, 12) + 4, 0xfec00000 + i * 0x1000);
	for (unsigned i = 0; i < ACPI_MAX_OVERRIDES; i++)
		(void)entry(2, 10);
	for (unsigned i = 0; i < ACPI_MAX_LAPIC_NMIS; i++)
		(void)entry(4, 6);
	madt_parse();
	assert_int_equal(m.cpu_count, ACPI_MAX_CPUS);
	assert_int_equal(m.ioapic_count, ACPI_MAX_IOAPICS);
	assert_int_equal(m.override_count, ACPI_MAX_OVERRIDES);
	assert_int_equal(m.nmi_count, ACPI_MAX_LAPIC_NMIS);
	assert_int_equal(shim_log_count(), 0);
	madt_x2apic(1000, 1000, 1);
	madt_x2apic(1001, 1001, 0); /* not there: not missed */
	madt_x2apic(0, 0, 1);	    /* known: not missed */
	put32(entry(1, 12) + 4, 0xfed00000);
	(void)entry(2, 10);
	(void)entry(4, 6);
	madt_parse();
	assert_int_equal(m.cpu_count, ACPI_MAX_CPUS);
	assert_int_equal(m.cpu_lost, 1);
	assert_int_equal(m.ioapic_lost, 1);
	assert_int_equal(m.override_lost, 1);
	assert_int_equal(m.nmi_lost, 1);
	assert_true(shim_log_contains("1 processors beyond the first 512"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_madt_processors), cmocka_unit_test(test_madt_others),
		cmocka_unit_test(test_madt_nonsense),	cmocka_unit_test(test_madt_bad_lengths),
		cmocka_unit_test(test_madt_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
