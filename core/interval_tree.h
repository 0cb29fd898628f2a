/*
 * Intrusive trees of intervals of numbers, which may overlap: finds those that meet a given one in
 * O(log n) each. A red-black tree by first number in which each node knows the highest last number
 * below it. The owner of the tree provides the locking.
 */
#ifndef NEAP_CORE_INTERVAL_TREE_H
#define NEAP_CORE_INTERVAL_TREE_H

#include "core/rbtree.h"

struct interval_node {
	struct rb_node rb;
	u64 first, last; /* set by the owner before insertion; both belong to the interval */
	u64 highest;	 /* of the subtree's last numbers */
};

struct interval_tree {
	struct rb_tree rb;
};

/* Makes an empty tree. */
void interval_tree_init(struct interval_tree *tree);

/* first must not be above last. Equal intervals may be there several times. */
void interval_tree_insert(struct interval_tree *tree, struct interval_node *node);
void interval_tree_remove(struct interval_tree *tree, struct interval_node *node);

/* The one in front of a node (NULL: none); and inserts one behind another, where it belongs (NULL:
 * in front of all), without a search. */
struct interval_node *interval_tree_before(const struct interval_node *node);
void interval_tree_insert_after(struct interval_tree *tree, struct interval_node *node,
				struct interval_node *before);

/* The intervals that have a number in common with [first, last], by ascending first; NULL: none. */
struct interval_node *interval_tree_first(const struct interval_tree *tree, u64 first, u64 last);
struct interval_node *interval_tree_next(struct interval_node *node, u64 first, u64 last);

#endif
