/*
 * Intrusive red-black trees: insertion and removal touch O(log n) nodes. The owner of the tree
 * provides the locking and the order; nodes that compare equal keep the order of their insertion.
 */
#ifndef NEAP_CORE_RBTREE_H
#define NEAP_CORE_RBTREE_H

#include "core/types.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

/*
 * update: NULL, or computes what a node keeps about its subtree from the node itself and its two
 * children (either may be NULL), and says whether that is something else now; it is called for the
 * nodes whose subtree has changed, children first, up to one for which nothing changes. A tree of
 * zeros is empty, and has none.
 */
struct rb_tree {
	struct rb_node *root;
	bool (*update)(struct rb_node *node);
};

/* Puts a node that is in no tree into this one. before(a, b): a has to stand in front of b. */
void rb_insert(struct rb_tree *tree, struct rb_node *node,
	       bool (*before)(const struct rb_node *a, const struct rb_node *b));

/*
 * The same at a place that the caller's own search has found: *link, which is empty, below parent
 * (NULL: the root). What the nodes above keep about their subtrees counts the new one already.
 */
void rb_link(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent,
	     struct rb_node **link);

/* The same behind a node of the tree; NULL: in front of all. `update` is called here. */
void rb_insert_after(struct rb_tree *tree, struct rb_node *node, struct rb_node *before);

/* Takes a node out of the tree it is in. */
void rb_remove(struct rb_tree *tree, struct rb_node *node);

/* `to`, which is in no tree, takes the place of `from`; the order must not change by that. */
void rb_replace(struct rb_tree *tree, struct rb_node *from, struct rb_node *to);

/* What the node keeps about itself has changed, not its place: `update` for it and those above. */
void rb_updated(struct rb_tree *tree, struct rb_node *node);

/* In order; NULL at the end, or in an empty tree. */
struct rb_node *rb_first(const struct rb_tree *tree);
struct rb_node *rb_last(const struct rb_tree *tree);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* Under the same lock as a look-up. */
static inline bool rb_is_empty(const struct rb_tree *tree)
{
	return !tree->root;
}

#define rb_entry(p, type, member) container_of(p, type, member)

#endif
