/*
 * The dirty log from a slot's flags to the words that are read, by each of the three methods, with
 * a processor that is a few lines: it has a TLB, which only a shootdown flushes, and a log.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "hv/backend.h"
#include "hv/guest_mem.h"
#include "hv/mmu/dirty_log.h"
#include "hv/mmu/shootdown.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"
#include "hv/vm_slots.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/ptab_split.h"
#include "shim.h"
#include "tdp_fake.h"

#define PHYS  (256 * MIB)
#define W     BIT(1)
#define D     BIT(9)
#define RAM   (7 | D)
#define M2    (2 * MIB)
#define ID    20
#define BASE  (64 * MIB) /* of the slot under test */
#define PAGES 1300
#define WORDS ((PAGES + 63) / 64)
#define LOG   8 /* entries of the processor's log */

static struct tdp_fake tdp_fake = { .format = { PTAB_FAKE_FORMAT, .writable = W, .dirty = D,
						.max_leaf_level = 3 },
				    .ram = RAM,
				    .rom = RAM & ~W };
struct cpu_features cpu_features = { .phys_bits = 46 };
static struct vm_config config;
static struct vm vm;
static struct vcpu vcpu;
static unsigned shootdowns, faults, frees;
static int shootdown_error;
static u64 free_before;
static u64 words[WORDS], count;

/* --- in the place of the walker's own --- */

static bool read_in_fault;

bool ptab_set_bits(struct ptab *pt, u64 va, u64 bits)
{
	const struct dirty_range all = { ID, 0, PAGES };
	u64 n, *leaf = ptab_small_leaves(pt, va, &n);

	if (read_in_fault) {
		read_in_fault = false;
		assert_int_equal(dirty_log_read(&vm, &all, words, &count), 0);
		assert_int_equal(count, 1);
	}
	if (!leaf || !(*leaf & tdp_fake.format.present))
		return false;
	*leaf |= bits;
	return true;
}

/* --- the processor --- */

static bool tlb[PHYS / PAGE_SIZE]; /* guest frames that it writes without looking at the tables */
static u64 cpu_log[LOG];
static unsigned logged;
static u64 stale_gpa; /* is written just before the flush, if the TLB lets it; 0: nothing */
static bool stale_written;

static void drain(void)
{
	struct slot_cache cache = { 0 };

	while (logged)
		dirty_log_mark_gfn(&vm, &cache, gpa_to_gfn(GPA(cpu_log[--logged])));
}

static void write_dirty_bit(u64 gpa, u64 *leaf)
{
	if (*leaf & D)
		return;
	*leaf |= D;
	if (tdp_fake.method != DIRTY_PML)
		return;
	if (logged == LOG)
		drain();
	cpu_log[logged++] = gpa;
}

/* The guest writes. */
static void touch(u64 gpa)
{
	u64 n, *leaf;

	if (tlb[gpa >> PAGE_SHIFT])
		return;
	for (unsigned tries = 0;; tries++) {
		hpa_t pa;

		assert_true(tries < 3);
		leaf = ptab_small_leaves(&vm.tdp, gpa, &n);
		if (!leaf && ptab_translate(&vm.tdp, gpa, &pa))
			break; /* large, and so not logged: dirty from the start */
		if (leaf && (*leaf & W)) {
			if (tdp_fake.method != DIRTY_WRITE_PROTECT)
				write_dirty_bit(gpa, leaf);
			break;
		}
		faults++;
		assert_int_equal(tdp_fault(&vcpu, NULL, GPA(gpa), true), TDP_RESUME);
	}
	tlb[gpa >> PAGE_SHIFT] = true;
}

int shootdown(struct vm *v)
{
	assert_ptr_equal(v, &vm);
	shootdowns++;
	if (shootdown_error)
		return shootdown_error;
	if (stale_gpa && tlb[stale_gpa >> PAGE_SHIFT]) {
		stale_written = true;
		touch(stale_gpa);
	}
	drain();
	memset(tlb, 0, sizeof(tlb));
	/* The first of two: what is still dirty may come back. */
	if (stale_gpa && tdp_fake.method == DIRTY_PML && shootdowns % 2 == 1)
		touch(stale_gpa);
	return 0;
}

