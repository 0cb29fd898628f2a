/* Red-black trees against a sorted array: order, the two colour rules, and what nodes keep of their
 * subtrees. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/rbtree.h"

#define ITEMS 300

struct item {
	struct rb_node node;
	unsigned key, stamp; /* stamp: order of insertion */
	unsigned size, max;  /* of the subtree: kept by update() */
	bool in;
};

static struct item items[ITEMS], *model[ITEMS];
static unsigned count, stamps;
static u64 seed;

static unsigned random_below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 32) * n >> 32);
}

static struct item *item_of(const struct rb_node *n)
{
	return n ? rb_entry((struct rb_node *)(uintptr_t)n, struct item, node) : NULL;
}

static bool before(const struct rb_node *a, const struct rb_node *b)
{
	return item_of(a)->key < item_of(b)->key;
}

static bool update(struct rb_node *n)
{
	struct item *i = item_of(n), *l = item_of(n->left), *r = item_of(n->right);
	unsigned size = i->size, max = i->max;

	i->size = 1 + (l ? l->size : 0) + (r ? r->size : 0);
	i->max = i->key;
	if (l && l->max > i->max)
		i->max = l->max;
	if (r && r->max > i->max)
		i->max = r->max;
	return i->size != size || i->max != max;
}

/* Returns the number of black nodes on every way down. */
static unsigned check_node(const struct rb_node *n, bool augmented, unsigned *size)
{
	unsigned black, l = 0, r = 0;

	if (!n)
		return 0;
	if (n->left)
		assert_ptr_equal(n->left->parent, n);
	if (n->right)
		assert_ptr_equal(n->right->parent, n);
	if (n->red) {
		assert_false(n->left && n->left->red);
		assert_false(n->right && n->right->red);
	}
	black = check_node(n->left, augmented, &l);
	assert_int_equal(check_node(n->right, augmented, &r), black);
	*size = l + r + 1;
	if (augmented) {
		const struct item *last = item_of(n);

		while (last->node.right)
			last = item_of(last->node.right);
		assert_int_equal(item_of(n)->size, *size);
		assert_int_equal(item_of(n)->max, last->key);
	}
	return black + !n->red;
}

static void check(const struct rb_tree *t)
{
	unsigned size = 0, i = 0;

	assert_false(t->root && t->root->red);
	assert_true(!t->root || !t->root->parent);
	check_node(t->root, t->update != NULL, &size);
	assert_int_equal(size, count);
	for (struct rb_node *n = rb_first(t); n; n = rb_next(n))
		assert_ptr_equal(item_of(n), model[i++]);
	assert_int_equal(i, count);
	for (struct rb_node *n = rb_last(t); n; n = rb_prev(n))
		assert_ptr_equal(item_of(n), model[--i]);
	assert_int_equal(i, 0);
	assert_int_equal(rb_is_empty(t), count == 0);
}

static void insert(struct rb_tree *t, struct item *it, unsigned key)
{
	unsigned i = count++;

	it->key = key;
	it->stamp = stamps++;
	it->in = true;
	for (; i && model[i - 1]->key > key; i--)
		model[i] = model[i - 1];
	model[i] = it;
	/* By a search, or behind the one that it has to stand behind. */
	if (it->stamp % 3)
		rb_insert(t, &it->node, before);
	else
		rb_insert_after(t, &it->node, i ? &model[i - 1]->node : NULL);
}

static void remove(struct rb_tree *t, struct item *it)
{
	unsigned i = 0;

	rb_remove(t, &it->node);
	it->in = false;
	while (model[i] != it)
		i++;
	memmove(&model[i], &model[i + 1], (--count - i) * sizeof(model[0]));
}

static int set_up(void **unused)
{
	(void)unused;
	memset(items, 0, sizeof(items));
	count = stamps = 0;
	seed = 0x9e3779b97f4a7c15;
	return 0;
}

static void test_empty_and_one(void **unused)
{
	struct rb_tree t = { 0 };

	(void)unused;
	assert_null(rb_first(&t));
	assert_null(rb_last(&t));
	check(&t);
	insert(&t, &items[0], 5);
	check(&t);
	assert_null(rb_next(&items[0].node));
	assert_null(rb_prev(&items[0].node));
	remove(&t, &items[0]);
	check(&t);
}

/* Every order of removal of every order of insertion, of few. */
static void permute(unsigned n, unsigned code, unsigned *out)
{
	unsigned left[8];

	for (unsigned i = 0; i < n; i++)
		left[i] = i;
	for (unsigned i = n; i; i--) {
		unsigned k = code % i;

		code /= i;
		out[n - i] = left[k];
		memmove(&left[k], &left[k + 1], (i - k - 1) * sizeof(left[0]));
	}
}

