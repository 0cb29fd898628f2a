#include "hv/dirty_bitmap.h"

#include "core/sched.h"
#include "mm/heap.h"

struct dirty_bitmap *dirty_bitmap_new(u64 pages)
{
	u64 chunks = (pages + DIRTY_CHUNK_PAGES - 1) / DIRTY_CHUNK_PAGES;
	struct dirty_bitmap *b = heap_alloc(sizeof(*b) + chunks * sizeof(b->chunk[0]));

	while (b && b->chunks < chunks) {
		/* The last one is as long as is needed. */
		u64 n = MIN(pages - b->chunks * DIRTY_CHUNK_PAGES, (u64)DIRTY_CHUNK_PAGES);
		u64 words = (n + DIRTY_WORD_PAGES - 1) / DIRTY_WORD_PAGES;
		u64 *chunk = heap_alloc(words * sizeof(u64));

		if (!chunk) {
			dirty_bitmap_free(b);
			return NULL;
		}
		b->chunk[b->chunks++] = chunk;
		if (words == DIRTY_CHUNK_WORDS)
			sched_pause();
	}
	return b;
}

void dirty_bitmap_free(struct dirty_bitmap *b)
{
	for (u64 i = 0; b && i < b->chunks; i++)
		heap_free(b->chunk[i]);
	heap_free(b);
}
