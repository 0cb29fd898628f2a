/* dirty: the parts of the program have this in common. */
#ifndef DIRTY_H
#define DIRTY_H

#include <stdbool.h>
#include <stdint.h>
#include "slots_call.h"

#define DIRTY_PAGES_MAX 2048
#define DIRTY_WORDS_MAX (DIRTY_PAGES_MAX / 64)

/* A slot of the test's own, and the log read last. */
struct dirty_slot {
	uint64_t id, gfn, pages;
	uint64_t log[DIRTY_WORDS_MAX] __attribute__((aligned(4096)));
};

static inline volatile uint64_t *dirty_page(const struct dirty_slot *s, uint64_t page)
{
	return (volatile uint64_t *)((s->gfn + page) * SLOTS_PAGE);
}

static inline bool dirty_has(const uint64_t *bitmap, uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

static inline uint64_t dirty_random(uint64_t *random, uint64_t n)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 32) * n >> 32;
}

/* Each calls idle(), if given, while it waits, and says so when it has failed. */
bool dirty_create(const struct dirty_slot *s, uint64_t flags);
bool dirty_delete(const struct dirty_slot *s);
bool dirty_move(struct dirty_slot *s, uint64_t gfn);
bool dirty_switch(const struct dirty_slot *s, bool on, void (*idle)(void));
/* Reads the log and re-arms; how many pages it has, or -1. */
int dirty_read(struct dirty_slot *s, void (*idle)(void), uint64_t *ticks);
/* The same, with the log written to any address. */
int dirty_read_to(const struct dirty_slot *s, uint64_t address);

/* Each returns whether all went well, and has said so. */
bool dirty_test_errors(void);
bool dirty_test_exact(unsigned int rounds);
bool dirty_test_storm(unsigned int reads);
bool dirty_bench(void);

#endif
