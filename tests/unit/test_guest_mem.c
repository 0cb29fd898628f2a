/* A VM's memory: its slots, how they are mapped, faults, and copies by guest-physical address. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "core/percpu.h"
#include "hv/backend.h"
#include "hv/guest_mem.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"
#include "hv/vm_slots.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "shim.h"
#include "tdp_fake.h"

#define PHYS	 (6 * GIB)
#define RAM	 0x77ull
#define ROM	 0x75ull
#define ROM_BASE 0xc0000ull
#define M2	 (2 * MIB)

static struct tdp_fake tdp_fake = { .format = { PTAB_FAKE_FORMAT, .max_leaf_level = 3 },
				    .ram = RAM,
				    .rom = ROM,
				    .method = DIRTY_BITS };
struct cpu_features cpu_features = { .phys_bits = 46 };
static struct vm_config config;
static struct vm vm;
static struct vcpu vcpu;
static unsigned shootdowns, kills;
static struct cpu cpu;

void rcu_synchronize(void)
{
}

int shootdown(struct vm *v)
{
	assert_ptr_equal(v, &vm);
	shootdowns++;
	return 0;
}

void sched_post(struct thread *t, u32 bits)
{
	fail_msg("posted to another thread: %s, 0x%x", t->name, bits);
}

void vm_kill(struct vcpu *v, const char *why, ...)
{
	(void)v;
	(void)why;
	kills++;
}

static int set_up(void **unused)
{
	(void)unused;
	tdp_fake_begin(&vm, &vcpu, &config, PHYS);
	cpu = (struct cpu){ .self = &cpu, .current = &vcpu.thread };
	shim_use_cpu(&cpu);
	shootdowns = kills = 0;
	config = (struct vm_config){ 0 };
	return tdp_init(&vm);
}

static int tear_down(void **unused)
{
	(void)unused;
	tdp_fake_end(&vm);
	return 0;
}

/* A map by hand: page 0 to 0xa0000, 1 MiB up to 5 MiB + 0x3000, and 8 KiB just behind 8 MiB. */
static void create(void)
{
	vm.memmap.ram_count = 3;
	vm.memmap.ram[0] = (struct memmap_area){ GPA(0), 0xa0000 };
	vm.memmap.ram[1] = (struct memmap_area){ GPA(MIB), 4 * MIB + 0x3000 };
	vm.memmap.ram[2] = (struct memmap_area){ GPA(8 * MIB), 0x2000 };
	assert_int_equal(vm_slots_init(&vm), 0);
}

/* Where the hypervisor finds the byte; NULL: no slot. */
static char *at(u64 gpa)
{
	const struct slot *slot = slots_find(&vm.slots, &vcpu.slot_cache, gpa_to_gfn(GPA(gpa)));
	u64 offset = gpa & (PAGE_SIZE - 1);

	if (!slot)
		return NULL;
	return (char *)phys_to_virt(hfn_to_hpa(slot_frame(slot, gpa_to_gfn(GPA(gpa))))) + offset;
}

/* The guest sees the same byte there. */
static void expect_ram(u64 gpa)
{
	hpa_t pa = HPA(0);

	assert_non_null(at(gpa));
	assert_true(ptab_translate(&vm.tdp, gpa, &pa));
	assert_ptr_equal(phys_to_virt(pa), at(gpa));
}

static void expect_hole(u64 gpa)
{
	hpa_t pa;

	assert_null(at(gpa));
	assert_false(ptab_translate(&vm.tdp, gpa, &pa));
}

static void test_find(void **unused)
{
	(void)unused;
	create();
	expect_ram(0);
	expect_ram(0x9ffff);
	expect_hole(0xa0000);
	expect_hole(ROM_BASE - 1);
	expect_hole(MIB - 1);
	expect_ram(MIB);
	expect_ram(M2);
	expect_ram(5 * MIB + 0x2fff);
	expect_hole(5 * MIB + 0x3000);
	expect_hole(8 * MIB - 1);
	expect_ram(8 * MIB);
	expect_hole(8 * MIB + 0x2000);
	expect_hole(UINT64_MAX >> 17);
	assert_null(at(UINT64_MAX));
	/* Not a frame more than asked for, but for tables and the one of ones. */
	assert_true(frame_stats().total - frame_stats().free < 160 + 1027 + 2 + 10);
}

static void test_rom(void **unused)
{
	unsigned level = 0;
	u8 b = 0;

	(void)unused;
	create();
	for (u64 a = ROM_BASE; a < MEMMAP_BIOS_BASE; a += PAGE_SIZE) {
		expect_ram(a);
		assert_int_equal(ptab_lookup(&vm.tdp, a, &level) & 0xfff, ROM);
	}
	assert_int_equal(guest_mem_read(&vm, GPA(ROM_BASE + 0x1234), &b, 1), 0);
	assert_int_equal(b, 0xff);
	assert_int_equal(guest_mem_write(&vm, GPA(ROM_BASE), &b, 1), -EFAULT);
	assert_int_equal(guest_mem_zero(&vm, GPA(ROM_BASE), 1), -EFAULT);
}

/* --- faults --- */

static struct slot *slot_at(u64 gpa)
{
	return slots_find(&vm.slots, &vcpu.slot_cache, gpa_to_gfn(GPA(gpa)));
}

static void expect_leaf(u64 gpa, u64 flags, unsigned expected_level)
{
	unsigned level = 0;
	u64 e = ptab_lookup(&vm.tdp, gpa, &level);

	assert_int_equal(level, expected_level);
	assert_int_equal(e & 0x77, flags);
	expect_ram(gpa);
}

