/* The page-table walker, with a format of its own, against a model that knows every 4 KiB page. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic.h"
#include "ptab_fake.h"
#include "shim.h"

#define PHYS  (128 * MIB)
#define FLAGS 0x805ull
#define M2    (2 * MIB)

static const struct ptab_fmt fmt4 = { PTAB_FAKE_FORMAT, .max_leaf_level = 3 };
static struct ptab_fmt fmt;
static struct ptab pt;

static int set_up(void **unused)
{
	(void)unused;
	ptab_fake_memory(PHYS);
	fmt = fmt4;
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

static void expect_at(u64 va, u64 pa)
{
	hpa_t out = HPA(0);

	assert_true(ptab_translate(&pt, va, &out));
	assert_int_equal(out.v, pa);
}

static void expect_none(u64 va)
{
	hpa_t out;

	assert_false(ptab_translate(&pt, va, &out));
}

static void expect_leaf(u64 va, unsigned level, u64 entry)
{
	unsigned l = 0;

	assert_int_equal(ptab_lookup(&pt, va, &l), entry);
	assert_int_equal(l, level);
}

static void test_leaf_sizes(void **unused)
{
	(void)unused;
	assert_int_equal(ptab_map(&pt, 0x1000, HPA(0x5000), 0x1000, FLAGS), 0);
	expect_leaf(0x1000, 1, 0x5000 | FLAGS);
	assert_int_equal(ptab_map(&pt, M2, HPA(6 * MIB), M2, FLAGS), 0);
	expect_leaf(M2 + 0x1234, 2, 6 * MIB | FLAGS | BIT(7));
	assert_int_equal(ptab_map(&pt, GIB, HPA(5 * GIB), GIB, FLAGS), 0);
	expect_leaf(2 * GIB - 1, 3, 5 * GIB | FLAGS | BIT(7));
	expect_at(0x1fff, 0x5fff);
	expect_at(2 * M2 - 1, 8 * MIB - 1);
	expect_at(GIB, 5 * GIB);
	expect_at(2 * GIB - 1, 6 * GIB - 1);
	expect_none(0xfff);
	expect_none(0x2000);
	expect_none(2 * M2);
	expect_none(2 * GIB);
}

/* One call: 4 KiB up to the first large boundary, then as large as it gets, and down again. */
static void test_largest_leaves(void **unused)
{
	u64 va = GIB - M2 - 0x1000, size = 0x1000 + M2 + GIB + M2 + 0x1000, delta = 8 * GIB;

	(void)unused;
	assert_int_equal(ptab_map(&pt, va, HPA(va + delta), size, FLAGS), 0);
	expect_leaf(va, 1, (va + delta) | FLAGS);
	expect_leaf(GIB - M2, 2, (GIB - M2 + delta) | FLAGS | BIT(7));
	expect_leaf(GIB, 3, (GIB + delta) | FLAGS | BIT(7));
	expect_leaf(2 * GIB, 2, (2 * GIB + delta) | FLAGS | BIT(7));
	expect_leaf(2 * GIB + M2, 1, (2 * GIB + M2 + delta) | FLAGS);
	expect_none(va - 1);
	expect_none(2 * GIB + M2 + 0x1000);
}

static void test_max_leaf_level(void **unused)
{
	(void)unused;
	fmt.max_leaf_level = 2;
	assert_int_equal(ptab_map(&pt, GIB, HPA(GIB), GIB, FLAGS), 0);
	expect_leaf(GIB, 2, GIB | FLAGS | BIT(7));
	fmt.max_leaf_level = 1;
	assert_int_equal(ptab_map(&pt, 4 * GIB, HPA(0), M2, FLAGS), 0);
	expect_leaf(4 * GIB, 1, FLAGS);
	/* Physical alignment decides as well. */
	fmt.max_leaf_level = 3;
	assert_int_equal(ptab_map(&pt, 8 * GIB, HPA(GIB + 0x1000), M2, FLAGS), 0);
	expect_leaf(8 * GIB, 1, (GIB + 0x1000) | FLAGS);
	expect_at(8 * GIB + M2 - 1, GIB + 0x1000 + M2 - 1);
}

