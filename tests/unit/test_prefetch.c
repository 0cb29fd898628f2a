/* Memory mapped when it is touched, and the pages that come with it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "hv/backend.h"
#include "hv/mmu/prefetch.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"
#include "hv/vm_slots.h"
#include "mm/frame.h"
#include "shim.h"
#include "tdp_fake.h"

#define PHYS  (64 * MIB)
#define RAM   0x77ull
#define ROM   0x75ull
#define M2    (2 * MIB)
#define PAGES (M2 / PAGE_SIZE)
#define BASE  (4 * MIB) /* of the second slot, which is BASE_PAGES long */
#define TAIL  40u	/* pages it has behind its last 2 MiB */

static struct tdp_fake tdp_fake = { .format = { PTAB_FAKE_FORMAT, .max_leaf_level = 3 },
				    .ram = RAM,
				    .rom = ROM,
				    .method = DIRTY_BITS };
struct cpu_features cpu_features = { .phys_bits = 46 };
static struct vm_config config;
static struct vm vm;
static struct vcpu vcpu;
static unsigned kills;

void rcu_synchronize(void)
{
}

int shootdown(struct vm *v)
{
	(void)v;
	return 0;
}

void sched_post(struct thread *t, u32 bits)
{
	(void)t;
	(void)bits;
}

void vm_kill(struct vcpu *v, const char *why, ...)
{
	(void)v;
	(void)why;
	kills++;
}

/* 640 KiB from 0, and 4 MiB and some pages from BASE on; nothing mapped. */
static int set_up_as(enum vm_populate populate)
{
	tdp_fake_begin(&vm, &vcpu, &config, PHYS);
	config = (struct vm_config){ .populate = populate };
	kills = 0;
	vm.memmap.ram_count = 2;
	vm.memmap.ram[0] = (struct memmap_area){ GPA(0), 0xa0000 };
	vm.memmap.ram[1] = (struct memmap_area){ GPA(BASE), 2 * M2 + TAIL * PAGE_SIZE };
	return tdp_init(&vm) || vm_slots_init(&vm);
}

static int set_up(void **unused)
{
	(void)unused;
	return set_up_as(VM_POPULATE_LAZY_4K);
}

static int set_up_large(void **unused)
{
	(void)unused;
	return set_up_as(VM_POPULATE_LAZY);
}

static int tear_down(void **unused)
{
	(void)unused;
	tdp_fake_end(&vm);
	return 0;
}

static bool is_mapped(u64 gpa)
{
	const struct slot *slot = slots_find(&vm.slots, &vcpu.slot_cache, gpa_to_gfn(GPA(gpa)));
	hpa_t pa = HPA(0);

	if (!ptab_translate(&vm.tdp, gpa, &pa))
		return false;
	assert_non_null(slot);
	assert_int_equal(pa.v >> PAGE_SHIFT, slot_frame(slot, gpa_to_gfn(GPA(gpa))).v);
	return true;
}

/* Mapped are the pages [page, page + n) behind BASE, or behind 0, and none beside them. */
static void expect_run(u64 base, u64 page, u64 n)
{
	u64 pages = base ? 2 * PAGES + TAIL : 0xa0;

	for (u64 i = 0; i < pages; i++)
		assert_int_equal(is_mapped(base + i * PAGE_SIZE), i - page < n);
}

static void touch(u64 gpa)
{
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(gpa), true), TDP_RESUME);
}

static void test_nothing_at_start(void **unused)
{
	(void)unused;
	expect_run(0, 0, 0);
	expect_run(BASE, 0, 0);
}

static void test_eager(void **unused)
{
	(void)unused;
	tear_down(NULL);
	assert_int_equal(set_up_as(VM_POPULATE_EAGER), 0);
	expect_run(0, 0, 0xa0);
	expect_run(BASE, 0, 2 * PAGES + TAIL);
}