static void test_all_orders(void **unused)
{
	unsigned in[5], out[5];

	(void)unused;
	for (unsigned a = 0; a < 120; a++) {
		permute(5, a, in);
		for (unsigned b = 0; b < 120; b++) {
			struct rb_tree t = { .update = update };

			permute(5, b, out);
			for (unsigned i = 0; i < 5; i++)
				insert(&t, &items[in[i]], in[i]);
			for (unsigned i = 0; i < 5; i++) {
				check(&t);
				remove(&t, &items[out[i]]);
			}
			check(&t);
		}
	}
}

static void random_operations(unsigned keys, bool augmented)
{
	struct rb_tree t = { .update = augmented ? update : NULL };

	for (unsigned i = 0; i < 12000; i++) {
		struct item *it = &items[random_below(ITEMS)];

		if (it->in)
			remove(&t, it);
		else
			insert(&t, it, random_below(keys));
		if (i % 7 == 0)
			check(&t);
	}
	while (count) {
		remove(&t, model[random_below(count)]);
		check(&t);
	}
}

static void test_random(void **unused)
{
	(void)unused;
	random_operations(1000, false);
	random_operations(1000, true);
}

/* Many that are equal: the first one in is the first in order (the model inserts behind). */
static void test_equal_keys(void **unused)
{
	(void)unused;
	random_operations(4, true);
	random_operations(1, false);
}

/* As a run queue is used: the first is taken, and comes back somewhere behind. */
static void test_queue(void **unused)
{
	struct rb_tree t = { 0 };

	(void)unused;
	for (unsigned i = 0; i < ITEMS; i++)
		insert(&t, &items[i], i);
	for (unsigned i = 0; i < 5000; i++) {
		struct item *it = item_of(rb_first(&t));

		remove(&t, it);
		insert(&t, it, it->key + random_below(2 * ITEMS));
		if (i % 5 == 0)
			check(&t);
	}
}

/* Sorted input is the worst for a tree that is not balanced: the height stays below 2 log n. */
static void test_height(void **unused)
{
	struct rb_tree t = { 0 };

	(void)unused;
	for (unsigned i = 0; i < ITEMS; i++)
		insert(&t, &items[i], i);
	check(&t);
	for (unsigned i = 0; i < ITEMS; i++) {
		unsigned height = 0;

		for (const struct rb_node *n = &items[i].node; n; n = n->parent)
			height++;
		assert_true(height <= 18);
	}
}

/* A key changes without leaving its place. */
static void test_updated(void **unused)
{
	struct rb_tree t = { .update = update };
	unsigned size = 0;

	(void)unused;
	for (unsigned i = 0; i < 100; i++)
		insert(&t, &items[i], 10 * i);
	for (unsigned i = 0; i < 100; i++) {
		items[i].key += 5;
		rb_updated(&t, &items[i].node);
		check_node(t.root, true, &size);
	}
}

/* Each node in turn is replaced by one that has been in no tree, which takes over all it had. */
static void test_replace(void **unused)
{
	struct rb_tree t = { .update = update };

	(void)unused;
	for (unsigned i = 0; i < 100; i++)
		insert(&t, &items[i], 10 * random_below(100));
	for (unsigned i = 0; i < 100; i++) {
		struct item *from = model[i], *to = &items[100 + i];

		to->key = from->key;
		rb_replace(&t, &from->node, &to->node);
		model[i] = to;
		assert_null(from->node.parent);
		check(&t);
	}
	while (count)
		remove(&t, model[random_below(count)]);
	check(&t);
}

/* A place found by the caller itself. */
static void test_link(void **unused)
{
	struct rb_tree t = { 0 };

	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		struct rb_node *last = rb_last(&t);

		items[i].key = i;
		rb_link(&t, &items[i].node, last, last ? &last->right : &t.root);
		model[count++] = &items[i];
		check(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty_and_one, set_up),
		cmocka_unit_test_setup(test_all_orders, set_up),
		cmocka_unit_test_setup(test_random, set_up),
		cmocka_unit_test_setup(test_equal_keys, set_up),
		cmocka_unit_test_setup(test_queue, set_up),
		cmocka_unit_test_setup(test_height, set_up),
		cmocka_unit_test_setup(test_updated, set_up),
		cmocka_unit_test_setup(test_replace, set_up),
		cmocka_unit_test_setup(test_link, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
