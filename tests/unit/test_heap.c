/* The object allocator, over the real frame allocator. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "shim.h"

/* For its classes, and its lock, which a caught panic leaves taken. */
#include "mm/heap.c"

static u8 *states;

static int set_up(void **unused)
{
	(void)unused;
	shim_phys_init(64 * MIB);
	states = calloc(1, 64 * MIB / PAGE_SIZE);
	frame_init(states, HFN(64 * MIB / PAGE_SIZE));
	frame_add(HPA(MIB), 32 * MIB);
	lock = (struct spinlock)SPINLOCK_INIT;
	memset(partial, 0, sizeof(partial));
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	free(states);
	shim_phys_fini();
	return 0;
}

static u64 used_frames(void)
{
	return frame_stats().total - frame_stats().free;
}

static bool free_panics(void *p)
{
	bool panicked = SHIM_PANICS(heap_free(p));

	lock = (struct spinlock)SPINLOCK_INIT;
	return panicked;
}

/* Allocates, checks and dirties n bytes. */
static u8 *take(size_t n)
{
	u8 *p = heap_alloc(n);

	assert_non_null(p);
	assert_true(IS_ALIGNED((uintptr_t)p, n >= PAGE_SIZE ? PAGE_SIZE : 16));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], 0);
	memset(p, 0xee, n);
	return p;
}

/* Around each class's size: zeroed, aligned, and the neighbour is not touched. */
static void test_class_edges(void **unused)
{
	(void)unused;
	for (unsigned c = 0; c < CLASS_COUNT; c++) {
		for (size_t n = class_size[c] - 1u; n <= class_size[c] + 1u; n++) {
			u8 *a = take(n), *b = take(n);

			for (size_t i = 0; i < n; i++)
				assert_int_equal(a[i], 0xee);
			heap_free(a);
			a = take(n); /* what was dirty is zero again */
			heap_free(a);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(b[i], 0xee);
			heap_free(b);
			assert_int_equal(used_frames(), 0);
		}
	}
}

static void test_zero_size(void **unused)
{
	void *a = heap_alloc(0), *b = heap_alloc(0);

	(void)unused;
	assert_non_null(a);
	assert_ptr_not_equal(a, b);
	heap_free(a);
	heap_free(b);
	heap_free(NULL);
	assert_int_equal(used_frames(), 0);
}

/* A slab holds as many as fit, then comes another; empty ones go back at once. */
static void test_slab_full(void **unused)
{
	enum { FIT = (PAGE_SIZE - SLAB_HEADER) / 64 };
	void *p[FIT + 1];

	(void)unused;
	for (unsigned i = 0; i < FIT; i++)
		p[i] = take(64);
	assert_int_equal(used_frames(), 1);
	p[FIT] = take(64);
	assert_int_equal(used_frames(), 2);
	heap_free(p[3]);
	p[3] = take(64); /* a hole is filled before a new slab is */
	assert_int_equal(used_frames(), 2);
	heap_free(p[FIT]);
	heap_free(p[3]);
	assert_int_equal(used_frames(), 1);
	p[3] = take(64);
	for (unsigned i = 0; i < FIT; i++)
		heap_free(p[i]);
	assert_int_equal(used_frames(), 0);
}

static void test_big(void **unused)
{
	static const struct {
		size_t n;
		u64 frames;
	} row[] = {
		{ 2017, 1 }, { 4095, 1 },   { 4096, 1 },   { 4097, 2 },
		{ 8193, 4 }, { 65536, 16 }, { 65537, 32 }, { 16 * MIB, 4096 },
	};

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		void *p = take(row[i].n);

		assert_true(IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
		assert_int_equal(used_frames(), row[i].frames);
		heap_free(p);
		assert_int_equal(used_frames(), 0);
	}
	assert_null(heap_alloc(64 * MIB));
	assert_null(heap_alloc(2 * GIB));
	assert_null(heap_alloc(SIZE_MAX));
}

static void test_exhaustion(void **unused)
{
	void **first = NULL, **p;

	(void)unused;
	while ((p = heap_alloc(2000)) != NULL) {
		*p = first;
		first = p;
	}
	assert_int_equal(frame_stats().free, 0);
	assert_null(heap_alloc(1));
	assert_null(heap_alloc(PAGE_SIZE));
	while (first) {
		p = *first;
		heap_free(first);
		first = p;
	}
	assert_int_equal(used_frames(), 0);
}

static void test_bad_free(void **unused)
{
	u8 *big = take(8192), *a = take(2016), *b = take(2016);

	(void)unused;
	heap_free(big);
	assert_true(free_panics(big));
	heap_free(a);
	heap_free(b);
	assert_true(free_panics(a)); /* its slab is gone */
	assert_non_null(strstr(shim_panic_text(), "no heap object"));
	assert_true(free_panics((u8 *)phys_to_virt(HPA(2 * MIB)) + 64)); /* there never was one */
}

static void test_random(void **unused)
{
	enum { SLOTS = 300 };
	static u8 *slot[SLOTS];
	static size_t size[SLOTS];

	(void)unused;
	srand(2);
	for (unsigned i = 0; i < 30000; i++) {
		unsigned s = (unsigned)rand() % SLOTS;
		size_t n = 1 + (unsigned)rand() % (rand() % 8 ? 300 : 9000);

		if (slot[s]) {
			assert_int_equal(slot[s][0], s & 0xff);
			assert_int_equal(slot[s][size[s] - 1], s & 0xff);
			heap_free(slot[s]);
			slot[s] = NULL;
			continue;
		}
		slot[s] = heap_alloc(n);
		assert_non_null(slot[s]);
		size[s] = n;
		assert_int_equal(slot[s][0] | slot[s][n - 1], 0);
		memset(slot[s], (int)(s & 0xff), n);
	}
	for (unsigned s = 0; s < SLOTS; s++)
		heap_free(slot[s]);
	assert_int_equal(used_frames(), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_class_edges), T(test_zero_size), T(test_slab_full), T(test_big),
		T(test_exhaustion),  T(test_bad_free),	T(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