static void test_five_levels(void **unused)
{
	u64 va = 1ull << 56 | 0x12345000;

	(void)unused;
	fmt.levels = 5;
	assert_int_equal(ptab_map(&pt, va, HPA(0x9000), 0x1000, FLAGS), 0);
	expect_at(va + 5, 0x9005);
	expect_none(va & ~(1ull << 56));
	assert_int_equal(ptab_fake_used_frames(), 5);
	ptab_destroy(&pt);
	assert_int_equal(ptab_fake_used_frames(), 0);
	fmt.levels = 4;
}

static void test_alignment(void **unused)
{
	(void)unused;
	assert_int_equal(ptab_map(&pt, 0x1001, HPA(0), 0x1000, FLAGS), -EINVAL);
	assert_int_equal(ptab_map(&pt, 0x1000, HPA(0x800), 0x1000, FLAGS), -EINVAL);
	assert_int_equal(ptab_map(&pt, 0x1000, HPA(0), 0x1800, FLAGS), -EINVAL);
	assert_int_equal(ptab_unmap(&pt, 0x1001, 0x1000), -EINVAL);
	assert_int_equal(ptab_unmap(&pt, 0x1000, 1), -EINVAL);
	assert_int_equal(ptab_map(&pt, 0x1000, HPA(0), 0, FLAGS), 0);
	assert_int_equal(ptab_unmap(&pt, 0x1000, 0), 0);
	assert_int_equal(ptab_fake_used_frames(), 1);
}

static void test_exists(void **unused)
{
	(void)unused;
	assert_int_equal(ptab_map(&pt, 0x3000, HPA(0x8000), 0x1000, FLAGS), 0);
	assert_int_equal(ptab_map(&pt, 0x3000, HPA(0x8000), 0x1000, FLAGS), -EEXIST);
	/* Pages before the one in the way stay mapped, the one in the way is as it was. */
	assert_int_equal(ptab_map(&pt, 0x1000, HPA(0x10000), 0x4000, FLAGS), -EEXIST);
	expect_at(0x2000, 0x11000);
	expect_at(0x3000, 0x8000);
	expect_none(0x4000);
	/* A large leaf where there is a table already, and a small one below a large leaf. */
	assert_int_equal(ptab_map(&pt, 0, HPA(0), M2, FLAGS), -EEXIST);
	assert_int_equal(ptab_map(&pt, M2, HPA(0), M2, FLAGS), 0);
	assert_int_equal(ptab_map(&pt, M2 + 0x1000, HPA(0), 0x1000, FLAGS), -EEXIST);
	assert_int_equal(ptab_map(&pt, 0, HPA(0), GIB, FLAGS), -EEXIST);
	expect_at(M2 + 0x1000, 0x1000);
}

/* A leaf whose frame is 0 and large leaves are split in place: all other pages stay what they were.
 */
static void test_split(void **unused)
{
	(void)unused;
	assert_int_equal(ptab_map(&pt, 4 * GIB, HPA(GIB), GIB, FLAGS), 0);
	assert_int_equal(ptab_unmap(&pt, 4 * GIB + 3 * M2 + 0x5000, 0x2000), 0);
	expect_leaf(4 * GIB, 2, GIB | FLAGS | BIT(7));
	expect_leaf(4 * GIB + 4 * M2, 2, (GIB + 4 * M2) | FLAGS | BIT(7));
	expect_leaf(4 * GIB + 3 * M2, 1, (GIB + 3 * M2) | FLAGS);
	expect_at(4 * GIB + 3 * M2 + 0x4fff, GIB + 3 * M2 + 0x4fff);
	expect_none(4 * GIB + 3 * M2 + 0x5000);
	expect_none(4 * GIB + 3 * M2 + 0x6fff);
	expect_at(4 * GIB + 3 * M2 + 0x7000, GIB + 3 * M2 + 0x7000);
	expect_at(5 * GIB - 1, 2 * GIB - 1);
	assert_int_equal(ptab_fake_used_frames(), 4);
	/* The hole may be filled again. */
	assert_int_equal(ptab_map(&pt, 4 * GIB + 3 * M2 + 0x5000, HPA(0x1000), 0x2000, FLAGS), 0);
	expect_at(4 * GIB + 3 * M2 + 0x6000, 0x2000);
}

