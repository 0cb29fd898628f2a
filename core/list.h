/* Intrusive doubly-linked circular lists. The owner of the head provides the locking. */
#ifndef NEAP_CORE_LIST_H
#define NEAP_CORE_LIST_H

#include "core/types.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

/* Callers have the list to themselves, by a lock or otherwise. */
static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

/* Whether it is a head without anything behind it, or was removed. */
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Inserts n before pos; with pos the head, that is at the tail. */
static inline void list_insert_before(struct list *pos, struct list *n)
{
	n->prev = pos->prev;
	n->next = pos;
	pos->prev->next = n;
	pos->prev = n;
}

/* Makes n, which is in no list, the last one. */
static inline void list_add_tail(struct list *head, struct list *n)
{
	list_insert_before(head, n);
}

/* Unlinks n and leaves it as an empty list, so that a second removal does no harm. */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(p, type, member) container_of(p, type, member)

#define list_for_each(p, head) for (struct list *p = (head)->next; p != (head); p = p->next)

#define list_for_each_safe(p, head)                                        \
	for (struct list *p = (head)->next, *p##_n = p->next; p != (head); \
	     p = p##_n, p##_n = p->next)

#endif
