/* Who flushes when, and that page-table pages are freed behind it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/rcu.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/mmu/shootdown.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "ptab_fake.h"
#include "shim.h"

#define CPUS  3
#define PHYS  (16 * MIB)
#define FLAGS 3ull

static const struct ptab_fmt format = { PTAB_FAKE_FORMAT, .max_leaf_level = 2 };

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpus[CPUS];
static unsigned flushes[CPUS], kicks[CPUS];
static bool deaf[CPUS];
static struct vm *vm;
static u64 free_frames;
static hpa_t watched; /* a table that must not be freed before all have flushed */

u32 cpu_count(void)
{
	return CPUS;
}

static void flush(struct vm *v)
{
	assert_ptr_equal(v, vm);
	flushes[this_cpu()->id]++;
	if (watched.v)
		assert_int_not_equal(*(u64 *)phys_to_virt(watched), PTAB_POISON);
}

static const struct backend_ops fake = { .tdp_flush = flush };
const struct backend_ops *backend = &fake;

void apic_send_ipi(u32 apic_id, u8 vector)
{
	(void)vector;
	kicks[apic_id]++;
	if (deaf[apic_id])
		return;
	shim_use_cpu(&cpus[apic_id]);
	shootdown_take_kick();
	rcu_quiescent();
	shim_use_cpu(&cpus[0]);
}

void sched_yield(void)
{
	shim_set_time(time_now() + SHIM_HZ);
}

static void on(u32 cpu, void (*fn)(struct vm *))
{
	shim_use_cpu(&cpus[cpu]);
	fn(vm);
	shim_use_cpu(&cpus[0]);
}

static int set_up(void **state)
{
	(void)state;
	ptab_fake_memory(PHYS);
	for (u32 i = 0; i < CPUS; i++) {
		cpus[i] = (struct cpu){ .self = &cpus[i], .id = i, .apic_id = i };
		cpu_table[i] = &cpus[i];
		kicks[i] = flushes[i] = 0;
		deaf[i] = false;
		shim_use_cpu(&cpus[i]);
		rcu_init_cpu();
	}
	shim_use_cpu(&cpus[0]);
	watched = HPA(0);
	vm = test_calloc(1, sizeof(*vm));
	free_frames = frame_stats().free;
	assert_int_equal(ptab_init(&vm->tdp, &format), 0);
	return shootdown_init(&vm->shootdown);
}

static int tear_down(void **state)
{
	(void)state;
	shootdown_fini(&vm->shootdown);
	ptab_destroy(&vm->tdp);
	assert_int_equal(frame_stats().free, free_frames);
	test_free(vm);
	ptab_fake_memory_end();
	return 0;
}

static void test_load_flushes_once(void **state)
{
	(void)state;
	/* Another VM may have had this root. */
	on(1, shootdown_load);
	assert_int_equal(flushes[1], 1);
	on(1, shootdown_unload);
	on(1, shootdown_load);
	assert_int_equal(flushes[1], 1);
}

static void test_only_loaded_are_kicked(void **state)
{
	(void)state;
	on(1, shootdown_load);
	on(2, shootdown_load);
	on(2, shootdown_unload);
	assert_int_equal(shootdown(vm), 0);
	assert_int_equal(kicks[1], 1);
	assert_int_equal(flushes[1], 2);
	assert_int_equal(kicks[0] + kicks[2], 0);
	assert_int_equal(flushes[2], 1);
	/* The other is told when it next runs the VM. */
	on(2, shootdown_load);
	assert_int_equal(flushes[2], 2);
	/* A kick for something else flushes nothing. */
	apic_send_ipi(1, 0);
	assert_int_equal(flushes[1], 2);
}

static void test_own_cpu(void **state)
{
	(void)state;
	on(0, shootdown_load);
	assert_int_equal(shootdown(vm), 0);
	assert_int_equal(flushes[0], 2);
	assert_int_equal(kicks[0], 0);
}

static void test_deaf_cpu(void **state)
{
	hpa_t table;

	(void)state;
	assert_int_equal(ptab_map(&vm->tdp, GIB, HPA(0), PAGE_SIZE, FLAGS), 0);
	on(1, shootdown_load);
	deaf[1] = true;
	table = HPA(free_frames - frame_stats().free);
	assert_int_equal(table.v, 4);
	assert_int_equal(shootdown_and_free(vm, GPA(GIB), 2), -ETIMEDOUT);
	assert_true(shim_log_contains("mmu: CPU 1 does not flush"));
	/* The page stays: it is not known who uses it. */
	assert_int_equal(free_frames - frame_stats().free, 4);
	free_frames--;
}

static void test_pages_are_freed(void **state)
{
	const u64 *entry;

	(void)state;
	for (u64 va = GIB; va < GIB + 4 * MIB; va += PAGE_SIZE)
		assert_int_equal(ptab_map(&vm->tdp, va, HPA(va), PAGE_SIZE, FLAGS), 0);
	/* Root, two tables on the way, two of leaves. */
	assert_int_equal(free_frames - frame_stats().free, 5);
	on(1, shootdown_load);
	entry = phys_to_virt(vm->tdp.root);
	watched = HPA(entry[0] & format.addr_mask);
	assert_int_equal(shootdown_and_free(vm, GPA(GIB), 3), 0);
	assert_int_equal(flushes[1], 2);
	assert_int_equal(free_frames - frame_stats().free, 2);
	/* Beside it nothing is gone; there it is. */
	assert_false(ptab_translate(&vm->tdp, GIB, &(hpa_t){ 0 }));
	assert_int_equal(shootdown_and_free(vm, GPA(GIB), 3), -ENOENT);
	assert_int_equal(shootdown_and_free(vm, GPA(GIB), 1), -ENOENT);
	assert_int_equal(shootdown_and_free(vm, GPA(GIB), 5), -ENOENT);
	assert_int_equal(ptab_map(&vm->tdp, GIB, HPA(0), PAGE_SIZE, FLAGS), 0);
	watched = HPA(0);
	on(1, shootdown_unload);
	assert_int_equal(shootdown_and_free(vm, GPA(0), SHOOTDOWN_ROOT), 0);
	assert_int_equal(vm->tdp.root.v, 0);
	assert_int_equal(frame_stats().free, free_frames);
	assert_int_equal(shootdown_and_free(vm, GPA(0), SHOOTDOWN_ROOT), -ENOENT);
}

static void test_leaf_is_no_table(void **state)
{
	hpa_t pa;

	(void)state;
	assert_int_equal(ptab_map(&vm->tdp, 2 * MIB, HPA(2 * MIB), 2 * MIB, FLAGS), 0);
	assert_int_equal(shootdown_and_free(vm, GPA(2 * MIB), 2), -ENOENT);
	assert_true(ptab_translate(&vm->tdp, 2 * MIB + 5, &pa));
	assert_int_equal(pa.v, 2 * MIB + 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_load_flushes_once), T(test_only_loaded_are_kicked), T(test_own_cpu),
		T(test_deaf_cpu),	   T(test_pages_are_freed),	   T(test_leaf_is_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
