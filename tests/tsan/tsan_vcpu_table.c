/* The vCPU table: readers go through it and look up while vCPUs are added, chunk by chunk; one of
 * them waits on its way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hv/vcpu_table.h"
#include "mm/frame.h"
#include "ptab_fake.h"
#include "shim.h"
#include "tsan.h"

#define PHYS	(16 * MIB)
#define LOOKUPS 256
#define WAIT_US 50

/* Its own: the table only passes pointers on. */
struct vcpu {
	u32 index;
};

static struct vcpu_table table;
static struct vcpu vcpus[VM_MAX_CPUS];
static u32 added;

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

static void look_up(struct tsan_thread *t)
{
	for (unsigned i = 0; i < LOOKUPS; i++) {
		u32 k = tsan_random(t, VM_MAX_CPUS + 1);
		struct vcpu *v = vcpu_table_get(&table, k);

		TSAN_CHECK(!v || (k < VM_MAX_CPUS && v->index == k));
	}
}

/* Goes through the table; one that waits does so in the midst of every chunk, while others add, and
 * then uses the vCPU it holds. */
static u32 iterate(bool waits)
{
	struct vcpu *v;
	u32 n = 0;

	vm_for_each_vcpu (v, &table, i) {
		if (waits && i % VCPU_CHUNK == VCPU_CHUNK / 2)
			usleep(WAIT_US);
		TSAN_CHECK(v->index == i && vcpu_table_get(&table, i) == v);
		n++;
	}
	return n;
}

static void read_all(struct tsan_thread *t)
{
	u32 n, before = 0;
	bool all;

	do {
		all = load_acquire(&added);
		n = iterate(t->id == 1);
		TSAN_CHECK(n >= before);
		before = n;
		look_up(t);
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
	ptab_fake_memory(PHYS);
	for (unsigned round = 0; round < 20; round++) {
		u64 before = frame_stats().free;

		memset(&table, 0, sizeof(table));
		memset(vcpus, 0, sizeof(vcpus));
		added = 0;
		tsan_run(use);
		vcpu_table_fini(&table);
		assert_int_equal(frame_stats().free, before);
	}
	ptab_fake_memory_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_add_and_read) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
