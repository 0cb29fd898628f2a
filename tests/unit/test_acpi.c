/* The ACPI reader on tables made up here, in a machine of 2 MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "acpi_build.h"
#include "mm/phys.h"
#include "shim.h"

#define MEMORY	  (2 * MIB)
#define RSDP_AT	  0xf0010
#define TABLES_AT 0x110000

static u8 memory[MEMORY];
static u64 next;      /* where the next table goes */
static u64 root[256]; /* what the XSDT will list */
static unsigned root_count;
static u64 out_of_space; /* an address that cannot be mapped */

const void *phys_map_table(hpa_t base, u64 size)
{
	if (base.v == out_of_space || base.v >= MEMORY || size > MEMORY - base.v)
		return NULL;
	return memory + base.v;
}

static void set_length(u8 *t, u32 n)
{
	put32(t + 4, n);
	seal(t);
}

/* A table of n bytes, empty but for its header, not in the root. seal() it once filled. */
static u8 *table_new(const char *signature, u32 n, u8 revision)
{
	u8 *t = memory + next;

	next = ALIGN_UP(next + n, 16);
	memcpy(t, signature, 4);
	put32(t + 4, n);
	t[8] = revision;
	memcpy(t + 10, "NEAP  ", 6);
	seal(t);
	return t;
}

static u64 phys(const u8 *p)
{
	return (u64)(p - memory);
}

static u8 *table_add(const char *signature, u32 n, u8 revision)
{
	u8 *t = table_new(signature, n, revision);

	root[root_count++] = phys(t);
	return t;
}

static void rsdp_seal(u8 revision)
{
	u8 *r = memory + RSDP_AT;

	r[8] = r[32] = 0;
	r[15] = revision;
	r[8] = (u8)-acpi_sum(r, 20);
	r[32] = (u8)-acpi_sum(r, 36);
}

static u8 *root_new(const char *signature, unsigned entry)
{
	u8 *t = table_new(signature, ACPI_HEADER_SIZE + root_count * entry, 1);

	for (unsigned i = 0; i < root_count; i++)
		memcpy(t + ACPI_HEADER_SIZE + i * entry, &root[i], entry);
	seal(t);
	return t;
}

/* Root pointer, RSDT and XSDT over the tables added so far. */
static void finish(u8 revision)
{
	u8 *r = memory + RSDP_AT;

	memcpy(r, "RSD PTR ", 8);
	memcpy(r + 9, "TESTER", 6);
	put32(r + 16, (u32)phys(root_new("RSDT", 4)));
	put32(r + 20, 36);
	put64(r + 24, phys(root_new("XSDT", 8)));
	rsdp_seal(revision);
}

static int init(void)
{
	shim_log_reset();
	return acpi_init(HPA(RSDP_AT));
}

static int reset(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	next = TABLES_AT;
	root_count = 0;
	out_of_space = 1;
	return 0;
}

/* --- root ------------------------------------------------------------------------------------ */

static void test_no_acpi(void **state)
{
	(void)state;
	assert_int_equal(acpi_init(HPA(0)), -ENOENT);
	assert_false(acpi_info.present);
	acpi_print();
	assert_int_equal(acpi_init(HPA(0x5000)), -EINVAL);
	assert_int_equal(acpi_init(HPA(~0ull - 3)), -ENOENT);
	assert_int_equal(acpi_init(HPA(MEMORY + 16)), -ENOENT);
}

static void test_find_by_index(void **state)
{
	u8 *a = table_add("SSDT", 40, 1), *b = table_add("SSDT", 41, 1);
	u32 n = 0;

	(void)state;
	(void)table_add("HPET", 36, 1);
	finish(2);
	assert_int_equal(init(), 0);
	assert_true(acpi_info.present);
	assert_int_equal(acpi_info.revision, 2);
	assert_string_equal(acpi_info.oem_id, "TESTER");
	assert_ptr_equal(acpi_table_find("SSDT", 0, &n), a);
	assert_int_equal(n, 40);
	assert_ptr_equal(acpi_table_find("SSDT", 1, &n), b);
	assert_int_equal(n, 41);
	assert_null(acpi_table_find("SSDT", 2, &n));
	assert_null(acpi_table_find("XXXX", 0, &n));
	assert_int_equal(shim_log_count(), 0);
	acpi_print();
}

