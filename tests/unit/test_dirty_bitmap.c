/* The bitmap of a slot's written pages: its edges, and its memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hv/dirty_bitmap.h"
#include "shim.h"

static unsigned pauses;

void sched_pause(void)
{
	pauses++;
}

static struct dirty_bitmap *make(u64 pages)
{
	struct dirty_bitmap *b = dirty_bitmap_new(pages);

	assert_non_null(b);
	return b;
}

/* First and last page, and nothing beside them; the sanitizer sees what is beyond. */
static void test_edges(void **unused)
{
	static const u64 sizes[] = { 1,
				     63,
				     64,
				     65,
				     DIRTY_CHUNK_PAGES - 1,
				     DIRTY_CHUNK_PAGES,
				     DIRTY_CHUNK_PAGES + 1,
				     3 * DIRTY_CHUNK_PAGES + 70 };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 n = sizes[i], last = n - 1, bit = BIT(last % 64);
		struct dirty_bitmap *b = make(n);

		for (u64 page = 0; page < n; page += 64)
			assert_int_equal(dirty_bitmap_take(b, page), 0);
		dirty_bitmap_mark(b, 0);
		dirty_bitmap_mark(b, last);
		dirty_bitmap_mark(b, last);
		assert_int_equal(dirty_bitmap_take(b, 0), last < 64 ? 1 | bit : 1);
		assert_int_equal(dirty_bitmap_take(b, last), last < 64 ? 0 : bit);
		dirty_bitmap_free(b);
	}
	assert_int_equal(shim_heap_live(), 0);
}

static void test_words(void **unused)
{
	struct dirty_bitmap *b = make(2 * DIRTY_CHUNK_PAGES);

	(void)unused;
	dirty_bitmap_mark_word(b, DIRTY_CHUNK_PAGES - 64, 0x8000000000000001);
	dirty_bitmap_mark_word(b, DIRTY_CHUNK_PAGES - 64, 2);
	dirty_bitmap_mark(b, DIRTY_CHUNK_PAGES);
	assert_int_equal(dirty_bitmap_take(b, DIRTY_CHUNK_PAGES - 1), 0x8000000000000003);
	assert_int_equal(dirty_bitmap_take(b, DIRTY_CHUNK_PAGES - 64), 0);
	assert_int_equal(dirty_bitmap_take(b, DIRTY_CHUNK_PAGES), 1);
	dirty_bitmap_free(b);
}

/* A bit a page and a pointer a chunk; and others get their turn. */
static void test_bounded(void **unused)
{
	struct dirty_bitmap *b;

	(void)unused;
	pauses = 0;
	b = make(5 * DIRTY_CHUNK_PAGES + 1);
	assert_int_equal(b->chunks, 6);
	assert_int_equal(pauses, 5);
	assert_int_equal(shim_heap_live(), 7);
	dirty_bitmap_free(b);
	dirty_bitmap_free(NULL);
}

static void test_no_memory(void **unused)
{
	(void)unused;
	for (unsigned n = 1; n <= 4; n++) {
		shim_heap_fail_after(n);
		assert_null(dirty_bitmap_new(2 * DIRTY_CHUNK_PAGES + 1));
		assert_int_equal(shim_heap_live(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_edges),
					    cmocka_unit_test(test_words),
					    cmocka_unit_test(test_bounded),
					    cmocka_unit_test(test_no_memory) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
