/* The map from VP indexes to vCPUs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "hv/hyperv/vp_index.h"
#include "shim.h"

static struct vp_index m;
static u16 all[VP_INDEX_MAX];

/* Who waits holds no lock, and what was replaced is whole until the wait is over. */
static struct vp_index_table *replaced;
static unsigned waits;

void rcu_synchronize(void)
{
	waits++;
	assert_true(spin_trylock(&m.lock));
	spin_unlock(&m.lock);
	assert_ptr_not_equal(replaced, m.table);
	assert_true(replaced->limit > 0 && replaced->limit <= VP_INDEX_MAX);
	assert_true(replaced->mismatches > 0);
}

static u32 find(u32 index)
{
	return vp_index_find(&m, (vp_index_t){ index });
}

static int set(u32 position, u32 index)
{
	replaced = m.table;
	return vp_index_set(&m, position, (vp_index_t){ index });
}

static int tear_down(void **unused)
{
	(void)unused;
	vp_index_fini(&m);
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static void expect_round_trip(u32 count)
{
	for (u32 i = 0; i < count; i++)
		assert_int_equal(find(vp_index_of(&m, i).v), i);
}

static void test_identity(void **unused)
{
	(void)unused;
	vp_index_init(&m, VP_INDEX_MAX, 4096);
	assert_int_equal(find(0), 0);
	assert_int_equal(find(4095), 4095);
	assert_int_equal(find(4096), VP_POSITION_NONE);
	assert_int_equal(find(UINT32_MAX), VP_POSITION_NONE);
	assert_int_equal(vp_index_mismatches(&m), 0);
	assert_null(m.table);
	/* Said as a list it is the same, and costs nothing. */
	for (u32 i = 0; i < 4096; i++)
		all[i] = (u16)i;
	assert_int_equal(vp_index_set_all(&m, all), 0);
	assert_null(m.table);
	assert_int_equal(shim_heap_live(), 0);
}

static void test_fewer_than_the_maximum(void **unused)
{
	(void)unused;
	vp_index_init(&m, VP_INDEX_MAX, 2);
	assert_int_equal(find(1), 1);
	assert_int_equal(find(2), VP_POSITION_NONE);
	vp_index_fini(&m);
	vp_index_init(&m, VP_INDEX_MAX + 1, VP_INDEX_MAX + 1);
	assert_int_equal(m.max, VP_INDEX_MAX);
	assert_int_equal(m.count, VP_INDEX_MAX);
}

static void test_reversed(void **unused)
{
	(void)unused;
	vp_index_init(&m, VP_INDEX_MAX, 4096);
	for (u32 i = 0; i < 4096; i++)
		all[i] = (u16)(4095 - i);
	assert_int_equal(vp_index_set_all(&m, all), 0);
	assert_int_equal(vp_index_mismatches(&m), 4096);
	assert_int_equal(find(0), 4095);
	assert_int_equal(find(4095), 0);
	assert_int_equal(find(4096), VP_POSITION_NONE);
	expect_round_trip(4096);
}

static void test_sparse(void **unused)
{
	static const u16 index[] = { 7, 1, 4095 };

	(void)unused;
	vp_index_init(&m, VP_INDEX_MAX, 3);
	assert_int_equal(vp_index_set_all(&m, index), 0);
	assert_int_equal(vp_index_mismatches(&m), 2);
	assert_int_equal(find(7), 0);
	assert_int_equal(find(1), 1);
	assert_int_equal(find(4095), 2);
	for (u32 i = 0; i < 4096; i++) {
		if (i != 7 && i != 1 && i != 4095)
			assert_int_equal(find(i), VP_POSITION_NONE);
	}
}

static void test_refused(void **unused)
{
	static const u16 twice[] = { 2, 1, 2 }, beyond[] = { 0, 1, 8 }, good[] = { 2, 1, 0 };

	(void)unused;
	vp_index_init(&m, 8, 3);
	assert_int_equal(vp_index_set_all(&m, twice), -EEXIST);
	assert_int_equal(vp_index_set_all(&m, beyond), -EINVAL);
	assert_int_equal(set(0, 8), -EINVAL);
	assert_int_equal(set(0, UINT32_MAX), -EINVAL);
	assert_int_equal(set(3, 7), -EINVAL);
	assert_int_equal(set(0, 2), -EEXIST);
	assert_null(m.table);
	assert_int_equal(find(0), 0);
	shim_heap_fail_after(1);
	assert_int_equal(vp_index_set_all(&m, good), -ENOMEM);
	shim_heap_fail_after(2);
	assert_int_equal(set(0, 7), -ENOMEM);
	shim_heap_fail_after(0);
	assert_int_equal(find(0), 0);
	assert_int_equal(set(0, 7), 0); /* nothing stays locked */
	assert_int_equal(find(7), 0);
	assert_int_equal(find(0), VP_POSITION_NONE);
}

/* Two exchange their indexes, by way of one that is free. */
static void test_swap(void **unused)
{
	(void)unused;
	vp_index_init(&m, 4, 3);
	assert_int_equal(set(0, 3), 0);
	assert_int_equal(set(2, 0), 0);
	assert_int_equal(set(0, 2), 0);
	assert_int_equal(find(0), 2);
	assert_int_equal(find(1), 1);
	assert_int_equal(find(2), 0);
	assert_int_equal(find(3), VP_POSITION_NONE);
	assert_int_equal(vp_index_mismatches(&m), 2);
	assert_int_equal(set(1, 1), 0); /* its own */
	/* And back: there is no map any more. */
	assert_int_equal(set(0, 3), 0);
	assert_int_equal(set(2, 2), 0);
	assert_int_equal(set(0, 0), 0);
	assert_int_equal(vp_index_mismatches(&m), 0);
	assert_null(m.table);
	expect_round_trip(3);
}

/* The table that is replaced is freed after a grace period; where there was none nobody waits. */
static void test_the_old_table_is_freed(void **unused)
{
	(void)unused;
	waits = 0;
	vp_index_init(&m, 64, 8);
	assert_int_equal(set(3, 40), 0);
	assert_int_equal(waits, 0);
	for (u32 i = 41; i < 60; i++) {
		assert_int_equal(set(3, i), 0);
		assert_int_equal(waits, i - 40);
		assert_int_equal(shim_heap_live(), 1);
	}
	replaced = m.table;
	assert_int_equal(set(3, 64), -EINVAL);
	assert_int_equal(set(3, 5), -EEXIST);
	assert_ptr_equal(m.table, replaced);
	assert_int_equal(set(3, 3), 0);
	assert_int_equal(waits, 20);
	assert_null(m.table);
	assert_int_equal(shim_heap_live(), 0);
}

#define T(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_identity),
		T(test_fewer_than_the_maximum),
		T(test_reversed),
		T(test_sparse),
		T(test_refused),
		T(test_swap),
		T(test_the_old_table_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