static void test_scan_bios_area(void **state)
{
	(void)state;
	(void)table_add("SSDT", 40, 1);
	finish(0);
	assert_int_equal(acpi_init(HPA(0)), 0);
	assert_true(acpi_info.present);
	/* Off the 16-byte grid it is no root pointer. */
	memmove(memory + RSDP_AT + 8, memory + RSDP_AT, 36);
	memset(memory + RSDP_AT, 0, 8);
	assert_int_equal(acpi_init(HPA(0)), -ENOENT);
}

static void test_scan_ebda_first(void **state)
{
	(void)state;
	(void)table_add("SSDT", 40, 1);
	finish(0);
	memcpy(memory + 0x9fc00 + 0x3f0 - 16, memory + RSDP_AT, 20);
	memcpy(memory + 0x9fc00 + 0x3f0 - 16 + 9, "EBDA!!", 6);
	memory[0x9fc00 + 0x3f0 - 16 + 8] = 0;
	memory[0x9fc00 + 0x3f0 - 16 + 8] = (u8)-acpi_sum(memory + 0x9fc00 + 0x3f0 - 16, 20);
	put16(memory + 0x40e, 0x9fc0);
	assert_int_equal(acpi_init(HPA(0)), 0);
	assert_string_equal(acpi_info.oem_id, "EBDA!!");
	put16(memory + 0x40e, 0xffff); /* not where an EBDA can be */
	assert_int_equal(acpi_init(HPA(0)), 0);
	assert_string_equal(acpi_info.oem_id, "TESTER");
}

static void test_rsdp_checksum(void **state)
{
	(void)state;
	(void)table_add("SSDT", 40, 1);
	finish(2);
	memory[RSDP_AT + 10]++;
	assert_int_equal(init(), -EINVAL);
	assert_true(shim_log_contains("RSDP"));
}

static void test_bad_xsdt_falls_back(void **state)
{
	u32 n;
	u64 xsdt;

	(void)state;
	(void)table_add("SSDT", 40, 1);
	finish(2);
	xsdt = get_le64(memory + RSDP_AT + 24);
	memory[xsdt + 20]++;
	assert_int_equal(init(), 0);
	assert_true(shim_log_contains("XSDT"));
	assert_non_null(acpi_table_find("SSDT", 0, &n));
	/* An extended checksum that is wrong: the same. */
	memory[xsdt + 20]--;
	memory[RSDP_AT + 34]++;
	assert_int_equal(init(), 0);
	assert_true(shim_log_contains("extended checksum"));
	/* Both damaged: no root at all. */
	memory[get_le32(memory + RSDP_AT + 16) + 20]++;
	assert_int_equal(init(), -EINVAL);
	assert_false(acpi_info.present);
}

static void test_revision_0_ignores_xsdt(void **state)
{
	u32 n;

	(void)state;
	(void)table_add("SSDT", 40, 1);
	finish(0);
	put64(memory + RSDP_AT + 24, 0xdeadbeef);
	assert_int_equal(init(), 0);
	assert_non_null(acpi_table_find("SSDT", 0, &n));
}

static void expect_left_out(u8 *t, const char *why)
{
	u32 n;

	finish(2);
	assert_int_equal(init(), 0);
	assert_null(acpi_table_find("BAD!", 0, &n));
	assert_non_null(acpi_table_find("GOOD", 0, &n));
	assert_true(shim_log_contains(why));
	(void)t;
}

