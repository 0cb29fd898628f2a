/* The guests' ACPI tables, read back from the outside in as a guest would. */
#define _GNU_SOURCE /* memmem */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "hv/dev/acpi_tables.h"
#include "hv/dev/pm.h"

#define RSDP_AT	  0xf0000
#define TABLES_AT 0x7ff00000ull

/* Guest memory: the RSDP's area and the tables'. */
static u8 low[0x10000], high[0x40000];

static const u8 *guest(u64 at, size_t n)
{
	if (at >= RSDP_AT && at + n <= RSDP_AT + sizeof(low))
		return low + (at - RSDP_AT);
	assert_in_range(at, TABLES_AT, TABLES_AT + sizeof(high) - n);
	return high + (at - TABLES_AT);
}

static u64 get(const u8 *p, unsigned offset, unsigned n)
{
	u64 v = 0;

	while (n--)
		v = v << 8 | p[offset + n];
	return v;
}

static u8 sum(const u8 *p, size_t n)
{
	u8 s = 0;

	while (n--)
		s += *p++;
	return s;
}

/* A table with a common header: checked as a whole. */
static const u8 *table(u64 at, const char *signature)
{
	const u8 *t = guest(at, 36);

	assert_int_equal(at % 4, 0);
	assert_memory_equal(t, signature, 4);
	guest(at, get(t, 4, 4));
	assert_int_equal(sum(t, get(t, 4, 4)), 0);
	assert_memory_equal(t + 10, "NEAP  ", 6);
	return t;
}

struct found {
	const u8 *rsdp, *rsdt, *xsdt, *fadt, *madt, *ssdt, *dsdt, *facs;
};

static struct found walk(bool uart)
{
	struct found f = { .rsdp = low };
	unsigned n = uart ? 3 : 2;

	assert_memory_equal(f.rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(f.rsdp, 20), 0);
	assert_int_equal(sum(f.rsdp, 36), 0);
	assert_int_equal(f.rsdp[15], 2);
	assert_int_equal(get(f.rsdp, 20, 4), 36);
	f.rsdt = table(get(f.rsdp, 16, 4), "RSDT");
	f.xsdt = table(get(f.rsdp, 24, 8), "XSDT");
	assert_int_equal(get(f.rsdt, 4, 4), 36 + 4 * n);
	assert_int_equal(get(f.xsdt, 4, 4), 36 + 8 * n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(get(f.rsdt, 36 + 4 * i, 4), get(f.xsdt, 36 + 8 * i, 8));
	f.fadt = table(get(f.xsdt, 36, 8), "FACP");
	f.madt = table(get(f.xsdt, 44, 8), "APIC");
	if (uart)
		f.ssdt = table(get(f.xsdt, 52, 8), "SSDT");
	f.facs = guest(get(f.fadt, 36, 4), 64);
	f.dsdt = table(get(f.fadt, 40, 4), "DSDT");
	return f;
}

static struct acpi_tables_config config(unsigned cpus)
{
	return (struct acpi_tables_config){
		.cpus = cpus,
		.ioapic_id = 7,
		.uart = true,
		.tables = high,
		.tables_size = sizeof(high),
		.tables_at = GPA(TABLES_AT),
	};
}

static void build(const struct acpi_tables_config *c)
{
	memset(low, 0xcc, sizeof(low));
	memset(high, 0xcc, sizeof(high));
	assert_int_equal(acpi_tables_build(c, low, sizeof(low), GPA(RSDP_AT)), 0);
}

static void test_fixed_tables(void **state __unused)
{
	struct acpi_tables_config c = config(1);
	struct found f;

	build(&c);
	f = walk(true);
	assert_int_equal(low[36], 0xcc); /* nothing beyond the RSDP */
	assert_int_equal(high[acpi_tables_size(&c)], 0xcc);

	assert_memory_equal(f.facs, "FACS", 4);
	assert_int_equal(get(f.facs, 4, 4), 64);
	assert_int_equal(get(f.fadt, 36, 4) % 64, 0);

	assert_int_equal(get(f.fadt, 4, 4), 276);
	assert_int_equal(f.fadt[8], 6);
	assert_int_equal(get(f.fadt, 46, 2), 9); /* SCI */
	assert_int_equal(get(f.fadt, 48, 4), 0); /* SMI command */
	assert_int_equal(get(f.fadt, 56, 4), 0x600);
	assert_int_equal(get(f.fadt, 64, 4), 0x604);
	assert_int_equal(get(f.fadt, 76, 4), 0x608);
	assert_int_equal(get(f.fadt, 80, 4), 0x620);
	assert_int_equal(get(f.fadt, 88, 4), 0x04000204);
	assert_int_equal(f.fadt[92], 4);
	assert_true(get(f.fadt, 96, 2) > 100);
	assert_true(get(f.fadt, 98, 2) > 1000);
	assert_int_equal(f.fadt[108], 0x32);	     /* century */
	assert_int_equal(get(f.fadt, 109, 2), 0x15); /* legacy devices, no VGA, no ASPM, no 8042 */
	assert_int_equal(get(f.fadt, 112, 4), 0x565);
	assert_int_equal(get(f.fadt, 116, 4), 0x01000801); /* reset register */
	assert_int_equal(get(f.fadt, 120, 8), 0xcf9);
	assert_int_equal(f.fadt[128], 6);
	assert_int_equal(get(f.fadt, 132, 8), 0);
	assert_int_equal(get(f.fadt, 140, 8), get(f.fadt, 40, 4));
	/* The wide blocks agree with the narrow ones, in place and length. */
	static const u16 wide[][3] = {
		{ 148, 56, 4 }, { 172, 64, 2 }, { 208, 76, 4 }, { 220, 80, 4 }
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wide); i++) {
		assert_int_equal(f.fadt[wide[i][0]], 1);
		assert_int_equal(f.fadt[wide[i][0] + 1], 8 * wide[i][2]);
		assert_int_equal(get(f.fadt, wide[i][0] + 4, 8), get(f.fadt, wide[i][1], 4));
	}
	static const u16 none[] = { 160, 184, 196, 232, 244, 256 };