/* The page itself and as many as the number says, at the edges of what it may be. */
static void test_number(void **unused)
{
	static const u32 numbers[] = { 0, 1, 2, MAX_PTE_PREFETCH - 1, MAX_PTE_PREFETCH };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_int_equal(prefetch_set(&vm.prefetch, numbers[i]), 0);
		touch(BASE + 17 * PAGE_SIZE + 123);
		expect_run(BASE, 17, 1 + numbers[i]);
		assert_int_equal(vcpu.prefetch.pages, numbers[i]);
		vcpu.prefetch.pages = 0;
		assert_int_equal(ptab_unmap(&vm.tdp, BASE, 2 * M2), 0);
	}
}

static void test_refused(void **unused)
{
	(void)unused;
	assert_int_equal(prefetch_set(&vm.prefetch, 5), 0);
	assert_int_equal(prefetch_set(&vm.prefetch, MAX_PTE_PREFETCH + 1), -EINVAL);
	assert_int_equal(prefetch_set(&vm.prefetch, UINT32_MAX + 1ull), -EINVAL);
	assert_int_equal(prefetch_set(&vm.prefetch, UINT64_MAX), -EINVAL);
	assert_int_equal(vm.prefetch, 5);
}

/* What the manifest says is what a VM begins with. */
static void test_from_the_configuration(void **unused)
{
	(void)unused;
	ptab_destroy(&vm.tdp);
	config.prefetch = 3;
	assert_int_equal(tdp_init(&vm), 0);
	touch(BASE);
	expect_run(BASE, 0, 4);
}

/* At the slot's end what is before the page takes the rest. */
static void test_end_of_slot(void **unused)
{
	(void)unused;
	assert_int_equal(prefetch_set(&vm.prefetch, TAIL - 3), 0);
	touch(BASE + 2 * M2 + 3 * PAGE_SIZE);
	expect_run(BASE, 2 * PAGES + 2, TAIL - 2);
	assert_int_equal(vcpu.prefetch.pages, TAIL - 3);
	touch(0xa0000 - PAGE_SIZE);
	expect_run(0, 0x9f - (TAIL - 3), 1 + TAIL - 3);
}

/* Behind the page first; before it until the slot's start, where its table has begun earlier. */
static void test_start_of_slot(void **unused)
{
	(void)unused;
	assert_int_equal(prefetch_set(&vm.prefetch, MAX_PTE_PREFETCH), 0);
	/* Read-only, of a frame that stands behind each page. */
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(0xe0000 - 2 * PAGE_SIZE), false), TDP_RESUME);
	for (u64 gpa = 0xa0000; gpa < 0x100000; gpa += PAGE_SIZE)
		assert_int_equal(is_mapped(gpa), gpa >= 0xc0000 && gpa < 0xe0000);
	assert_int_equal(ptab_lookup(&vm.tdp, 0xdf000, &(unsigned){ 0 }) & 7, ROM & 7);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(0xdf000), true), TDP_EMULATE);
	expect_run(0, 0, 0);
	/* Up to the slot's last page, and the rest before it. */
	touch(0x9f000 - 100 * PAGE_SIZE);
	expect_run(0, 0x9f - 128, 129);
}

static void test_end_of_table(void **unused)
{
	(void)unused;
	assert_int_equal(prefetch_set(&vm.prefetch, 7), 0);
	touch(BASE + M2 - 2 * PAGE_SIZE);
	expect_run(BASE, PAGES - 8, 8);
	assert_int_equal(ptab_unmap(&vm.tdp, BASE, 2 * M2), 0);
	touch(BASE + M2 + PAGE_SIZE);
	expect_run(BASE, PAGES + 1, 8);
	/* Behind it is something, before it one page and the table's beginning. */
	assert_int_equal(ptab_unmap(&vm.tdp, BASE + M2 + PAGE_SIZE, PAGE_SIZE), 0);
	touch(BASE + M2 + PAGE_SIZE);
	expect_run(BASE, PAGES, 9);
	assert_int_equal(ptab_unmap(&vm.tdp, BASE, 2 * M2), 0);
	assert_int_equal(prefetch_set(&vm.prefetch, MAX_PTE_PREFETCH), 0);
	touch(BASE + M2 - (MAX_PTE_PREFETCH + 1) * PAGE_SIZE);
	expect_run(BASE, PAGES - 1 - MAX_PTE_PREFETCH, 1 + MAX_PTE_PREFETCH);
}

