/* A VM's RAM: blocks, holes, and copies by guest-physical address. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/guest_mem.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "shim.h"

#define PHYS  (6 * GIB)
#define FLAGS 0x77ull
#define M2    (2 * MIB)

static const struct ptab_fmt fmt = {
	.name = "test",
	.present = 7,
	.table_flags = 7,
	.large = BIT(7),
	.addr_mask = 0x000ffffffffff000,
	.levels = 4,
	.max_leaf_level = 3,
};
static struct vm vm;
static u8 *states;

void trap_irq_window(void)
{
}

static int set_up(void **unused)
{
	(void)unused;
	shim_phys_init(PHYS);
	states = calloc(1, PHYS / PAGE_SIZE);
	frame_init(states, HFN(PHYS / PAGE_SIZE));
	frame_add(HPA(MIB), PHYS - MIB);
	memset(&vm, 0, sizeof(vm));
	return ptab_init(&vm.tdp, &fmt);
}

static int tear_down(void **unused)
{
	(void)unused;
	vm_mem_fini(&vm.mem);
	ptab_destroy(&vm.tdp);
	assert_int_equal(frame_stats().free, frame_stats().total);
	assert_int_equal(shim_heap_live(), 0);
	free(states);
	shim_phys_fini();
	return 0;
}

/* A map by hand: page 0 to 0xa0000, 1 MiB up to 5 MiB + 0x3000, and 8 KiB just behind 8 MiB. */
static void create(void)
{
	vm.memmap.ram_count = 3;
	vm.memmap.ram[0] = (struct memmap_area){ GPA(0), 0xa0000 };
	vm.memmap.ram[1] = (struct memmap_area){ GPA(MIB), 4 * MIB + 0x3000 };
	vm.memmap.ram[2] = (struct memmap_area){ GPA(8 * MIB), 0x2000 };
	assert_int_equal(vm_mem_init(&vm.mem, &vm.memmap, &vm.tdp, FLAGS), 0);
}

static void expect_left(u64 gpa, u64 expected)
{
	u64 left = 0;
	void *p = vm_mem_find(&vm.mem, GPA(gpa), &left);
	hpa_t pa = HPA(0);

	assert_non_null(p);
	assert_int_equal(left, expected);
	/* The guest sees the same byte there. */
	assert_true(ptab_translate(&vm.tdp, gpa, &pa));
	assert_ptr_equal(phys_to_virt(pa), p);
}

static void expect_hole(u64 gpa)
{
	u64 left;
	hpa_t pa;

	assert_null(vm_mem_find(&vm.mem, GPA(gpa), &left));
	assert_false(ptab_translate(&vm.tdp, gpa, &pa));
}

static void test_find(void **unused)
{
	(void)unused;
	create();
	assert_int_equal(vm.mem.block_count, 5);
	expect_left(0, 0xa0000);
	expect_left(0x9ffff, 1);
	expect_hole(0xa0000);
	expect_hole(MIB - 1);
	expect_left(MIB, MIB);
	expect_left(M2, M2); /* a whole block */
	expect_left(2 * M2 - 1, 1);
	expect_left(2 * M2, MIB + 0x3000);
	expect_left(5 * MIB + 0x2fff, 1);
	expect_hole(5 * MIB + 0x3000);
	expect_hole(6 * MIB); /* a block without RAM */
	expect_left(8 * MIB, 0x2000);
	expect_hole(8 * MIB + 0x2000);
	expect_hole(10 * MIB); /* past the last block */
	expect_hole(UINT64_MAX >> 17);
	assert_null(vm_mem_find(&vm.mem, GPA(UINT64_MAX), &(u64){ 0 }));
	/* Four blocks with RAM: nothing was spent on the empty one. */
	assert_true(frame_stats().total - frame_stats().free < 4 * 512 + 10);
}

/* Contiguous host memory is mapped in large pages. */
static void test_large_pages(void **unused)
{
	unsigned level = 0;

	(void)unused;
	vm.memmap.ram_count = 1;
	vm.memmap.ram[0] = (struct memmap_area){ GPA(0), 8 * MIB };
	assert_int_equal(vm_mem_init(&vm.mem, &vm.memmap, &vm.tdp, FLAGS), 0);
	for (u64 a = 0; a < 8 * MIB; a += M2) {
		(void)ptab_lookup(&vm.tdp, a, &level);
		assert_int_equal(level, 2);
	}
}