int shootdown_free(struct vm *v, const struct ptab_table *tables, unsigned n)
{
	int err = shootdown(v);

	for (unsigned i = 0; !err && i < n; i++)
		frees += (unsigned)ptab_free(&tdp_fake.format, tables[i]);
	return err;
}

/* --- the rest --- */

void sched_pause(void)
{
}

void rcu_synchronize(void)
{
}

void sched_post(struct thread *t, u32 bits)
{
	(void)t;
	(void)bits;
	fail();
}

void vm_kill(struct vcpu *v, const char *why, ...)
{
	(void)v;
	fail_msg("%s", why);
}

/* Like a GiB of RAM behind the slot: in large pages. */
static int set_up(void **unused)
{
	const struct slot_spec spec = { .id = ID, .base = GFN(BASE >> PAGE_SHIFT), .pages = PAGES };
	struct slot_backing *b;

	(void)unused;
	tdp_fake_begin(&vm, &vcpu, &config, PHYS);
	memset(tlb, 0, sizeof(tlb));
	shootdowns = faults = frees = logged = 0;
	shootdown_error = 0;
	stale_gpa = 0;
	stale_written = false;
	if (tdp_init(&vm) || vm_slots_init(&vm))
		return -1;
	if (slot_backing_alloc(spec.base, spec.pages, false, &b) ||
	    slots_create(&vm.slots, &spec, b))
		return -1;
	free_before = frame_stats().free;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	tdp_fake_end(&vm);
	return 0;
}

static u64 page_of(u64 i)
{
	return BASE + i * PAGE_SIZE;
}

static void log_is(bool on)
{
	assert_int_equal(slots_set_flags(&vm.slots, ID, on ? SLOT_DIRTY_LOG : 0), 0);
}

static int read_range(u64 first, u64 pages)
{
	const struct dirty_range r = { ID, first, pages };

	memset(words, 0xee, sizeof(words));
	return dirty_log_read(&vm, &r, words, &count);
}

static void expect(const bool *written)
{
	u64 n = 0;

	assert_int_equal(read_range(0, PAGES), 0);
	for (u64 i = 0; i < PAGES; i++) {
		n += written[i];
		assert_int_equal(words[i / 64] >> i % 64 & 1, written[i]);
	}
	assert_int_equal(words[WORDS - 1] >> PAGES % 64, 0);
	assert_int_equal(count, n);
}

static const bool nothing[PAGES];

static void expect_level(u64 gpa, unsigned expected)
{
	unsigned level = 0;

	assert_true(ptab_lookup(&vm.tdp, gpa, &level) & tdp_fake.format.present);
	assert_int_equal(level, expected);
}

/* --- tests --- */

/* Every page alone, and none beside it. */
static void test_each_page(void **unused)
{
	(void)unused;
	log_is(true);
	expect(nothing);
	for (u64 i = 0; i < PAGES; i += 1 + (i > 130 && i < PAGES - 140) * 97) {
		bool written[PAGES] = { false };

		written[i] = true;
		touch(page_of(i));
		touch(page_of(i) + 0x123);
		expect(written);
	}
	expect(nothing);
}

/* Split when it is switched on, and large again when off: the tables are given back. */
static void test_split_and_merge(void **unused)
{
	bool written[PAGES] = { [700] = true };

	(void)unused;
	touch(page_of(0));
	touch(page_of(600));
	touch(page_of(1290));
	expect_level(page_of(0), 2);
	log_is(true);
	expect_level(page_of(0), 1);
	expect_level(page_of(511), 1);
	expect_level(page_of(1023), 1);
	expect(nothing);
	touch(page_of(700));
	expect(written);
	log_is(false);
	expect_level(page_of(0), 2);
	expect_level(page_of(700), 2);
	expect_level(page_of(1290), 1);
	assert_int_equal(frees, 2);
	faults = 0;
	for (u64 i = 0; i < 1024; i++)
		touch(page_of(i));
	assert_int_equal(faults, 0);
	/* What stays small may be written again without a fault. */
	touch(page_of(1290));
	assert_int_equal(faults, 0);
	log_is(true);
	log_is(false);
	assert_int_equal(read_range(0, PAGES), -EINVAL);
}