static void test_present_neighbour(void **unused)
{
	(void)unused;
	touch(BASE + 20 * PAGE_SIZE);
	touch(BASE + 11 * PAGE_SIZE);
	assert_int_equal(prefetch_set(&vm.prefetch, 9), 0);
	/* Up to the next one that is there, then down to it. */
	touch(BASE + 18 * PAGE_SIZE);
	expect_run(BASE, 11, 10);
	assert_int_equal(vcpu.prefetch.pages, 7);
	/* A fault of a page that has come meanwhile. */
	touch(BASE + 15 * PAGE_SIZE);
	expect_run(BASE, 11, 10);
	/* The next one is there already: all of them go before it. */
	touch(BASE + 10 * PAGE_SIZE);
	expect_run(BASE, 1, 20);
	/* Both are there. */
	assert_int_equal(ptab_unmap(&vm.tdp, BASE + 5 * PAGE_SIZE, PAGE_SIZE), 0);
	vcpu.prefetch.pages = 0;
	touch(BASE + 5 * PAGE_SIZE);
	expect_run(BASE, 1, 20);
	assert_int_equal(vcpu.prefetch.pages, 0);
}

/* Each page has its own frame, wherever the pieces of the slot lie. */
static void test_extents(void **unused)
{
	const struct slot_spec spec = { .id = 9,
					.base = GFN(BASE / PAGE_SIZE + 4097),
					.pages = 255 };
	struct slot_backing *b;
	u64 gpa = spec.base.v * PAGE_SIZE;

	(void)unused;
	assert_int_equal(slot_backing_alloc(spec.base, spec.pages, false, &b), 0);
	assert_true(b->extents > 1);
	assert_int_equal(slots_create(&vm.slots, &spec, b), 0);
	assert_int_equal(prefetch_set(&vm.prefetch, MAX_PTE_PREFETCH), 0);
	touch(gpa + 2 * PAGE_SIZE);
	for (u64 i = 0; i < spec.pages; i++)
		assert_int_equal(is_mapped(gpa + i * PAGE_SIZE), i - 2 <= MAX_PTE_PREFETCH);
}

/* Large pages are for touches, too, and bring no others with them. */
static void test_large(void **unused)
{
	unsigned level = 0;

	(void)unused;
	assert_int_equal(prefetch_set(&vm.prefetch, MAX_PTE_PREFETCH), 0);
	touch(BASE + M2 + 5 * PAGE_SIZE);
	expect_run(BASE, PAGES, PAGES);
	(void)ptab_lookup(&vm.tdp, BASE + M2, &level);
	assert_int_equal(level, 2);
	assert_int_equal(vcpu.prefetch.pages, 0);
	/* Where no large one fits. */
	touch(BASE + 2 * M2);
	expect_run(BASE, PAGES, PAGES + TAIL);
}

/* A table stands where a large page would: what is touched gets a small one. */
static void test_table_in_the_way(void **unused)
{
	(void)unused;
	touch(BASE);
	assert_int_equal(ptab_unmap(&vm.tdp, BASE, PAGE_SIZE), 0);
	expect_run(BASE, 1, PAGES - 1);
	touch(BASE + 7);
	expect_run(BASE, 0, PAGES);
	/* And what is there already stays. */
	touch(BASE);
	expect_run(BASE, 0, PAGES);
}

static void test_no_memory(void **unused)
{
	(void)unused;
	while (frame_alloc(0).v)
		;
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(BASE), true), TDP_LEAVE);
	assert_int_equal(kills, 1);
	/* The frames taken above are not given back. */
	vm_slots_fini(&vm);
	ptab_destroy(&vm.tdp);
	ptab_fake_memory_end();
	set_up(NULL);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define LARGE(name) cmocka_unit_test_setup_teardown(name, set_up_large, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_at_start),
		TEST(test_eager),
		TEST(test_number),
		TEST(test_refused),
		TEST(test_from_the_configuration),
		TEST(test_end_of_slot),
		TEST(test_start_of_slot),
		TEST(test_end_of_table),
		TEST(test_present_neighbour),
		TEST(test_extents),
		LARGE(test_large),
		LARGE(test_table_in_the_way),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
