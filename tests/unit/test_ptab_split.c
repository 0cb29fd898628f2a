/* Large leaves split and merged, in the formats of EPT and NPT. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/svm/npt.c"
#include "arch/x86/vmx/ept.c"
#include "mm/ptab_split.h"
#include "ptab_fake.h"
#include "shim.h"

#define PHYS (64 * MIB)
#define M2   (2 * MIB)
#define HIGH (0x40 * GIB) /* what is mapped is not looked at */

struct vmx_caps vmx_caps;
static struct ptab_fmt fmt;
static struct ptab pt;
static u64 ram;
static bool use_npt;

static int set_up(void **unused)
{
	(void)unused;
	ptab_fake_memory(PHYS);
	fmt = use_npt ? *npt_format() : *ept_format();
	ram = use_npt ? npt_ram_flags() : ept_ram_flags();
	fmt.max_leaf_level = 3;
	return ptab_init(&pt, &fmt);
}

static int tear_down(void **unused)
{
	(void)unused;
	ptab_destroy(&pt);
	assert_int_equal(ptab_fake_used_frames(), 0);
	ptab_fake_memory_end();
	return 0;
}

static void expect_leaf(u64 va, unsigned level, u64 entry)
{
	unsigned l = 0;

	assert_int_equal(ptab_lookup(&pt, va, &l), entry);
	assert_int_equal(l, level);
}

static void map(u64 va, u64 size)
{
	assert_int_equal(ptab_map(&pt, va, HPA(HIGH + va), size, ram), 0);
}

static void test_formats(void **unused)
{
	(void)unused;
	/* RAM is writable and dirty from the start; tables carry neither by mistake. */
	assert_int_equal(ram & (fmt.writable | fmt.dirty), fmt.writable | fmt.dirty);
	assert_true(fmt.writable && fmt.dirty && !(fmt.writable & fmt.dirty));
	assert_int_equal((fmt.writable | fmt.dirty) & (fmt.addr_mask | fmt.large), 0);
	/* Taking them away leaves an entry that is present. */
	assert_true(ram & ~(fmt.writable | fmt.dirty) & fmt.present);
}

static void test_split_2m(void **unused)
{
	(void)unused;
	map(4 * M2, M2);
	expect_leaf(4 * M2, 2, (HIGH + 4 * M2) | ram | fmt.large);
	assert_int_equal(ptab_split(&pt, 4 * M2, M2, fmt.dirty), 0);
	for (u64 i = 0; i < 512; i++)
		expect_leaf(4 * M2 + i * PAGE_SIZE, 1,
			    (HIGH + 4 * M2 + i * PAGE_SIZE) | (ram & ~fmt.dirty));
	assert_int_equal(ptab_fake_used_frames(), 4);
}

/* Only what the range touches becomes small. */
static void test_split_1g(void **unused)
{
	(void)unused;
	map(GIB, GIB);
	assert_int_equal(ptab_split(&pt, GIB + 3 * M2, 2 * M2, fmt.writable), 0);
	expect_leaf(GIB + 2 * M2, 2, (HIGH + GIB + 2 * M2) | (ram & ~fmt.writable) | fmt.large);
	expect_leaf(GIB + 3 * M2, 1, (HIGH + GIB + 3 * M2) | (ram & ~fmt.writable));
	expect_leaf(GIB + 5 * M2 - PAGE_SIZE, 1,
		    (HIGH + GIB + 5 * M2 - PAGE_SIZE) | (ram & ~fmt.writable));
	expect_leaf(GIB + 5 * M2, 2, (HIGH + GIB + 5 * M2) | (ram & ~fmt.writable) | fmt.large);
}

/* Holes of every size, small leaves, and a range that begins and ends within tables. */
static void test_split_mixed(void **unused)
{
	u64 start = M2 - 5 * PAGE_SIZE, size = 3 * GIB;

	(void)unused;
	map(M2 - 6 * PAGE_SIZE, 2 * PAGE_SIZE);
	map(5 * M2, M2);
	map(GIB + M2, PAGE_SIZE);
	map(start + size - PAGE_SIZE, 2 * PAGE_SIZE);
	assert_int_equal(ptab_split(&pt, start, size, fmt.dirty), 0);
	expect_leaf(M2 - 6 * PAGE_SIZE, 1, (HIGH + M2 - 6 * PAGE_SIZE) | ram);
	expect_leaf(M2 - 5 * PAGE_SIZE, 1, (HIGH + M2 - 5 * PAGE_SIZE) | (ram & ~fmt.dirty));
	expect_leaf(M2 - 4 * PAGE_SIZE, 1, 0);
	expect_leaf(5 * M2 + 0x3000, 1, (HIGH + 5 * M2 + 0x3000) | (ram & ~fmt.dirty));
	expect_leaf(GIB + M2, 1, (HIGH + GIB + M2) | (ram & ~fmt.dirty));
	expect_leaf(start + size - PAGE_SIZE, 1,
		    (HIGH + start + size - PAGE_SIZE) | (ram & ~fmt.dirty));
	expect_leaf(start + size, 1, (HIGH + start + size) | ram);
}