/* Blocks that are scattered in host memory: each guest page is where its block says. */
static void test_scattered(void **unused)
{
	hpa_t hole[8];

	(void)unused;
	for (unsigned i = 0; i < 8; i++)
		hole[i] = frame_alloc(FRAME_ORDER_2M);
	for (unsigned i = 0; i < 8; i += 2)
		frame_free(hole[i], FRAME_ORDER_2M);
	vm.memmap.ram_count = 1;
	vm.memmap.ram[0] = (struct memmap_area){ GPA(0), 16 * MIB };
	assert_int_equal(vm_mem_init(&vm.mem, &vm.memmap, &vm.tdp, FLAGS), 0);
	for (u64 a = 0; a < 16 * MIB; a += 0x1000)
		expect_left(a, M2 - a % M2);
	for (unsigned i = 1; i < 8; i += 2)
		frame_free(hole[i], FRAME_ORDER_2M);
}

static void test_copies(void **unused)
{
	static u8 out[3 * MIB], in[3 * MIB];

	(void)unused;
	create();
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (u8)(i * 7 + i / 4099);
	/* Across two block boundaries, at odd addresses. */
	assert_int_equal(guest_mem_write(&vm, GPA(MIB + 0x777), out, sizeof(out)), 0);
	assert_int_equal(guest_mem_read(&vm, GPA(MIB + 0x777), in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(out));
	/* What is next to it is as it was. */
	assert_int_equal(guest_mem_read(&vm, GPA(MIB + 0x776), in, 1), 0);
	assert_int_equal(in[0], 0);
	assert_int_equal(guest_mem_read(&vm, GPA(4 * MIB + 0x777), in, 1), 0);
	assert_int_equal(in[0], 0);
	assert_int_equal(guest_mem_zero(&vm, GPA(M2 - 1), 2), 0);
	assert_int_equal(guest_mem_read(&vm, GPA(M2 - 2), in, 4), 0);
	assert_int_equal(in[0], out[MIB - 0x777 - 2]);
	assert_int_equal(in[1] | in[2], 0);
	assert_int_equal(in[3], out[MIB - 0x777 + 1]);
}

static void test_copy_errors(void **unused)
{
	u8 b[16] = { 0 };

	(void)unused;
	create();
	assert_int_equal(guest_mem_read(&vm, GPA(0x9fff0), b, 16), 0);
	assert_int_equal(guest_mem_read(&vm, GPA(0x9fff1), b, 16), -EFAULT);
	assert_int_equal(guest_mem_write(&vm, GPA(MIB - 1), b, 1), -EFAULT);
	assert_int_equal(guest_mem_write(&vm, GPA(MIB - 1), b, 2), -EFAULT);
	assert_int_equal(guest_mem_zero(&vm, GPA(5 * MIB + 0x2ff8), 9), -EFAULT);
	assert_int_equal(guest_mem_zero(&vm, GPA(5 * MIB + 0x2ff8), 8), 0);
	assert_int_equal(guest_mem_read(&vm, GPA(0xffffffffffffffff), b, 2), -EFAULT);
	assert_int_equal(guest_mem_read(&vm, GPA(0xa0000), b, 0), 0);
}

static void test_no_memory(void **unused)
{
	(void)unused;
	vm.memmap.ram_count = 1;
	vm.memmap.ram[0] = (struct memmap_area){ GPA(0), PHYS };
	assert_int_equal(vm_mem_init(&vm.mem, &vm.memmap, &vm.tdp, FLAGS), -ENOMEM);
	assert_int_equal(vm.mem.block_count, 0);
	/* All but the tables is free again. */
	assert_true(frame_stats().total - frame_stats().free < 16);
	shim_heap_fail_after(1);
	assert_int_equal(vm_mem_init(&vm.mem, &vm.memmap, &vm.tdp, FLAGS), -ENOMEM);
}

/* The memory map of a real guest with RAM on both sides of 4 GiB. */
static void test_high(void **unused)
{
	u64 left;

	(void)unused;
	assert_int_equal(guest_memmap_init(&vm.memmap, 3 * GIB + 64 * MIB), 0);
	assert_int_equal(vm_mem_init(&vm.mem, &vm.memmap, &vm.tdp, FLAGS), 0);
	expect_left(3 * GIB - 1, 1);
	expect_hole(3 * GIB);
	expect_hole(4 * GIB - 1);
	expect_left(4 * GIB, M2);
	expect_left(4 * GIB + 64 * MIB - 1, 1);
	assert_null(vm_mem_find(&vm.mem, GPA(4 * GIB + 64 * MIB), &left));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_find),	     T(test_large_pages), T(test_scattered), T(test_copies),
		T(test_copy_errors), T(test_no_memory),	  T(test_high),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
