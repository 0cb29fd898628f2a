/*
 * A page that an instruction was fetched from, with the guest page-table entries that
 * led there: as long as those still say the same, under the same control registers, so would a
 * walk. Owned by one vCPU.
 */
#ifndef NEAP_HV_FETCH_CACHE_H
#define NEAP_HV_FETCH_CACHE_H

#include "hv/gva.h"

struct fetch_cache {
	bool valid;
	u8 levels; /* entries recorded */
	u8 cpl;
	u64 page; /* linear address of the page */
	u64 cr0, cr3, cr4, efer;
	const u8 *bytes; /* the page, in the hypervisor's address space */
	const u64 *entry[GVA_MAX_LEVELS];
	u64 value[GVA_MAX_LEVELS];
};

/* Begins recording the walk for a page; each entry read is given to fetch_cache_record(). */
static inline void fetch_cache_begin(struct fetch_cache *c)
{
	c->valid = false;
	c->levels = 0;
}

static inline void fetch_cache_record(struct fetch_cache *c, const u64 *entry, u64 value)
{
	if (c->levels < GVA_MAX_LEVELS) {
		c->entry[c->levels] = entry;
		c->value[c->levels] = value;
	}
	c->levels++;
}

/* The walk has led to `bytes`. A walk that was begun again has more entries than levels: not kept.
 */
static inline void fetch_cache_end(struct fetch_cache *c, const struct gva_mode *m, u64 linear,
				   const u8 *bytes)
{
	c->page = linear & ~(u64)(PAGE_SIZE - 1);
	c->bytes = bytes;
	c->cr0 = m->cr0;
	c->cr3 = m->cr3;
	c->cr4 = m->cr4;
	c->efer = m->efer;
	c->cpl = m->cpl;
	c->valid = bytes && c->levels && c->levels <= GVA_MAX_LEVELS;
}

/* What of CR4 decides where code is found: PSE, PAE, LA57 and SMEP. */
#define FETCH_CR4 (BIT(4) | BIT(5) | BIT(12) | BIT(20))

/* Pages kept for a vCPU: a loop, what it calls and an interrupt's handler. A power of two. */
#define FETCH_CACHES 4
_Static_assert((FETCH_CACHES & (FETCH_CACHES - 1)) == 0, "chosen by masking the page's number");

static inline unsigned fetch_cache_index(u64 linear)
{
	return (unsigned)(linear >> PAGE_SHIFT) & (FETCH_CACHES - 1);
}

/* The page that holds linear, if what was recorded still holds; else NULL. */
static inline const u8 *fetch_cache_find(const struct fetch_cache *c, const struct gva_mode *m,
					 u64 linear)
{
	if (!c->valid || c->page != (linear & ~(u64)(PAGE_SIZE - 1)) || c->cr3 != m->cr3 ||
	    c->cr0 != m->cr0 || ((c->cr4 ^ m->cr4) & FETCH_CR4) || c->efer != m->efer ||
	    c->cpl != m->cpl)
		return NULL;
	for (unsigned i = 0; i < c->levels; i++) {
		if (__atomic_load_n(c->entry[i], __ATOMIC_RELAXED) != c->value[i])
			return NULL;
	}
	return c->bytes;
}

#endif
