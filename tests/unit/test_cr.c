/* What a guest may write into CR0, CR4, EFER and the PAT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "arch/x86/cpu.h"
#include "hv/cpuid.h"
#include "hv/cr.h"

#define PAGED	(CR0_PE | CR0_PG)
#define LONG_ON (EFER_LME | EFER_LMA)

static void test_cr0(void **unused)
{
	(void)unused;
	assert_true(cr0_write_valid(CR0_PE, 0, 0, 0, false));
	assert_true(cr0_write_valid(CR0_CD | CR0_NW, 0, 0, 0, false));
	assert_false(cr0_write_valid(CR0_NW, 0, 0, 0, false));
	assert_false(cr0_write_valid(CR0_PG, CR0_PE, 0, 0, false));
	assert_false(cr0_write_valid(BIT(32) | CR0_PE, CR0_PE, 0, 0, false));
}

static void test_cr0_long_mode(void **unused)
{
	(void)unused;
	/* Into long mode: with PAE, and not from 64-bit code. */
	assert_true(cr0_write_valid(PAGED, CR0_PE, CR4_PAE, EFER_LME, false));
	assert_false(cr0_write_valid(PAGED, CR0_PE, 0, EFER_LME, false));
	assert_false(cr0_write_valid(PAGED, CR0_PE, CR4_PAE, EFER_LME, true));
	/* Out of it: from compatibility mode, without PCIDs. */
	assert_true(cr0_write_valid(CR0_PE, PAGED, CR4_PAE, LONG_ON, false));
	assert_false(cr0_write_valid(CR0_PE, PAGED, CR4_PAE, LONG_ON, true));
	assert_false(cr0_write_valid(CR0_PE, PAGED, CR4_PAE | CR4_PCIDE, LONG_ON, false));
	/* Paging stays on: another bit may change in 64-bit code. */
	assert_true(cr0_write_valid(PAGED | CR0_WP, PAGED, CR4_PAE, LONG_ON, true));
}

static void test_cr4(void **unused)
{
	u64 all = CR4_PAE | CR4_PGE | CR4_PCIDE;

	(void)unused;
	assert_true(cr4_write_valid(CR4_PAE | CR4_PGE, CR4_PAE, 0, LONG_ON, all));
	assert_false(cr4_write_valid(CR4_PAE | CR4_SMEP, CR4_PAE, 0, LONG_ON, all));
	assert_false(cr4_write_valid(CR4_PGE, CR4_PAE, 0, LONG_ON, all));
	assert_true(cr4_write_valid(CR4_PGE, CR4_PAE, 0, 0, all));
	/* PCIDs: switched on in long mode with PCID 0; they may stay on with another. */
	assert_true(cr4_write_valid(CR4_PAE | CR4_PCIDE, CR4_PAE, 0x1000, LONG_ON, all));
	assert_false(cr4_write_valid(CR4_PAE | CR4_PCIDE, CR4_PAE, 0x1001, LONG_ON, all));
	assert_false(cr4_write_valid(CR4_PAE | CR4_PCIDE, CR4_PAE, 0x1000, 0, all));
	assert_true(
		cr4_write_valid(CR4_PAE | CR4_PCIDE, CR4_PAE | CR4_PCIDE, 0x1001, LONG_ON, all));
}

static bool efer(u64 value, u64 old, u64 cr0, u64 *result)
{
	*result = value;
	return efer_write_valid(result, old, cr0, EFER_SCE | EFER_LME | EFER_NXE);
}

static void test_efer(void **unused)
{
	u64 now;

	(void)unused;
	assert_true(efer(EFER_LME | EFER_NXE, 0, CR0_PE, &now));
	assert_int_equal(now, EFER_LME | EFER_NXE);
	assert_false(efer(EFER_SVME, 0, CR0_PE, &now));
	assert_false(efer(BIT(1), 0, CR0_PE, &now));
	/* LMA is the processor's: kept on, and not switched on. */
	assert_true(efer(EFER_LME | EFER_SCE, LONG_ON, PAGED, &now));
	assert_int_equal(now, LONG_ON | EFER_SCE);
	assert_true(efer(LONG_ON, EFER_LME, CR0_PE, &now));
	assert_int_equal(now, EFER_LME);
	/* LME does not change while paging is on. */
	assert_false(efer(0, LONG_ON, PAGED, &now));
	assert_false(efer(EFER_LME, 0, PAGED, &now));
}

static void test_pat(void **unused)
{
	(void)unused;
	assert_true(pat_valid(PAT_RESET));
	assert_true(pat_valid(0x0706050401000606ull));
	for (unsigned i = 0; i < 8; i++) {
		for (u64 type = 0; type < 256; type++) {
			bool good = type <= 7 && type != 2 && type != 3;

			assert_int_equal(pat_valid(type << (8 * i)), good);
		}
	}
}

static void test_offered(void **unused)
{
	static struct cpuid_table t;
	const struct cpuid_limits limits = { .cpus = 1, .rdtscp = true };
	bool smep = cpuid(7, 0).ebx & BIT(7);

	(void)unused;
	cpu_features.max_leaf = cpuid(0, 0).eax;
	cpu_features.max_ext_leaf = cpuid(0x80000000, 0).eax;
	cpuid_table_init(&t, &limits);
	assert_int_equal(cr4_offered(&t) & (CR4_VMXE | CR4_LA57 | BIT(14)), 0);
	assert_int_equal(!!(cr4_offered(&t) & CR4_SMEP), smep);
	assert_int_equal(cr4_offered(&t) & (CR4_TSD | CR4_PAE), CR4_TSD | CR4_PAE);
	assert_int_equal(efer_offered(&t) & (EFER_SVME | EFER_LMA), 0);
	assert_int_equal(efer_offered(&t) & (EFER_LME | EFER_SCE | EFER_NXE),
			 EFER_LME | EFER_SCE | EFER_NXE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cr0), cmocka_unit_test(test_cr0_long_mode),
		cmocka_unit_test(test_cr4), cmocka_unit_test(test_efer),
		cmocka_unit_test(test_pat), cmocka_unit_test(test_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