static void test_unmap(void **unused)
{
	(void)unused;
	/* Nothing there: fine, and no tables are made; up to the end of the address space too. */
	assert_int_equal(ptab_unmap(&pt, 0, 1ull << 47), 0);
	assert_int_equal(ptab_fake_used_frames(), 1);
	assert_int_equal(ptab_map(&pt, M2 - 0x1000, HPA(0), M2 + 0x2000, FLAGS), 0);
	assert_int_equal(ptab_unmap(&pt, 0, GIB), 0);
	for (u64 va = 0; va < 8 * MIB; va += 0x1000)
		expect_none(va);
	/* Tables stay, so what replaces them must be as small. */
	assert_int_equal(ptab_map(&pt, M2, HPA(0), 0x1000, FLAGS), 0);
}

static void test_no_memory(void **unused)
{
	hpa_t all = HPA(0), a;
	struct ptab other;

	(void)unused;
	assert_int_equal(ptab_map(&pt, GIB, HPA(GIB), GIB, FLAGS), 0);
	while ((a = frame_alloc(0)).v) {
		*(u64 *)phys_to_virt(a) = all.v;
		all = a;
	}
	assert_int_equal(ptab_init(&other, &fmt), -ENOMEM);
	assert_int_equal(ptab_map(&pt, 1ull << 40, HPA(0), 0x1000, FLAGS), -ENOMEM);
	assert_int_equal(ptab_unmap(&pt, GIB, 0x1000), -ENOMEM);
	expect_at(GIB, GIB); /* nothing is lost */
	expect_none(1ull << 40);
	while (all.v) {
		a = HPA(*(u64 *)phys_to_virt(all));
		frame_free(all, 0);
		all = a;
	}
}

/* Random maps and unmaps of runs in 16 MiB; the model is an array of what each page maps. */
#define MODEL_PAGES 4096
#define MODEL_BASE  (3 * GIB - 8 * MIB)
static u64 model[MODEL_PAGES];

static void random_map(unsigned first, unsigned n, u64 pa)
{
	int expected = 0;
	unsigned i;

	/* Large leaves conflict with tables left behind: keep to 4 KiB but for a third of the time.
	 */
	fmt.max_leaf_level = rand() % 3 ? 1 : 2;
	for (i = first; i < first + n; i++) {
		if (model[i])
			expected = -EEXIST;
	}
	int err = ptab_map(&pt, MODEL_BASE + first * PAGE_SIZE, HPA(pa), n * PAGE_SIZE, FLAGS);

	if (expected)
		assert_int_equal(err, -EEXIST);
	/* What is mapped now is what was, or a first part of the new run. */
	for (i = first; i < first + n; i++) {
		hpa_t out = HPA(0);
		bool mapped = ptab_translate(&pt, MODEL_BASE + i * PAGE_SIZE, &out);

		if (model[i]) {
			assert_int_equal(out.v, model[i]);
			break;
		}
		if (!mapped)
			break;
		model[i] = pa + (i - first) * PAGE_SIZE;
		assert_int_equal(out.v, model[i]);
	}
	if (!err)
		assert_int_equal(i, first + n);
}

static void test_random(void **unused)
{
	(void)unused;
	srand(3);
	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 1500; round++) {
		unsigned first = (unsigned)rand() % MODEL_PAGES;
		unsigned n =
			1 + (unsigned)rand() % MIN(MODEL_PAGES - first, rand() % 4 ? 40u : 1500u);

		if (rand() % 4 == 0)
			first = ALIGN_DOWN(first, 512);
		if (rand() % 2) {
			random_map(first, n,
				   GIB + (u64)first * PAGE_SIZE + (u64)(rand() % 2) * PAGE_SIZE);
		} else {
			assert_int_equal(
				ptab_unmap(&pt, MODEL_BASE + first * PAGE_SIZE, n * PAGE_SIZE), 0);
			memset(&model[first], 0, n * sizeof(model[0]));
		}
		for (unsigned k = 0; k < 64; k++) {
			unsigned i = (unsigned)rand() % MODEL_PAGES;

			if (model[i])
				expect_at(MODEL_BASE + i * PAGE_SIZE + 7, model[i] + 7);
			else
				expect_none(MODEL_BASE + i * PAGE_SIZE);
		}
	}
	for (unsigned i = 0; i < MODEL_PAGES; i++) {
		if (model[i])
			expect_at(MODEL_BASE + i * PAGE_SIZE, model[i]);
		else
			expect_none(MODEL_BASE + i * PAGE_SIZE);
	}
}

