/* The table of a VM's vCPUs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/atomic.h"
#include "hv/vcpu_table.h"
#include "shim.h"

/* Its own: the table only passes pointers on. */
struct vcpu {
	u32 index;
};

static struct vcpu_table table;
static struct vcpu vcpus[VM_MAX_CPUS];
static u32 wrong;

static int set_up(void **unused)
{
	(void)unused;
	memset(&table, 0, sizeof(table));
	for (u32 i = 0; i < VM_MAX_CPUS; i++)
		vcpus[i].index = i;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	vcpu_table_fini(&table);
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static unsigned count_all(void)
{
	struct vcpu *v;
	unsigned n = 0;
	u32 last = 0;

	vm_for_each_vcpu (v, &table, i) {
		assert_int_equal(v->index, i);
		assert_true(n == 0 || i > last);
		last = i;
		n++;
	}
	return n;
}

static void test_edges(void **unused)
{
	(void)unused;
	assert_int_equal(VM_MAX_CPUS, 4096);
	assert_null(vcpu_table_get(&table, 0));
	assert_int_equal(count_all(), 0);
	assert_int_equal(vcpu_table_add(&table, 4095, &vcpus[4095]), 0);
	assert_int_equal(vcpu_table_add(&table, 4096, &vcpus[0]), -ENOSPC);
	assert_int_equal(vcpu_table_add(&table, UINT32_MAX, &vcpus[0]), -ENOSPC);
	assert_ptr_equal(vcpu_table_get(&table, 4095), &vcpus[4095]);
	assert_null(vcpu_table_get(&table, 4094));
	assert_null(vcpu_table_get(&table, 4096));
	assert_null(vcpu_table_get(&table, UINT32_MAX));
	assert_int_equal(count_all(), 1);
	assert_int_equal(shim_heap_live(), 1);
	assert_int_equal(vcpu_table_add(&table, 0, &vcpus[0]), 0);
	assert_int_equal(count_all(), 2);
}

static void test_duplicate(void **unused)
{
	(void)unused;
	assert_int_equal(vcpu_table_add(&table, 7, &vcpus[7]), 0);
	assert_int_equal(vcpu_table_add(&table, 7, &vcpus[8]), -EEXIST);
	assert_ptr_equal(vcpu_table_get(&table, 7), &vcpus[7]);
	assert_int_equal(table.count, 8);
}

/* Chunks nobody is in are passed over, also as the first and between others. */
static void test_empty_chunks(void **unused)
{
	static const u32 index[] = { 127, 128, 640, 2047, 3000 };
	u32 at = 0, n = 0;
	struct vcpu *v;

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(index); i++)
		assert_int_equal(vcpu_table_add(&table, index[i], &vcpus[index[i]]), 0);
	vm_for_each_vcpu (v, &table, i)
		assert_int_equal(v->index, index[n++]);
	assert_int_equal(n, ARRAY_SIZE(index));
	at = 129;
	assert_ptr_equal(vcpu_table_next(&table, &at), &vcpus[640]);
	assert_int_equal(at, 640);
	at = 3001;
	assert_null(vcpu_table_next(&table, &at));
	at = UINT32_MAX;
	assert_null(vcpu_table_next(&table, &at));
}

/* From the last index one vCPU is left, from one past it none, however the table is filled. */
static void test_last_index(void **unused)
{
	u32 at;

	(void)unused;
	for (u32 i = VM_MAX_CPUS - VCPU_CHUNK; i < VM_MAX_CPUS; i++)
		assert_int_equal(vcpu_table_add(&table, i, &vcpus[i]), 0);
	at = 0;
	assert_ptr_equal(vcpu_table_next(&table, &at), &vcpus[VM_MAX_CPUS - VCPU_CHUNK]);
	at = VM_MAX_CPUS - 1;
	assert_ptr_equal(vcpu_table_next(&table, &at), &vcpus[VM_MAX_CPUS - 1]);
	assert_int_equal(at, VM_MAX_CPUS - 1);
	at = VM_MAX_CPUS;
	assert_null(vcpu_table_next(&table, &at));
	assert_int_equal(at, VM_MAX_CPUS);
	assert_int_equal(count_all(), VCPU_CHUNK);
	assert_int_equal(shim_heap_live(), 1);
}