static void test_split_without_memory(void **unused)
{
	hpa_t all[512], spare = frame_alloc(0);
	unsigned n = 0;

	(void)unused;
	map(GIB, GIB);
	for (unsigned order = FRAME_MAX_ORDER + 1; order-- > 0;) {
		while (n < ARRAY_SIZE(all) && (all[n] = frame_alloc(order)).v)
			n++;
	}
	assert_int_equal(ptab_split(&pt, GIB, M2, fmt.dirty), -ENOMEM);
	expect_leaf(GIB, 3, (HIGH + GIB) | ram | fmt.large);
	/* One table only: the middle one. */
	frame_free(spare, 0);
	assert_int_equal(ptab_split(&pt, GIB, M2, 0), -ENOMEM);
	expect_leaf(GIB, 2, (HIGH + GIB) | ram | fmt.large);
	while (n--)
		frame_free(all[n], frame_order(all[n]));
}

static void test_merge(void **unused)
{
	struct ptab_table t;
	u64 before;

	(void)unused;
	map(GIB, GIB);
	before = ptab_fake_used_frames();
	assert_int_equal(ptab_split(&pt, GIB, 4 * M2, fmt.dirty), 0);
	assert_int_equal(ptab_fake_used_frames(), before + 5);
	t = ptab_merge(&pt, GIB + M2, 2, HPA(HIGH + GIB + M2), ram);
	assert_true(t.pa.v && t.level == 1);
	assert_int_equal(ptab_free(&fmt, t), 1);
	expect_leaf(GIB + 2 * M2 - PAGE_SIZE, 2, (HIGH + GIB + M2) | ram | fmt.large);
	/* All of it, with the tables below. */
	t = ptab_merge(&pt, GIB, 3, HPA(HIGH + GIB), ram);
	assert_true(t.pa.v && t.level == 2);
	assert_int_equal(ptab_free(&fmt, t), 4);
	expect_leaf(GIB, 3, (HIGH + GIB) | ram | fmt.large);
	assert_int_equal(ptab_fake_used_frames(), before);
}

/* There is no table: nothing is mapped, a leaf, or one above. */
static void test_merge_nothing(void **unused)
{
	(void)unused;
	assert_int_equal(ptab_merge(&pt, M2, 2, HPA(HIGH), ram).pa.v, 0);
	expect_leaf(M2, 4, 0);
	map(0, PAGE_SIZE);
	assert_int_equal(ptab_merge(&pt, M2, 2, HPA(HIGH), ram).pa.v, 0);
	expect_leaf(M2, 2, 0);
	map(M2, M2);
	assert_int_equal(ptab_merge(&pt, M2, 2, HPA(HIGH), ram & ~fmt.writable).pa.v, 0);
	expect_leaf(M2, 2, (HIGH + M2) | ram | fmt.large);
	map(GIB, GIB);
	assert_int_equal(ptab_merge(&pt, GIB, 2, HPA(HIGH), ram).pa.v, 0);
	expect_leaf(GIB, 3, (HIGH + GIB) | ram | fmt.large);
	assert_true(SHIM_PANICS((void)ptab_merge(&pt, M2, 2, HPA(PAGE_SIZE), ram).level));
	assert_true(SHIM_PANICS((void)ptab_merge(&pt, M2, 1, HPA(PAGE_SIZE), ram).level));
}

static void test_set_bits(void **unused)
{
	(void)unused;
	assert_int_equal(ptab_map(&pt, 0, HPA(HIGH), PAGE_SIZE, ram & ~fmt.writable), 0);
	assert_int_equal(ptab_map(&pt, M2, HPA(HIGH), M2, ram & ~fmt.dirty), 0);
	assert_true(ptab_set_bits(&pt, 0, fmt.writable));
	expect_leaf(0, 1, HIGH | ram);
	assert_true(ptab_set_bits(&pt, M2 + 0x5000, fmt.dirty));
	expect_leaf(M2, 2, HIGH | ram | fmt.large);
	/* An entry that is empty stays so: it would be one that the processor chokes on. */
	assert_false(ptab_set_bits(&pt, PAGE_SIZE, fmt.writable));
	expect_leaf(PAGE_SIZE, 1, 0);
	assert_false(ptab_set_bits(&pt, 5 * GIB, fmt.writable));
}

static void test_small_leaves(void **unused)
{
	u64 n, *leaf;

	(void)unused;
	map(5 * PAGE_SIZE, PAGE_SIZE);
	map(M2, M2);
	map(2 * GIB, GIB);
	leaf = ptab_small_leaves(&pt, 5 * PAGE_SIZE, &n);
	assert_non_null(leaf);
	assert_int_equal(n, 507);
	assert_int_equal(leaf[0], (HIGH + 5 * PAGE_SIZE) | ram);
	assert_int_equal(leaf[1], 0);
	assert_non_null(ptab_small_leaves(&pt, M2 - PAGE_SIZE, &n));
	assert_int_equal(n, 1);
	assert_null(ptab_small_leaves(&pt, M2 + 3 * PAGE_SIZE, &n));
	assert_int_equal(n, 509);
	assert_null(ptab_small_leaves(&pt, 2 * M2, &n));
	assert_int_equal(n, 512);
	assert_null(ptab_small_leaves(&pt, 3 * GIB - PAGE_SIZE, &n));
	assert_int_equal(n, 1);
	assert_null(ptab_small_leaves(&pt, 512 * GIB, &n));
	assert_int_equal(n, 512ull * 512 * 512);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_formats),
		T(test_split_2m),
		T(test_split_1g),
		T(test_split_mixed),
		T(test_split_without_memory),
		T(test_merge),
		T(test_merge_nothing),
		T(test_set_bits),
		T(test_small_leaves),
	};
	int failed = cmocka_run_group_tests_name("EPT", tests, NULL, NULL);

	use_npt = true;
	return failed + cmocka_run_group_tests_name("NPT", tests, NULL, NULL);
}