/* What a change has removed comes back, page by page, as large as it can be. */
static void test_faults(void **unused)
{
	hpa_t pa;

	(void)unused;
	create();
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(0xa0000), false), TDP_EMULATE);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(MIB + 5), true), TDP_RESUME); /* was there */
	assert_int_equal(tdp_unmap_slot(&vm, slot_at(MIB)), 0);
	assert_int_equal(shootdowns, 1);
	for (u64 a = MIB; a < 5 * MIB + 0x3000; a += PAGE_SIZE)
		assert_false(ptab_translate(&vm.tdp, a, &pa));
	expect_ram(8 * MIB); /* another slot's */
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(M2 + 0x5123), true), TDP_RESUME);
	expect_leaf(M2, RAM, 2);
	expect_leaf(2 * M2 - 1, RAM, 2);
	assert_false(ptab_translate(&vm.tdp, 2 * M2, &pa));
	/* The slot begins and ends within these. */
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(MIB + 0x5123), false), TDP_RESUME);
	expect_leaf(MIB + 0x5000, RAM, 1);
	assert_false(ptab_translate(&vm.tdp, MIB + 0x4fff, &pa));
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(5 * MIB + 0x2000), false), TDP_RESUME);
	expect_leaf(5 * MIB + 0x2000, RAM, 1);
	expect_hole(5 * MIB + 0x3000);
	assert_int_equal(kills | vcpu.thread.pending, 0);
}

static void test_changes(void **unused)
{
	(void)unused;
	create();
	memset(at(8 * MIB), 0x5a, 0x2000);
	assert_int_equal(slots_set_flags(&vm.slots, 2, SLOT_READ_ONLY), 0);
	assert_int_equal(shootdowns, 1);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(8 * MIB), true), TDP_RESUME);
	expect_leaf(8 * MIB, ROM, 1);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(8 * MIB), true), TDP_EMULATE);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(8 * MIB), false), TDP_RESUME);
	/* It takes its contents along, and is gone where it was. */
	assert_int_equal(slots_move(&vm.slots, 2, GFN(0x10000)), 0);
	expect_hole(8 * MIB);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(8 * MIB), false), TDP_EMULATE);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(0x10001000), false), TDP_RESUME);
	expect_leaf(0x10001000, ROM, 1);
	assert_int_equal(at(0x10001fff)[0], 0x5a);
	assert_int_equal(slots_delete(&vm.slots, 2), 0);
	expect_hole(0x10001000);
	assert_int_equal(shootdowns, 3);
}

/* Nothing is mapped of it any more; the worker that waits for this CPU gets it. */
static void test_invalid(void **unused)
{
	u8 b;

	(void)unused;
	create();
	assert_int_equal(tdp_unmap_slot(&vm, slot_at(8 * MIB)), 0);
	slot_at(8 * MIB)->flags |= SLOT_INVALID;
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(8 * MIB), false), TDP_LEAVE);
	assert_int_equal(vcpu.thread.pending, THREAD_RESCHED);
	assert_false(ptab_translate(&vm.tdp, 8 * MIB, &(hpa_t){ 0 }));
	assert_int_equal(guest_mem_read(&vm, GPA(8 * MIB), &b, 1), -EFAULT);
}

static void test_no_tables(void **unused)
{
	hpa_t all[4096];
	unsigned n = 0;

	(void)unused;
	create();
	assert_int_equal(slots_move(&vm.slots, 2, GFN(0x1000000)), 0);
	for (unsigned order = FRAME_MAX_ORDER + 1; order-- > 0;) {
		while (n < ARRAY_SIZE(all) && (all[n] = frame_alloc(order)).v)
			n++;
	}
	assert_true(n < ARRAY_SIZE(all));
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(0x1000000000), false), TDP_LEAVE);
	assert_int_equal(kills, 1);
	while (n--)
		frame_free(all[n], frame_order(all[n]));
}

/* Contiguous host memory is mapped in large pages. */
static void test_large_pages(void **unused)
{
	unsigned level = 0;

	(void)unused;
	vm.memmap.ram_count = 1;
	vm.memmap.ram[0] = (struct memmap_area){ GPA(M2), 8 * MIB };
	assert_int_equal(vm_slots_init(&vm), 0);
	for (u64 a = M2; a < 5 * M2; a += M2) {
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
	vm.memmap.ram[0] = (struct memmap_area){ GPA(M2), 16 * MIB };
	assert_int_equal(vm_slots_init(&vm), 0);
	for (u64 a = M2; a < 9 * M2; a += 0x1000)
		expect_ram(a);
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
	vm.memmap.ram[0] = (struct memmap_area){ GPA(MIB), PHYS };
	assert_int_equal(vm_slots_init(&vm), -ENOMEM);
	vm_slots_fini(&vm);
	/* All but the tables is free again. */
	assert_true(frame_stats().total - frame_stats().free < 16);
	shim_heap_fail_after(1);
	assert_int_equal(vm_slots_init(&vm), -ENOMEM);
}

/* The memory map of a real guest with RAM on both sides of 4 GiB. */
static void test_high(void **unused)
{
	(void)unused;
	assert_int_equal(guest_memmap_init(&vm.memmap, 3 * GIB + 64 * MIB), 0);
	assert_int_equal(vm_slots_init(&vm), 0);
	expect_ram(3 * GIB - 1);
	expect_hole(3 * GIB);
	expect_hole(4 * GIB - 1);
	expect_ram(4 * GIB);
	expect_ram(4 * GIB + 64 * MIB - 1);
	expect_hole(4 * GIB + 64 * MIB);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_find),	 T(test_rom),	      T(test_faults),	   T(test_changes),
		T(test_invalid), T(test_no_tables),   T(test_large_pages), T(test_scattered),
		T(test_copies),	 T(test_copy_errors), T(test_no_memory),   T(test_high),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
