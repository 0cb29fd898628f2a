/*
 * The rules: a red node's children are black, and all ways from a node down to a missing child pass
 * as many black nodes. So the longest way is at most twice as long as the shortest.
 */
#include "core/rbtree.h"

static bool is_red(const struct rb_node *n)
{
	return n && n->red;
}

static void update(struct rb_tree *t, struct rb_node *n)
{
	if (t->update)
		t->update(n);
}

/* From n up, to where nothing changes; what `fresh` (NULL: none), at n or above it, keeps is of
 * another place or of none. */
static void update_up(struct rb_tree *t, struct rb_node *n, const struct rb_node *fresh)
{
	for (; n && t->update; n = n->parent) {
		if (!t->update(n) && !fresh)
			return;
		if (n == fresh)
			fresh = NULL;
	}
}

void rb_updated(struct rb_tree *t, struct rb_node *n)
{
	update_up(t, n, n);
}

/* `to` (which may be missing) takes the place of `from` below from's parent. */
static void replace(struct rb_tree *t, const struct rb_node *from, struct rb_node *to)
{
	struct rb_node *parent = from->parent;

	if (!parent)
		t->root = to;
	else if (parent->left == from)
		parent->left = to;
	else
		parent->right = to;
	if (to)
		to->parent = parent;
}

/* The node goes down, its child on the other side comes up. */
static void rotate(struct rb_tree *t, struct rb_node *n, bool left)
{
	struct rb_node *up = left ? n->right : n->left, *between = left ? up->left : up->right;

	replace(t, n, up);
	if (left) {
		n->right = between;
		up->left = n;
	} else {
		n->left = between;
		up->right = n;
	}
	if (between)
		between->parent = n;
	n->parent = up;
	update(t, n);
	update(t, up);
}

/* n is red, and its parent may be, too. */
static void mend_insertion(struct rb_tree *t, struct rb_node *n)
{
	while (is_red(n->parent)) {
		struct rb_node *p = n->parent, *g = p->parent;
		bool on_left = p == g->left;
		struct rb_node *uncle = on_left ? g->right : g->left;

		if (is_red(uncle)) {
			p->red = uncle->red = false;
			g->red = true;
			n = g;
			continue;
		}
		if (n == (on_left ? p->right : p->left)) {
			rotate(t, p, on_left);
			p = n;
		}
		p->red = false;
		g->red = true;
		rotate(t, g, !on_left);
		break;
	}
	t->root->red = false;
}

void rb_insert(struct rb_tree *t, struct rb_node *n,
	       bool (*before)(const struct rb_node *a, const struct rb_node *b))
{
	struct rb_node **link = &t->root, *parent = NULL;

	/* Often, and without the tests below: the only one. */
	if (!t->root) {
		*n = (struct rb_node){ 0 };
		t->root = n;
		update(t, n);
		return;
	}
	while (*link) {
		parent = *link;
		link = before(n, parent) ? &parent->left : &parent->right;
	}
	*n = (struct rb_node){ .parent = parent, .red = true };
	*link = n;
	rb_updated(t, n);
	mend_insertion(t, n);
}

void rb_link(struct rb_tree *t, struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	*n = (struct rb_node){ .parent = parent, .red = true };
	*link = n;
	mend_insertion(t, n);
}

void rb_insert_after(struct rb_tree *t, struct rb_node *n, struct rb_node *before)
{
	struct rb_node *parent = before ? before : rb_first(t), **link = &t->root;

	/* What follows a node with something to its right has nothing to its left. */
	if (before && before->right)
		parent = rb_next(before);
	if (parent)
		link = parent == before ? &parent->right : &parent->left;
	*n = (struct rb_node){ .parent = parent, .red = true };
	*link = n;
	rb_updated(t, n);
	mend_insertion(t, n);
}

/* One step: n, below p, has a black node too few. Returns where that is so now, or NULL: nowhere.
 */
static struct rb_node *mend_step(struct rb_tree *t, struct rb_node *n, struct rb_node *p)
{
	bool on_left = n == p->left;
	struct rb_node *s = on_left ? p->right : p->left, *near, *far;

	if (s->red) {
		s->red = false;
		p->red = true;
		rotate(t, p, on_left);
		s = on_left ? p->right : p->left;
	}
	near = on_left ? s->left : s->right;
	far = on_left ? s->right : s->left;
	if (!is_red(near) && !is_red(far)) {
		s->red = true;
		return p;
	}
	if (!is_red(far)) {
		near->red = false;
		s->red = true;
		rotate(t, s, !on_left);
		far = s;
		s = near;
	}
	s->red = p->red;
	p->red = far->red = false;
	rotate(t, p, on_left);
	return NULL;
}

/* The ways through n (which may be missing), below p, have a black node too few. */
static void mend_removal(struct rb_tree *t, struct rb_node *n, struct rb_node *p)
{
	while (p && !is_red(n)) {
		n = mend_step(t, n, p);
		if (!n)
			return;
		p = n->parent;
	}
	if (n)
		n->red = false;
}

/* A node with two children changes places with the next one, which has no left child and is
 * returned. */
static struct rb_node *swap_with_next(struct rb_tree *t, struct rb_node *n)
{
	struct rb_node *next = n->right, *old_right;
	bool red;

	while (next->left)
		next = next->left;
	red = next->red;
	next->red = n->red;
	n->red = red;
	old_right = next->right;
	if (next == n->right) {
		replace(t, n, next);
		next->right = n;
		n->parent = next;
	} else {
		struct rb_node *parent = next->parent;

		replace(t, n, next);
		next->right = n->right;
		next->right->parent = next;
		parent->left = n;
		n->parent = parent;
	}
	next->left = n->left;
	next->left->parent = next;
	n->left = NULL;
	n->right = old_right;
	if (old_right)
		old_right->parent = n;
	return next;
}

void rb_remove(struct rb_tree *t, struct rb_node *n)
{
	struct rb_node *child, *parent;
	const struct rb_node *moved = NULL;

	if (t->root == n && !n->left && !n->right) {
		t->root = NULL;
		return;
	}
	if (n->left && n->right)
		moved = swap_with_next(t, n);
	child = n->left ? n->left : n->right;
	parent = n->parent;
	replace(t, n, child);
	update_up(t, parent, moved);
	if (!n->red)
		mend_removal(t, child, parent);
	*n = (struct rb_node){ 0 };
}

void rb_replace(struct rb_tree *t, struct rb_node *from, struct rb_node *to)
{
	*to = *from;
	replace(t, from, to);
	if (to->left)
		to->left->parent = to;
	if (to->right)
		to->right->parent = to;
	rb_updated(t, to);
	*from = (struct rb_node){ 0 };
}

struct rb_node *rb_first(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_tree *t)
{
	struct rb_node *n = t->root;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	struct rb_node *up;

	if (n->right) {
		const struct rb_tree below = { .root = n->right };

		return rb_first(&below);
	}
	for (up = n->parent; up && n == up->right; up = up->parent)
		n = up;
	return up;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	struct rb_node *up;

	if (n->left) {
		const struct rb_tree below = { .root = n->left };

		return rb_last(&below);
	}
	for (up = n->parent; up && n == up->left; up = up->parent)
		n = up;
	return up;
}
