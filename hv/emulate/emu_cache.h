/*
 * Decoded instructions by their bytes. Owned by one vCPU and used by it only: no lock. All zero is
 * empty; it needs no flushing, since each hit compares all of the instruction's bytes.
 */
#ifndef NEAP_HV_EMULATE_EMU_CACHE_H
#define NEAP_HV_EMULATE_EMU_CACHE_H

#include "hv/emulate/emu_insn.h"

#define EMU_CACHE_BITS 6
#define EMU_CACHE_SIZE (1u << EMU_CACHE_BITS) /* instructions kept per vCPU */

/*
 * bytes are the instruction's, and in the last one, which no instruction is long enough to have,
 * the mode it was decoded in (enum emu_mode). mask: all ones over what counts of them.
 */
struct emu_cache_entry {
	u64 bytes[2], mask[2];
	struct emu_insn insn; /* len 0: empty */
};
_Static_assert(sizeof(struct emu_cache_entry) == 64, "found by a shift");

struct emu_cache {
	struct emu_cache_entry entry[EMU_CACHE_SIZE];
	u64 misses; /* instructions decoded, for the monitor */
};

#define EMU_CACHE_MODE_SHIFT 56

/* Where the instruction at rip would be. */
static force_inline struct emu_cache_entry *emu_cache_slot(struct emu_cache *cache, u64 rip)
{
	/* Multiplicative hashing; any odd constant without structure will do. */
	return &cache->entry[rip * 0x9e3779b97f4a7c15ull >> (64 - EMU_CACHE_BITS)];
}

/* Whether the bytes low and high, 15 of them, begin with the entry's. An empty entry fits all. */
static force_inline bool emu_cache_fits(const struct emu_cache_entry *e, u64 low, u64 high,
					u64 mode)
{
	u64 last = (high & ~(0xffull << EMU_CACHE_MODE_SHIFT)) | mode << EMU_CACHE_MODE_SHIFT;

	return (((low ^ e->bytes[0]) & e->mask[0]) | ((last ^ e->bytes[1]) & e->mask[1])) == 0;
}

#endif
