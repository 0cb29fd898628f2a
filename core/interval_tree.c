#include "core/interval_tree.h"

static struct interval_node *node_of(struct rb_node *n)
{
	return n ? rb_entry(n, struct interval_node, rb) : NULL;
}

static bool update(struct rb_node *rb)
{
	struct interval_node *n = node_of(rb);
	u64 highest = n->last, before = n->highest;

	if (rb->left)
		highest = MAX(highest, node_of(rb->left)->highest);
	if (rb->right)
		highest = MAX(highest, node_of(rb->right)->highest);
	n->highest = highest;
	return highest != before;
}

void interval_tree_init(struct interval_tree *t)
{
	t->rb = (struct rb_tree){ .update = update };
}

void interval_tree_insert(struct interval_tree *t, struct interval_node *n)
{
	struct rb_node **link = &t->rb.root, *parent = NULL;

	n->highest = n->last;
	while (*link) {
		struct interval_node *above = node_of(*link);

		above->highest = MAX(above->highest, n->last);
		parent = *link;
		link = n->first < above->first ? &parent->left : &parent->right;
	}
	rb_link(&t->rb, &n->rb, parent, link);
}

void interval_tree_insert_after(struct interval_tree *t, struct interval_node *n,
				struct interval_node *before)
{
	rb_insert_after(&t->rb, &n->rb, before ? &before->rb : NULL);
}

struct interval_node *interval_tree_before(const struct interval_node *n)
{
	return node_of(rb_prev(&n->rb));
}

void interval_tree_remove(struct interval_tree *t, struct interval_node *n)
{
	rb_remove(&t->rb, &n->rb);
}

/*
 * The first one that meets [first, last] in a subtree in which some interval ends at `first` or
 * behind it. If the left part has such an interval and it does not meet, it begins behind `last`,
 * and so does all that stands behind it: nothing to the right needs to be looked at.
 */
static struct interval_node *first_below(struct interval_node *n, u64 first, u64 last)
{
	for (;;) {
		struct interval_node *left = node_of(n->rb.left);

		if (left && left->highest >= first) {
			n = left;
			continue;
		}
		if (n->first > last)
			return NULL;
		if (n->last >= first)
			return n;
		/* Neither the left part nor n itself ends that late. */
		n = node_of(n->rb.right);
	}
}

struct interval_node *interval_tree_first(const struct interval_tree *t, u64 first, u64 last)
{
	struct interval_node *root = node_of(t->rb.root);

	return root && root->highest >= first ? first_below(root, first, last) : NULL;
}

struct interval_node *interval_tree_next(struct interval_node *n, u64 first, u64 last)
{
	for (;;) {
		struct interval_node *right = node_of(n->rb.right);
		const struct rb_node *child;

		if (right && right->highest >= first)
			return first_below(right, first, last);
		/* Up to the first node that this one stands to the left of. */
		do {
			child = &n->rb;
			n = node_of(child->parent);
			if (!n)
				return NULL;
		} while (n->rb.right == child);
		if (n->first > last)
			return NULL;
		if (n->last >= first)
			return n;
	}
}