/* Every chunk's first and last place lead to the same chunk, and to no other's. */
static void test_chunk_edges(void **unused)
{
	(void)unused;
	for (u32 c = 0; c < VCPU_CHUNKS; c++) {
		u32 first = c * VCPU_CHUNK, last = first + VCPU_CHUNK - 1;

		assert_int_equal(shim_heap_live(), c);
		assert_int_equal(vcpu_table_add(&table, last, &vcpus[last]), 0);
		assert_null(vcpu_table_get(&table, first));
		assert_null(vcpu_table_get(&table, last + 1));
		assert_int_equal(vcpu_table_add(&table, first, &vcpus[first]), 0);
		assert_int_equal(shim_heap_live(), c + 1);
		assert_ptr_equal(vcpu_table_get(&table, first), &vcpus[first]);
	}
	assert_int_equal(count_all(), 2 * VCPU_CHUNKS);
}

/* A refused vCPU leaves nothing behind: no chunk, no count. */
static void test_refused(void **unused)
{
	(void)unused;
	assert_int_equal(vcpu_table_add(&table, VM_MAX_CPUS, &vcpus[0]), -ENOSPC);
	assert_int_equal(table.count, 0);
	assert_int_equal(shim_heap_live(), 0);
}

static void *add_between(void *arg)
{
	(void)arg;
	for (u32 i = 0; i < VM_MAX_CPUS; i++) {
		int err = vcpu_table_add(&table, i, &vcpus[i]);

		if (err && err != -EEXIST)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

/* An iteration waits at its second vCPU until all others are there: it goes on with what it has,
 * and meets each vCPU behind it once. */
static void test_wait_in_the_middle(void **unused)
{
	struct vcpu *v, *held = NULL;
	u32 n = 0;

	(void)unused;
	wrong = 0;
	assert_int_equal(vcpu_table_add(&table, 5, &vcpus[5]), 0);
	assert_int_equal(vcpu_table_add(&table, 300, &vcpus[300]), 0);
	vm_for_each_vcpu (v, &table, i) {
		if (++n == 2) {
			pthread_t t;

			held = v;
			pthread_create(&t, NULL, add_between, NULL);
			pthread_join(t, NULL);
		}
		assert_int_equal(v->index, i);
		assert_int_equal(i, n == 1 ? 5 : 300 + n - 2);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(n, 1 + VM_MAX_CPUS - 300);
	assert_ptr_equal(vcpu_table_get(&table, 300), held);
	assert_int_equal(count_all(), VM_MAX_CPUS);
}

static void test_no_memory(void **unused)
{
	(void)unused;
	shim_heap_fail_after(1);
	assert_int_equal(vcpu_table_add(&table, 200, &vcpus[200]), -ENOMEM);
	assert_null(vcpu_table_get(&table, 200));
	assert_int_equal(table.count, 0);
	/* Nothing stays locked. */
	assert_int_equal(vcpu_table_add(&table, 200, &vcpus[200]), 0);
}

/* Two threads add, from both ends; a third sees only whole vCPUs, and never fewer than before. */
static void *adder(void *arg)
{
	bool up = arg != NULL;

	for (u32 i = 0; i < VM_MAX_CPUS / 2; i++) {
		u32 k = up ? i : VM_MAX_CPUS - 1 - i;

		if (vcpu_table_add(&table, k, &vcpus[k]) != 0)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void test_threads(void **unused)
{
	unsigned before = 0, n;
	pthread_t t[2];
	struct vcpu *v;

	(void)unused;
	pthread_create(&t[0], NULL, adder, NULL);
	pthread_create(&t[1], NULL, adder, &wrong);
	do {
		n = 0;
		vm_for_each_vcpu (v, &table, i) {
			assert_int_equal(v->index, i);
			n++;
		}
		assert_true(n >= before);
		before = n;
	} while (n < VM_MAX_CPUS && !wrong);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(count_all(), VM_MAX_CPUS);
	assert_int_equal(shim_heap_live(), VCPU_CHUNKS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_edges),
		T(test_duplicate),
		T(test_empty_chunks),
		T(test_last_index),
		T(test_chunk_edges),
		T(test_refused),
		T(test_wait_in_the_middle),
		T(test_no_memory),
		T(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