static void test_bad_tables_left_out(void **state)
{
	u8 *t = table_add("BAD!", 64, 1);

	(void)state;
	(void)table_add("GOOD", 64, 1);
	t[40]++;
	expect_left_out(t, "table BAD! at 0x110000 has a wrong checksum");
	set_length(t, 0);
	expect_left_out(t, "BAD! at 0x110000 has length 0");
	put32(t + 4, 35);
	expect_left_out(t, "length 35");
	put32(t + 4, (u32)ACPI_TABLE_MAX_SIZE + 1);
	expect_left_out(t, "length 4194305");
	put32(t + 4, MEMORY); /* over the end of what can be mapped */
	expect_left_out(t, "cannot be mapped");
	set_length(t, 64);
	root[0] = 1ull << 52;
	expect_left_out(t, "no table can be at");
	root[0] = ~0ull;
	expect_left_out(t, "no table can be at");
}

static void test_shortest_table_and_null_entry(void **state)
{
	u32 n;

	(void)state;
	(void)table_add("TINY", 36, 1);
	root[root_count++] = 0;
	(void)table_add("LAST", 36, 1);
	finish(2);
	assert_int_equal(init(), 0);
	assert_non_null(acpi_table_find("TINY", 0, &n));
	assert_int_equal(n, 36);
	assert_non_null(acpi_table_find("LAST", 0, &n));
	assert_int_equal(shim_log_count(), 0);
}

static void test_table_cap(void **state)
{
	u32 n;

	(void)state;
	for (unsigned i = 0; i < ACPI_MAX_TABLES; i++)
		(void)table_add("MANY", 36, 1);
	finish(2);
	assert_int_equal(init(), 0);
	assert_int_equal(shim_log_count(), 0);
	assert_non_null(acpi_table_find("MANY", ACPI_MAX_TABLES - 1, &n));
	(void)table_add("MANY", 36, 1);
	finish(2);
	assert_int_equal(init(), 0);
	assert_true(shim_log_contains("more than 128 tables"));
	assert_null(acpi_table_find("MANY", ACPI_MAX_TABLES, &n));
}

/* --- FADT and what hangs on it --------------------------------------------------------------- */

static const u8 s5_code[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x03 };

static u8 *dsdt_new(const u8 *code, u32 n)
{
	u8 *t = table_new("DSDT", ACPI_HEADER_SIZE + n, 1);

	memcpy(t + ACPI_HEADER_SIZE, code, n);
	seal(t);
	return t;
}

static u8 *fadt_new(u32 n, u8 revision)
{
	u8 *t = table_add("FACP", n, revision);

	put16(t + 46, 9);
	put32(t + 48, 0xb2);
	t[52] = 0xa0;
	put32(t + 56, 0x600);
	put32(t + 64, 0x604);
	put32(t + 76, 0x608);
	t[88] = 4;
	t[108] = 0x32;
	put16(t + 109, 0x0003);
	put32(t + 112, BIT(10) | BIT(8));
	return t;
}

static void test_fadt_revision_1(void **state)
{
	u8 *f = fadt_new(116, 1), *d = dsdt_new(s5_code, sizeof(s5_code));

	(void)state;
	put32(f + 40, (u32)phys(d));
	seal(f);
	finish(0);
	assert_int_equal(init(), 0);
	assert_true(acpi_info.has_fadt);
	assert_int_equal(acpi_info.fadt.sci_irq, 9);
	assert_int_equal(acpi_info.fadt.smi_cmd, 0xb2);
	assert_int_equal(acpi_info.fadt.acpi_enable, 0xa0);
	assert_int_equal(acpi_info.fadt.century, 0x32);
	assert_int_equal(acpi_info.fadt.boot_flags, 0);
	assert_int_equal(acpi_info.fadt.pm1a_cnt.space, ACPI_IO);
	assert_int_equal(acpi_info.fadt.pm1a_cnt.address, 0x604);
	assert_int_equal(acpi_info.fadt.pm1b_cnt.address, 0);
	assert_int_equal(acpi_info.fadt.reset.address, 0);
	assert_true(acpi_info.has_s5);
	assert_int_equal(acpi_info.s5_type_a, 5);
	assert_int_equal(acpi_info.s5_type_b, 3);
	acpi_print();
	assert_true(shim_log_contains("soft-off is sleep type 5/3"));
}

