/* Interval trees against a plain array. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/interval_tree.h"

#define ITEMS 64
#define SPACE 200
#define STEPS 20000

static struct interval_tree tree;
static struct interval_node items[ITEMS];
static bool in[ITEMS];
static u64 seed = 88172645463325252ull;

static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

static unsigned model_count(u64 first, u64 last)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ITEMS; i++)
		n += in[i] && items[i].first <= last && items[i].last >= first;
	return n;
}

/* Each node knows the highest number below it. */
static u64 check_highest(const struct rb_node *rb)
{
	const struct interval_node *n = rb ? rb_entry(rb, const struct interval_node, rb) : NULL;
	u64 highest = 0;

	if (!n)
		return 0;
	highest = MAX(check_highest(rb->left), check_highest(rb->right));
	highest = MAX(highest, n->last);
	assert_int_equal(n->highest, highest);
	return highest;
}

/* All that meet are found, once each, in order. */
static void check(u64 first, u64 last)
{
	struct interval_node *n = interval_tree_first(&tree, first, last);
	unsigned found = 0;
	u64 before = 0;

	for (; n; n = interval_tree_next(n, first, last), found++) {
		assert_true(in[n - items]);
		assert_true(n->first <= last && n->last >= first);
		assert_true(n->first >= before);
		before = n->first;
		assert_true(found <= ITEMS);
	}
	assert_int_equal(found, model_count(first, last));
}

/* The last in order of those that begin at `first` or before it. */
static struct interval_node *model_before(u64 first)
{
	struct rb_node *n = rb_last(&tree.rb);

	while (n && rb_entry(n, struct interval_node, rb)->first > first)
		n = rb_prev(n);
	return n ? rb_entry(n, struct interval_node, rb) : NULL;
}

static void toggle(unsigned i)
{
	if (in[i]) {
		interval_tree_remove(&tree, &items[i]);
	} else {
		items[i].first = rnd(SPACE);
		items[i].last = items[i].first + rnd(rnd(8) ? 10 : SPACE);
		if (rnd(2))
			interval_tree_insert(&tree, &items[i]);
		else
			interval_tree_insert_after(&tree, &items[i], model_before(items[i].first));
	}
	in[i] = !in[i];
}

static void test_random(void **unused)
{
	(void)unused;
	interval_tree_init(&tree);
	memset(in, 0, sizeof(in));
	for (unsigned step = 0; step < STEPS; step++) {
		u64 first = rnd(SPACE), last = first + rnd(rnd(4) ? 20 : SPACE);

		toggle(rnd(step % 1000 < 500 ? ITEMS : 4));
		check(first, last);
		check(first, first);
		check_highest(tree.rb.root);
	}
	check(0, UINT64_MAX);
}

static void test_edges(void **unused)
{
	struct interval_node a = { .first = 5, .last = 5 }, b = { .first = 0, .last = UINT64_MAX };

	(void)unused;
	interval_tree_init(&tree);
	assert_null(interval_tree_first(&tree, 0, UINT64_MAX));
	interval_tree_insert(&tree, &a);
	assert_null(interval_tree_first(&tree, 0, 4));
	assert_null(interval_tree_first(&tree, 6, UINT64_MAX));
	assert_ptr_equal(interval_tree_first(&tree, 5, 5), &a);
	interval_tree_insert(&tree, &b);
	assert_ptr_equal(interval_tree_first(&tree, UINT64_MAX, UINT64_MAX), &b);
	assert_null(interval_tree_next(&b, UINT64_MAX, UINT64_MAX));
	assert_ptr_equal(interval_tree_next(&b, 5, 5), &a);
}

/* The same interval many times: each is there, and goes by itself. */
static void test_equal(void **unused)
{
	(void)unused;
	interval_tree_init(&tree);
	for (unsigned i = 0; i < ITEMS; i++) {
		items[i].first = items[i].last = 7;
		in[i] = true;
		interval_tree_insert(&tree, &items[i]);
	}
	for (unsigned i = 0; i < ITEMS; i++) {
		check(7, 7);
		check(0, 6);
		interval_tree_remove(&tree, &items[i]);
		in[i] = false;
	}
	assert_true(rb_is_empty(&tree.rb));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
