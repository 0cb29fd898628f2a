/*
 * A page that an instruction was fetched from, with the guest page-table entries that
 * led there: as long as those still say the same, under the same control registers and with the
 * same slots, so would a walk. Owned by one vCPU. The pointers lead into slots: they are followed
 * only under the generation of slots that they were found in.
 */
#ifndef NEAP_HV_FETCH_CACHE_H
#define NEAP_HV_FETCH_CACHE_H

#include "core/atomic.h"
#include "core/types.h"

/*
 * What of a vCPU's state, beside CR3, decides where its code is found and what it means, in one
 * word: bits of CR0, CR4 and EFER where those registers have them, and of CS and the privilege
 * level where none of them has one.
 */
#define FETCH_CR0	(BIT(0) | BIT(31))		      /* PE, PG */
#define FETCH_CR4	(BIT(4) | BIT(5) | BIT(12) | BIT(20)) /* PSE, PAE, LA57, SMEP */
#define FETCH_EFER	(BIT(8) | BIT(10) | BIT(11))	      /* LME, LMA, NXE */
#define FETCH_CS_L	BIT(9)
#define FETCH_CPL_SHIFT 32
_Static_assert(!(FETCH_CR0 & FETCH_CR4) && !((FETCH_CR0 | FETCH_CR4) & FETCH_EFER) &&
		       !((FETCH_CR0 | FETCH_CR4 | FETCH_EFER) & FETCH_CS_L),
	       "each bit means one thing");

/* cs_l: FETCH_CS_L or 0. */
static force_inline u64 fetch_mode(u64 cr0, u64 cr4, u64 efer, u64 cs_l, u64 cpl)
{
	return (cr0 & FETCH_CR0) | (cr4 & FETCH_CR4) | (efer & FETCH_EFER) | cs_l |
	       cpl << FETCH_CPL_SHIFT;
}

/* Whether that mode's code is 64-bit: CS.L and EFER.LMA. */
static force_inline bool fetch_mode_is_64bit(u64 mode)
{
	return (mode & (FETCH_CS_L | BIT(10))) == (FETCH_CS_L | BIT(10));
}

/* 64-bit code at privilege level 0. */
static force_inline bool fetch_mode_is_kernel(u64 mode)
{
	u64 looked_at = FETCH_CS_L | BIT(10) | 3ull << FETCH_CPL_SHIFT;

	return (mode & looked_at) == (FETCH_CS_L | BIT(10));
}

/* Entries of a walk; one of five levels, which no guest is offered, is not kept. */
#define FETCH_LEVELS 4

struct fetch_cache {
	u64 page; /* linear address of the page, | FETCH_VALID */
	u64 cr3, mode;
	u64 generation;	 /* of the slots */
	const u8 *bytes; /* the page, in the hypervisor's address space */
	/* The entries read, and what they said. Those not needed repeat the first one. */
	const u64 *entry[FETCH_LEVELS];
	u64 value[FETCH_LEVELS];
	unsigned levels; /* recorded; more than FETCH_LEVELS: too many */
};
#define FETCH_VALID 1ull

/* Begins recording the walk for a page; each entry read is given to fetch_cache_record().
 * generation: read before the walk. */
static inline void fetch_cache_begin(struct fetch_cache *c, u64 generation)
{
	c->generation = generation;
	c->page = 0;
	c->levels = 0;
}

/* A walk has read this entry, and this value. A walk of more than FETCH_LEVELS is not kept. */
static inline void fetch_cache_record(struct fetch_cache *c, const u64 *entry, u64 value)
{
	if (c->levels < FETCH_LEVELS) {
		c->entry[c->levels] = entry;
		c->value[c->levels] = value;
	}
	c->levels++;
}

/* The walk has led to `bytes`. A walk that was begun again has more entries than levels: not kept.
 */
static inline void fetch_cache_end(struct fetch_cache *c, u64 linear, u64 cr3, u64 mode,
				   const u8 *bytes)
{
	if (!bytes || !c->levels || c->levels > FETCH_LEVELS)
		return;
	for (unsigned i = c->levels; i < FETCH_LEVELS; i++) {
		c->entry[i] = c->entry[0];
		c->value[i] = c->value[0];
	}
	c->cr3 = cr3;
	c->mode = mode;
	c->bytes = bytes;
	c->page = ALIGN_DOWN(linear, PAGE_SIZE) | FETCH_VALID;
}

/* Pages kept for a vCPU: a loop, what it calls and an interrupt's handler. A power of two. */
#define FETCH_CACHES 4
_Static_assert((FETCH_CACHES & (FETCH_CACHES - 1)) == 0, "chosen by masking the page's number");

/* Which of a vCPU's caches is for code at that address. */
static force_inline unsigned fetch_cache_index(u64 linear)
{
	return (unsigned)(linear >> PAGE_SHIFT) & (FETCH_CACHES - 1);
}

/* Differences are gathered, not tested one by one: nearly always there is none. */
static force_inline bool fetch_cache_holds(const struct fetch_cache *c)
{
	u64 differ = 0;

#pragma GCC unroll 4
	for (unsigned i = 0; i < FETCH_LEVELS; i++)
		differ |= READ_ONCE(*c->entry[i]) ^ c->value[i];
	return differ == 0;
}

/* The page that holds linear, if what was recorded still holds; else NULL. */
static force_inline const u8 *fetch_cache_find(const struct fetch_cache *c, u64 linear, u64 cr3,
					       u64 mode, u64 generation)
{
	u64 page = (linear & ~(u64)(PAGE_SIZE - 1)) | FETCH_VALID;

	/* An entry that is not valid has no pointers to follow. */
	if (unlikely((c->page ^ page) | (c->cr3 ^ cr3) | (c->mode ^ mode) |
		     (c->generation ^ generation)))
		return NULL;
	return likely(fetch_cache_holds(c)) ? c->bytes : NULL;
}

/* n bytes at rip in 64-bit code, from one of a vCPU's caches; NULL: not there. */
static force_inline const u8 *fetch_cache_code(const struct fetch_cache caches[FETCH_CACHES],
					       u64 rip, u64 cr3, u64 mode, u64 generation,
					       unsigned n)
{
	u64 offset = rip & (PAGE_SIZE - 1);
	const u8 *page;

	if (unlikely(offset > PAGE_SIZE - n))
		return NULL;
	page = fetch_cache_find(&caches[fetch_cache_index(rip)], rip, cr3, mode, generation);
	return page ? page + offset : NULL;
}

#endif