	for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(get(f.fadt, none[i] + 4, 8), 0);
}

struct madt_counts {
	unsigned lapic, x2apic, ioapic, override, nmi, x2nmi;
};

static void check_override(const u8 *e)
{
	bool sci = e[3] == 9;

	assert_int_equal(e[1], 10);
	assert_int_equal(e[2], 0);
	assert_true(sci || e[3] == 0);
	assert_int_equal(get(e, 4, 4), sci ? 9 : 2);
	assert_int_equal(get(e, 8, 2), sci ? 0x0d : 0);
}

static struct madt_counts count_madt(const u8 *madt)
{
	struct madt_counts n = { 0 };
	unsigned end = (unsigned)get(madt, 4, 4), at;

	assert_int_equal(get(madt, 36, 4), 0xfee00000);
	assert_int_equal(get(madt, 40, 4), 1);
	for (at = 44; at < end; at += madt[at + 1]) {
		const u8 *e = madt + at;

		switch (e[0]) {
		case 0:
			assert_int_equal(e[1], 8);
			assert_int_equal(e[2], n.lapic);
			assert_int_equal(e[3], n.lapic);
			assert_int_equal(get(e, 4, 4), 1);
			n.lapic++;
			break;
		case 1:
			assert_int_equal(e[1], 12);
			assert_int_equal(e[2], 7);
			assert_int_equal(get(e, 4, 4), 0xfec00000);
			assert_int_equal(get(e, 8, 4), 0);
			n.ioapic++;
			break;
		case 2:
			check_override(e);
			n.override++;
			break;
		case 4:
			assert_int_equal(e[1], 6);
			assert_int_equal(get(e, 2, 4), 0x010000ff);
			n.nmi++;
			break;
		case 9:
			assert_int_equal(e[1], 16);
			assert_int_equal(get(e, 4, 4), n.lapic + n.x2apic);
			assert_int_equal(get(e, 8, 4), 1);
			assert_int_equal(get(e, 12, 4), n.lapic + n.x2apic);
			n.x2apic++;
			break;
		case 10:
			assert_int_equal(e[1], 12);
			assert_int_equal(get(e, 4, 4), 0xffffffff);
			assert_int_equal(e[8], 1);
			n.x2nmi++;
			break;
		default:
			fail_msg("type %u", e[0]);
		}
	}
	assert_int_equal(at, end);
	return n;
}

static void test_madt(void **state __unused)
{
	static const unsigned cpus[] = { 1, 2, 254, 255, 256, 257, VM_MAX_CPUS };

	for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct acpi_tables_config c = config(cpus[i]);
		struct madt_counts n;

		build(&c);
		n = count_madt(walk(true).madt);
		assert_int_equal(n.lapic, MIN(cpus[i], 255u));
		assert_int_equal(n.lapic + n.x2apic, cpus[i]);
		assert_int_equal(n.ioapic, 1);
		assert_int_equal(n.override, 2);
		assert_int_equal(n.nmi, 1);
		assert_int_equal(n.x2nmi, cpus[i] > 255);
	}
}

static void test_refuses(void **state __unused)
{
	static const u64 bad_rsdp[] = { 0xe0008, 0xdfff0, 0xffff0, 0x100000, ~0xfull };
	struct acpi_tables_config c = config(0);

	assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), -EINVAL);
	c.cpus = VM_MAX_CPUS + 1;
	assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), -EINVAL);
	c = config(1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad_rsdp); i++)
		assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(bad_rsdp[i])),
				 -EINVAL);
	assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(0xfffd0)), 0);
	assert_int_equal(acpi_tables_build(&c, low, 36, GPA(RSDP_AT)), 0);
	assert_int_equal(acpi_tables_build(&c, low, 35, GPA(RSDP_AT)), -ENOSPC);
	c.tables_at = GPA(TABLES_AT + 32);
	assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), -EINVAL);
	c.tables_at = GPA(4 * GIB - 64);
	assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), -EINVAL);
	c.tables_at = GPA(4 * GIB);
	assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), -EINVAL);
	c.tables_at = GPA(ALIGN_DOWN(4 * GIB - acpi_tables_size(&c), 64));
	assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), 0);
}