/* A leaf that is in a TLB as written before is written until the flush: before the pages are handed
 * out, as they are then. After it, a write is for the next reading. */
static void test_stale_translation(void **unused)
{
	bool written[PAGES] = { [77] = true };

	(void)unused;
	log_is(true);
	touch(page_of(77));
	stale_gpa = page_of(77);
	shootdowns = 0;
	expect(written);
	assert_true(stale_written);
	stale_gpa = 0;
	expect(nothing);
	touch(page_of(77));
	expect(written);
}

/* A reading comes between the two halves of a fault: the write that follows is for the next one. */
static void test_read_in_fault(void **unused)
{
	bool written[PAGES] = { [77] = true };

	(void)unused;
	log_is(true);
	read_in_fault = true;
	touch(page_of(77));
	assert_int_equal(read_in_fault, tdp_fake.method != DIRTY_WRITE_PROTECT);
	read_in_fault = false;
	expect(written);
	expect(nothing);
	touch(page_of(77));
	expect(written);
}

/* The flush did not come about: nothing is lost by that. */
static void test_timeout(void **unused)
{
	bool written[PAGES] = { [0] = true, [64] = true, [PAGES - 1] = true };

	(void)unused;
	log_is(true);
	touch(page_of(0));
	touch(page_of(64));
	touch(page_of(PAGES - 1));
	shootdown_error = -ETIMEDOUT;
	assert_int_equal(read_range(0, PAGES), -ETIMEDOUT);
	shootdown_error = 0;
	expect(written);
}

static void test_ranges(void **unused)
{
	static const struct {
		u64 first, pages;
		int err;
	} cases[] = {
		{ 0, 0, -EINVAL },
		{ 1, 64, -EINVAL },
		{ 0, 65, -EINVAL },
		{ 0, PAGES + 1, -EINVAL },
		{ 1280, 21, -EINVAL },
		{ 1344, 64, -EINVAL },
		{ UINT64_MAX - 63, 64, -EINVAL },
		{ 64, UINT64_MAX - 63, -EINVAL },
		{ 1280, 20, 0 },
		{ 64, 64, 0 },
	};

	(void)unused;
	log_is(true);
	for (u64 i = 0; i < PAGES; i++)
		touch(page_of(i));
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(read_range(cases[i].first, cases[i].pages), cases[i].err);
		assert_int_equal(count, cases[i].err ? 0 : cases[i].pages);
	}
	assert_int_equal(read_range(0, PAGES), 0);
	assert_int_equal(count, PAGES - 84);
	assert_int_equal(words[1], 0);
	assert_int_equal(words[20], 0);
	assert_int_equal(dirty_log_read(&vm, &(struct dirty_range){ 21, 0, 64 }, words, &count),
			 -ENOENT);
}

/* What Neap writes; and not what it reads. */
static void test_own_writes(void **unused)
{
	bool written[PAGES] = { [9] = true, [10] = true, [1000] = true };
	u8 buf[PAGE_SIZE] = { 0 };

	(void)unused;
	log_is(true);
	assert_int_equal(guest_mem_write(&vm, GPA(page_of(10) - 1), buf, 2), 0);
	assert_int_equal(guest_mem_zero(&vm, GPA(page_of(1000)), PAGE_SIZE), 0);
	assert_int_equal(guest_mem_read(&vm, GPA(page_of(500)), buf, PAGE_SIZE), 0);
	expect(written);
	expect(nothing);
}

