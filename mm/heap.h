/* The object allocator: small objects by size class, large ones in whole frames. */
#ifndef NEAP_MM_HEAP_H
#define NEAP_MM_HEAP_H

#include "core/types.h"

/* n zeroed bytes, aligned to 16 (to PAGE_SIZE from one page up), or NULL. Any CPU; never waits. */
void *heap_alloc(size_t n) __must_check;

/* Gives back what heap_alloc() returned; NULL is fine. */
void heap_free(void *p);

#endif