/* The size told is the size needed, to the byte; one less, and nothing is written past it. */
static void test_size(void **state __unused)
{
	for (unsigned cpus = 1; cpus <= VM_MAX_CPUS; cpus += 315) {
		struct acpi_tables_config c = config(cpus);

		c.tables_size = acpi_tables_size(&c);
		assert_true(c.tables_size <= sizeof(high));
		c.tables = malloc(c.tables_size); /* the sanitizer watches its end */
		assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), 0);
		free(c.tables);
		c.tables_size--;
		c.tables = malloc(c.tables_size);
		assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), -ENOSPC);
		free(c.tables);
		c.tables = high;
		c.tables_size = 0;
		assert_int_equal(acpi_tables_build(&c, low, sizeof(low), GPA(RSDP_AT)), -ENOSPC);
	}
}

static void test_one_region(void **state __unused)
{
	struct acpi_tables_config c = config(64);

	c.tables = NULL;
	for (u64 at = RSDP_AT; at < RSDP_AT + 64; at += 16) {
		u8 *area = low + (at - RSDP_AT);

		memset(low, 0xcc, sizeof(low));
		assert_int_equal(acpi_tables_build(&c, area, acpi_tables_size(&c), GPA(at)), 0);
		assert_memory_equal(area, "RSD PTR ", 8);
		memmove(low, area, 36);
		assert_int_equal(count_madt(walk(true).madt).lapic, 64);
		assert_int_equal(area[acpi_tables_size(&c)], 0xcc);
	}
	assert_int_equal(acpi_tables_build(&c, low, 300, GPA(RSDP_AT)), -ENOSPC);
}

static bool contains(const u8 *t, const void *what, size_t n)
{
	return memmem(t, get(t, 4, 4), what, n) != NULL;
}

static void test_aml(void **state __unused)
{
	/* Package (4) { 5, 5, 0, 0 } under the name _S5_. */
	static const char s5[] = "_S5_\x12\x08\x04\x0a\x05\x0a\x05\x00";
	/* EISA id PNP0501; I/O 0x3f8 of 8; IRQ 4. */
	static const u8 pnp0501[] = { 0x41, 0xd0, 0x05, 0x01 };
	static const u8 crs[] = {
		0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08, 0x22, 0x10, 0x00
	};
	struct acpi_tables_config c = config(1);
	struct found f;

	_Static_assert(PM_SLEEP_TYPE_S5 == 5, "must be what dsdt.asl says");
	build(&c);
	f = walk(true);
	assert_true(contains(f.dsdt, s5, sizeof(s5)));
	assert_false(contains(f.dsdt, pnp0501, sizeof(pnp0501)));
	assert_true(contains(f.ssdt, pnp0501, sizeof(pnp0501)));
	assert_true(contains(f.ssdt, crs, sizeof(crs)));
	c.uart = false;
	build(&c);
	walk(false);
}

static void dump(const char *dir, const char *name, const u8 *t, size_t n)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(t, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

/* Another's reading: iasl takes each apart, and finds nothing to complain of. */
static void test_iasl(void **state __unused)
{
	char dir[] = "/tmp/neap-acpi-XXXXXX", cmd[512];
	struct acpi_tables_config c = config(300);
	struct found f;

	if (system("iasl -v >/dev/null 2>&1") != 0)
		skip();
	build(&c);
	f = walk(true);
	assert_non_null(mkdtemp(dir));
	const struct {
		const char *name;
		const u8 *t;
	} all[] = { { "rsdt", f.rsdt }, { "xsdt", f.xsdt }, { "fadt", f.fadt }, { "madt", f.madt },
		    { "ssdt", f.ssdt }, { "dsdt", f.dsdt }, { "facs", f.facs } };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		dump(dir, all[i].name, all[i].t, get(all[i].t, 4, 4));
	snprintf(cmd, sizeof(cmd),
		 "cd %s && iasl -d *.dat >log 2>&1 && test $(ls *.dsl | wc -l) = %u", dir,
		 (unsigned)ARRAY_SIZE(all));
	assert_int_equal(system(cmd), 0);
	snprintf(cmd, sizeof(cmd),
		 "cd %s && ! grep -iE 'error|warning|invalid|incorrect|truncat' log *.dsl | "
		 "grep -v 'Error Messages\\|Compiler\\|_ERROR'",
		 dir);
	assert_int_equal(system(cmd), 0);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_tables), cmocka_unit_test(test_madt),
		cmocka_unit_test(test_refuses),	     cmocka_unit_test(test_size),
		cmocka_unit_test(test_one_region),   cmocka_unit_test(test_aml),
		cmocka_unit_test(test_iasl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