/* --- threads: several map into the same empty region, one watches, one splits --- */

#define SHARED_BASE (64 * GIB)
#define SHARED_SIZE (8 * MIB)
static u32 won[2], wrong, stop;

static void *mapper(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (u64 at = 0; at < SHARED_SIZE; at += PAGE_SIZE) {
		int err = ptab_map(&pt, SHARED_BASE + at, HPA(GIB + at), PAGE_SIZE, FLAGS);

		if (err == 0)
			won[me]++;
		else if (err != -EEXIST)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

/* Sees each page not mapped or mapped right, and never goes back to not mapped. */
static void *watcher(void *arg)
{
	static bool seen[SHARED_SIZE / PAGE_SIZE];

	(void)arg;
	memset(seen, 0, sizeof(seen));
	while (!load_acquire(&stop)) {
		for (u64 i = 0; i < SHARED_SIZE / PAGE_SIZE; i++) {
			hpa_t pa = HPA(0);
			bool there = ptab_translate(&pt, SHARED_BASE + i * PAGE_SIZE, &pa);

			if (there ? pa.v != GIB + i * PAGE_SIZE : seen[i])
				atomic_fetch_add(&wrong, 1);
			seen[i] = there;
		}
	}
	return NULL;
}

static void test_concurrent_map(void **unused)
{
	(void)unused;
	for (unsigned round = 0; round < 20; round++) {
		pthread_t t[3];

		won[0] = won[1] = wrong = stop = 0;
		pthread_create(&t[2], NULL, watcher, NULL);
		for (uintptr_t i = 0; i < 2; i++)
			pthread_create(&t[i], NULL, mapper, (void *)i);
		pthread_join(t[0], NULL);
		pthread_join(t[1], NULL);
		store_release(&stop, 1);
		pthread_join(t[2], NULL);
		assert_int_equal(wrong, 0);
		/* Each page was mapped by exactly one of them; losers gave their tables back. */
		assert_int_equal(won[0] + won[1], SHARED_SIZE / PAGE_SIZE);
		assert_int_equal(ptab_fake_used_frames(), 1 + 1 + 1 + SHARED_SIZE / M2);
		ptab_destroy(&pt);
		assert_int_equal(ptab_init(&pt, &fmt), 0);
	}
}

/* While a 1 GiB leaf is split down to 4 KiB at one end, its other pages are there at any moment. */
static void *splitter(void *arg)
{
	(void)arg;
	for (u64 at = GIB / 2; at < GIB; at += M2) {
		if (ptab_unmap(&pt, SHARED_BASE + at, PAGE_SIZE) != 0)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void test_concurrent_split(void **unused)
{
	pthread_t t[2];

	(void)unused;
	wrong = stop = 0;
	assert_int_equal(ptab_map(&pt, SHARED_BASE, HPA(GIB), GIB, FLAGS), 0);
	pthread_create(&t[0], NULL, watcher, NULL);
	pthread_create(&t[1], NULL, splitter, NULL);
	pthread_join(t[1], NULL);
	for (u64 at = GIB / 2; at < GIB; at += M2) {
		expect_none(SHARED_BASE + at);
		expect_at(SHARED_BASE + at + PAGE_SIZE, GIB + at + PAGE_SIZE);
	}
	store_release(&stop, 1);
	pthread_join(t[0], NULL);
	assert_int_equal(wrong, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_leaf_sizes),	T(test_largest_leaves),	  T(test_max_leaf_level),
		T(test_alignment),	T(test_exists),		  T(test_split),
		T(test_unmap),		T(test_no_memory),	  T(test_random),
		T(test_concurrent_map), T(test_concurrent_split), T(test_five_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