static void test_fadt_extended(void **state)
{
	u8 *f = fadt_new(276, 6), *d = dsdt_new((const u8[16]){ 0 }, 16), *s;

	(void)state;
	s = table_add("SSDT", ACPI_HEADER_SIZE + sizeof(s5_code), 1);
	memcpy(s + ACPI_HEADER_SIZE, s5_code, sizeof(s5_code));
	seal(s);
	put64(f + 140, phys(d));
	put_gas(f + 116, ACPI_IO, 8, 1, 0xcf9);
	f[128] = 6;
	put_gas(f + 172, ACPI_IO, 16, 2, 0x1804);
	put_gas(f + 148, 0x7f, 32, 3, 0x1800);		  /* of no use: the port counts */
	put_gas(f + 208, ACPI_MEMORY, 32, 3, 0xfed80808); /* in memory */
	put_gas(f + 244, ACPI_IO, 8, 1, 0x1900);
	put_gas(f + 256, ACPI_IO, 8, 1, 0x1901);
	seal(f);
	finish(2);
	assert_int_equal(init(), 0);
	assert_int_equal(acpi_info.fadt.boot_flags, 3);
	assert_int_equal(acpi_info.fadt.reset.address, 0xcf9);
	assert_int_equal(acpi_info.fadt.reset_value, 6);
	assert_int_equal(acpi_info.fadt.pm1a_cnt.address, 0x1804);
	assert_int_equal(acpi_info.fadt.pm1a_evt.address, 0x600);
	assert_int_equal(acpi_info.fadt.pm_timer.space, ACPI_MEMORY);
	assert_int_equal(acpi_info.fadt.pm_timer.address, 0xfed80808);
	assert_int_equal(acpi_info.fadt.sleep_control.address, 0x1900);
	assert_int_equal(acpi_info.fadt.sleep_status.address, 0x1901);
	assert_true(acpi_info.has_s5); /* from the SSDT */
	assert_int_equal(acpi_info.s5_type_a, 5);
}

static void test_fadt_too_short(void **state)
{
	(void)state;
	(void)fadt_new(115, 1);
	seal(memory + root[0]);
	finish(2);
	assert_int_equal(init(), 0);
	assert_false(acpi_info.has_fadt);
	assert_true(shim_log_contains("FADT: only 115"));
}

static void test_fadt_impossible_port(void **state)
{
	u8 *f = fadt_new(116, 1);

	(void)state;
	put32(f + 64, 0x10604);
	seal(f);
	finish(2);
	assert_int_equal(init(), 0);
	assert_int_equal(acpi_info.fadt.pm1a_cnt.address, 0);
	assert_true(shim_log_contains("port 0x10604"));
}

static void test_dsdt_falls_back_to_32_bits(void **state)
{
	u8 *f = fadt_new(276, 6), *good = dsdt_new(s5_code, 12), *bad = dsdt_new(s5_code, 12);
	u32 n;

	(void)state;
	bad[40] ^= 1;
	put32(f + 40, (u32)phys(good));
	put64(f + 140, phys(bad));
	seal(f);
	finish(2);
	assert_int_equal(init(), 0);
	assert_ptr_equal(acpi_table_find("DSDT", 0, &n), good);
	assert_null(acpi_table_find("DSDT", 1, &n));
	/* Something else at the address is no DSDT. */
	put64(f + 140, phys(f));
	put32(f + 40, 0);
	seal(f);
	assert_int_equal(init(), 0);
	assert_null(acpi_table_find("DSDT", 0, &n));
	assert_true(shim_log_contains("no DSDT at"));
	assert_false(acpi_info.has_s5);
}

/* --- MCFG, HPET, serial ports ---------------------------------------------------------------- */

