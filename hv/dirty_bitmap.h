/*
 * Which pages of a slot have been written: one bit each, in chunks of a frame's size. Belongs to
 * the slot, of which all copies have the same one (hv/slots.h); readers and writers find it by way
 * of the slot, and RCU keeps it as long as that.
 */
#ifndef NEAP_HV_DIRTY_BITMAP_H
#define NEAP_HV_DIRTY_BITMAP_H

#include "core/atomic.h"

#define DIRTY_WORD_PAGES  64u
#define DIRTY_CHUNK_WORDS (PAGE_SIZE / 8)
#define DIRTY_CHUNK_PAGES (DIRTY_CHUNK_WORDS * DIRTY_WORD_PAGES)
_Static_assert(DIRTY_CHUNK_WORDS * sizeof(u64) == PAGE_SIZE, "a chunk fills a frame");

struct dirty_bitmap {
	u64 chunks;
	u64 *chunk[]; /* words, atomic */
};

/* For that many pages, none written. NULL: no memory. Worker context; pauses between chunks. */
struct dirty_bitmap *dirty_bitmap_new(u64 pages) __must_check;

/* NULL: fine. Nobody may be using it. */
void dirty_bitmap_free(struct dirty_bitmap *b);

/* The word that has a page's bit: bit page % 64. The page is one of the bitmap's. */
static inline u64 *dirty_bitmap_word(const struct dirty_bitmap *b, u64 page)
{
	return &b->chunk[page / DIRTY_CHUNK_PAGES][page / DIRTY_WORD_PAGES % DIRTY_CHUNK_WORDS];
}

/*
 * A page was written. Any context. Full barrier, whether the bit was set or not: the write comes
 * before it, and who takes the bit and then reads the page finds what was written.
 */
static inline void dirty_bitmap_mark(const struct dirty_bitmap *b, u64 page)
{
	atomic_fetch_or(dirty_bitmap_word(b, page), BIT(page % DIRTY_WORD_PAGES));
}

/* Some were, in one word: bit 0 is `page`, which a word begins with. */
static inline void dirty_bitmap_mark_word(const struct dirty_bitmap *b, u64 page, u64 bits)
{
	atomic_fetch_or(dirty_bitmap_word(b, page), bits);
}

/* What has been marked in the word of a page; it is not any more. Full barrier, if any was. */
static inline u64 dirty_bitmap_take(const struct dirty_bitmap *b, u64 page)
{
	u64 *word = dirty_bitmap_word(b, page);

	return READ_ONCE(*word) ? atomic_xchg(word, 0ull) : 0;
}

#endif