/* Moved, made read-only and writable again: what was written before is still in the log. */
static void test_changes(void **unused)
{
	bool written[PAGES] = { [3] = true, [600] = true };
	u64 far = 128 * MIB + 5 * PAGE_SIZE;

	(void)unused;
	log_is(true);
	touch(page_of(3));
	touch(page_of(600));
	assert_int_equal(slots_move(&vm.slots, ID, GFN(far >> PAGE_SHIFT)), 0);
	expect(written);
	touch(far + 3 * PAGE_SIZE);
	assert_int_equal(slots_set_flags(&vm.slots, ID, SLOT_DIRTY_LOG | SLOT_READ_ONLY), 0);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(far), true), TDP_RESUME);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(far), true), TDP_EMULATE);
	assert_int_equal(slots_set_flags(&vm.slots, ID, SLOT_DIRTY_LOG), 0);
	touch(far + 600 * PAGE_SIZE);
	/* Words whose pages lie in two tables. */
	touch(far + 506 * PAGE_SIZE);
	touch(far + 507 * PAGE_SIZE);
	written[506] = written[507] = true;
	expect(written);
	assert_int_equal(slots_delete(&vm.slots, ID), 0);
	assert_int_equal(read_range(0, PAGES), -ENOENT);
}

/* Mapped for reading first: that is no write. */
static void test_reads(void **unused)
{
	bool written[PAGES] = { [5] = true };

	(void)unused;
	log_is(true);
	for (u64 i = 0; i < PAGES; i += 7)
		assert_int_equal(tdp_fault(&vcpu, NULL, GPA(page_of(i)), false), TDP_RESUME);
	assert_int_equal(tdp_fault(&vcpu, NULL, GPA(page_of(5)), false), TDP_RESUME);
	expect(nothing);
	touch(page_of(5));
	expect(written);
}

static void test_no_memory(void **unused)
{
	static hpa_t all[65536];
	hpa_t spare = frame_alloc(0);
	unsigned n = 0;

	(void)unused;
	touch(page_of(0));
	touch(page_of(600));
	for (unsigned i = 1; i <= 3; i++) {
		shim_heap_fail_after(i);
		assert_int_equal(slots_set_flags(&vm.slots, ID, SLOT_DIRTY_LOG), -ENOMEM);
		assert_int_equal(read_range(0, PAGES), -EINVAL);
	}
	shim_heap_fail_after(0);
	for (unsigned order = FRAME_MAX_ORDER + 1; order-- > 0;) {
		while (n < ARRAY_SIZE(all) && (all[n] = frame_alloc(order)).v)
			n++;
	}
	/* One of the two leaves can be split: it is made large again. */
	frame_free(spare, 0);
	assert_int_equal(slots_set_flags(&vm.slots, ID, SLOT_DIRTY_LOG), -ENOMEM);
	expect_level(page_of(0), 2);
	expect_level(page_of(600), 2);
	assert_int_equal(frees, 1);
	assert_int_equal(read_range(0, PAGES), -EINVAL);
	while (n--)
		frame_free(all[n], frame_order(all[n]));
	log_is(true);
	expect(nothing);
}

/* However often it is switched, read and written: no more than the tables and the bitmap. */
static void test_bounded(void **unused)
{
	u64 most = 0;

	(void)unused;
	for (unsigned round = 0; round < 20; round++) {
		log_is(true);
		for (u64 i = 0; i < PAGES; i++)
			touch(page_of(i));
		assert_int_equal(read_range(0, PAGES), 0);
		most = MAX(most, free_before - frame_stats().free);
		log_is(false);
	}
	/* A table for each 2 MiB. */
	assert_int_equal(most, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	static const char *const names[] = { "write protection", "dirty bits", "PML" };
	const struct CMUnitTest tests[] = {
		T(test_each_page), T(test_split_and_merge), T(test_stale_translation),
		T(test_timeout),   T(test_ranges),	    T(test_own_writes),
		T(test_changes),   T(test_reads),	    T(test_no_memory),
		T(test_bounded),   T(test_read_in_fault),
	};
	int failed = 0;

	for (tdp_fake.method = DIRTY_WRITE_PROTECT; tdp_fake.method <= DIRTY_PML; tdp_fake.method++)
		failed += cmocka_run_group_tests_name(names[tdp_fake.method], tests, NULL, NULL);
	return failed;
}