static void test_mcfg(void **state)
{
	u8 *t = table_add("MCFG", 44 + 3 * 16 + 15, 1);

	(void)state;
	put64(t + 44, 0xe0000000);
	t[44 + 11] = 0xff;
	put64(t + 60, 0x8000000000);
	put16(t + 68, 2);
	t[60 + 10] = 0x20;
	t[60 + 11] = 0x10; /* the wrong way round */
	put64(t + 76, 0x7000000000);
	put16(t + 84, 3);
	t[76 + 10] = 0x80;
	t[76 + 11] = 0x80;
	seal(t);
	finish(2);
	assert_int_equal(init(), 0);
	assert_int_equal(acpi_info.segment_count, 2);
	assert_int_equal(acpi_info.segment[0].base, 0xe0000000);
	assert_int_equal(acpi_info.segment[0].bus_end, 0xff);
	assert_int_equal(acpi_info.segment[1].number, 3);
	assert_int_equal(acpi_info.segment[1].bus_start, 0x80);
	assert_true(shim_log_contains("segment 2 damaged"));
}

static void test_mcfg_cap(void **state)
{
	u8 *t = table_add("MCFG", 44 + (ACPI_MAX_SEGMENTS + 1) * 16, 1);

	(void)state;
	for (unsigned i = 0; i <= ACPI_MAX_SEGMENTS; i++)
		put64(t + 44 + 16 * i, 0xe0000000 + i * MIB);
	set_length(t, 44 + ACPI_MAX_SEGMENTS * 16);
	finish(2);
	assert_int_equal(init(), 0);
	assert_int_equal(acpi_info.segment_count, ACPI_MAX_SEGMENTS);
	assert_int_equal(shim_log_count(), 0);
	set_length(t, 44 + (ACPI_MAX_SEGMENTS + 1) * 16);
	assert_int_equal(init(), 0);
	assert_int_equal(acpi_info.segment_count, ACPI_MAX_SEGMENTS);
	assert_int_equal(acpi_info.segment_lost, 1);
}

static void test_hpet(void **state)
{
	u8 *t = table_add("HPET", 56, 1);

	(void)state;
	put_gas(t + 40, ACPI_MEMORY, 64, 0, 0xfed00000);
	seal(t);
	finish(2);
	assert_int_equal(init(), 0);
	assert_int_equal(acpi_info.hpet, 0xfed00000);
	t[40] = ACPI_IO;
	assert_int_equal(acpi_parse_hpet(t, 56), 0);
	t[40] = ACPI_MEMORY;
	assert_int_equal(acpi_parse_hpet(t, 51), 0);
	assert_int_equal(acpi_parse_hpet(t, 52), 0xfed00000);
}

static void test_serial(void **state)
{
	u8 *t;

	(void)state;
	t = table_add("DBG2", 84, 0);
	put32(t + 36, 44);
	put32(t + 40, 1);
	put16(t + 44 + 1, 40);
	t[44 + 3] = 1;
	put16(t + 44 + 12, 0x8000);
	put16(t + 44 + 18, 22);
	put_gas(t + 44 + 22, ACPI_IO, 8, 1, 0x3e8);
	seal(t);
	finish(2);
	assert_int_equal(init(), 0);
	assert_true(acpi_info.serial.present);
	assert_string_equal(acpi_info.serial.source, "DBG2");
	assert_int_equal(acpi_info.serial.regs.address, 0x3e8);

	t = table_add("SPCR", 80, 2); /* says more, and so wins */
	put_gas(t + 40, ACPI_IO, 8, 1, 0x2f8);
	seal(t);
	finish(2);
	assert_int_equal(init(), 0);
	assert_string_equal(acpi_info.serial.source, "SPCR");
	assert_int_equal(acpi_info.serial.regs.address, 0x2f8);
	acpi_print();
	assert_true(shim_log_contains("SPCR names the serial port at io 0x2f8"));
}

#define T(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_acpi),
		T(test_find_by_index),
		T(test_scan_bios_area),
		T(test_scan_ebda_first),
		T(test_rsdp_checksum),
		T(test_bad_xsdt_falls_back),
		T(test_revision_0_ignores_xsdt),
		T(test_bad_tables_left_out),
		T(test_shortest_table_and_null_entry),
		T(test_table_cap),
		T(test_fadt_revision_1),
		T(test_fadt_extended),
		T(test_fadt_too_short),
		T(test_fadt_impossible_port),
		T(test_dsdt_falls_back_to_32_bits),
		T(test_mcfg),
		T(test_mcfg_cap),
		T(test_hpet),
		T(test_serial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
