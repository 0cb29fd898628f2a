/* The vCPU table: readers go through it while vCPUs are added, chunk by chunk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "hv/vcpu_table.h"
#include "mm/frame.h"
#include "shim.h"
#include "tsan.h"

#define PHYS (16 * MIB)

/* Its own: the table only passes pointers on. */
struct vcpu {
	u32 index;
};

static struct vcpu_table table;
static struct vcpu vcpus[VM_MAX_CPUS];
static u32 added;
static u8 states[PHYS / PAGE_SIZE];

/* One adds, from both ends; the vCPU is filled in just before, by plain stores. */
static void add_all(struct tsan_thread *t)
{
	for (u32 i = 0; i < VM_MAX_CPUS; i++) {
		u32 k = i % 2 ? VM_MAX_CPUS - 1 - i / 2 : i / 2;

		vcpus[k].index = k;
		TSAN_CHECK(vcpu_table_add(&table, k, &vcpus[k]) == 0);
		TSAN_CHECK(vcpu_table_add(&table, k, &vcpus[0]) == -EEXIST);
		t->operations++;
	}
	store_release(&added, 1);
}

static void read_all(struct tsan_thread *t)
{
	u32 n, before = 0;
	bool all;

	do {
		struct vcpu *v;

		all = load_acquire(&added);
		n = 0;
		vm_for_each_vcpu (v, &table, i) {
			TSAN_CHECK(v->index == i);
			n++;
		}
		TSAN_CHECK(n >= before);
		before = n;
		TSAN_CHECK(!vcpu_table_get(&table, VM_MAX_CPUS));
		t->operations++;
	} while (!all);
	TSAN_CHECK(n == VM_MAX_CPUS);
}

static void *use(void *arg)
{
	struct tsan_thread *t = arg;

	if (t->id == 0)
		add_all(t);
	else
		read_all(t);
	return NULL;
}

static void test_add_and_read(void **unused)
{
	(void)unused;
	shim_phys_init(PHYS);
	frame_init(states, HFN(PHYS / PAGE_SIZE));
	frame_add(HPA(MIB), PHYS - MIB);
	for (unsigned round = 0; round < 20; round++) {
		u64 before = frame_stats().free;

		memset(&table, 0, sizeof(table));
		memset(vcpus, 0, sizeof(vcpus));
		added = 0;
		tsan_run(use);
		vcpu_table_fini(&table);
		assert_int_equal(frame_stats().free, before);
	}
	shim_phys_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_add_and_read) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
