/*
 * One page-table walker for every format (host, EPT, NPT): a format is data. Tables are installed
 * by compare-and-exchange, so several CPUs may map at once; a loser frees its table and goes on.
 */
#ifndef NEAP_MM_PTAB_H
#define NEAP_MM_PTAB_H

#include "core/types.h"

#define PTAB_ENTRIES	512
#define PTAB_MAX_LEVELS 5

struct ptab_fmt {
	const char *name;
	u64 present;	   /* an entry with any of these bits set is present */
	u64 table_flags;   /* what a non-leaf entry carries besides the address */
	u64 large;	   /* set in a leaf above level 1 */
	u64 addr_mask;	   /* physical address bits of an entry */
	u64 writable;	   /* what a leaf's page may be written with */
	u64 dirty;	   /* the processor sets it in a leaf at the first write */
	u8 levels;	   /* 4 or 5 */
	u8 max_leaf_level; /* 1: 4 KiB only, 2: 2 MiB, 3: 1 GiB */
};

struct ptab {
	const struct ptab_fmt *fmt;
	hpa_t root;
};

/* Bytes covered by one entry at a level (1 = 4 KiB leaf). */
static inline u64 ptab_level_size(unsigned level)
{
	return PAGE_SIZE << (9 * (level - 1));
}

/* Makes an empty table. -ENOMEM. */
int ptab_init(struct ptab *pt, const struct ptab_fmt *fmt) __must_check;

/*
 * Maps [va, va+size) to [pa, ...) with the largest leaves that alignment and the format allow;
 * flags are the leaf bits of the format. -EINVAL: not page-aligned; -EEXIST: something is mapped
 * there already (what was mapped before it stays); -ENOMEM. The caller sees to TLB flushes (none
 * needed here: nothing present is changed).
 */
int ptab_map(struct ptab *pt, u64 va, hpa_t pa, u64 size, u64 flags) __must_check;

/*
 * Removes the leaves of [va, va+size); large ones that reach beyond the range are split first
 * (-ENOMEM then, with nothing lost). Tables stay. The caller flushes TLBs before it reuses the
 * memory.
 */
int ptab_unmap(struct ptab *pt, u64 va, u64 size) __must_check;

/* The entry that decides va: a leaf (its level in *level) or a not-present one (value without
 * present bits). */
u64 ptab_lookup(const struct ptab *pt, u64 va, unsigned *level);

/* Physical address of va; false when nothing is mapped there. */
bool ptab_translate(const struct ptab *pt, u64 va, hpa_t *pa);

/*
 * A table that was taken out of its tree, with all below it, and its level. Processors and software
 * that were on their way may use it still: a VM's tables are freed by shootdown_and_free()
 * (hv/mmu/shootdown.h).
 */
struct ptab_table {
	hpa_t pa; /* 0: there is none */
	unsigned level;
};

/*
 * Takes out the table that the entry of this level (2 and up) for va leads to; a leaf there stays.
 * What another CPU maps below meanwhile is lost with it. Any context.
 */
struct ptab_table ptab_unlink(struct ptab *pt, u64 va, unsigned level) __must_check;

/* Takes out all of it: the tree is as before ptab_init(). */
struct ptab_table ptab_unlink_root(struct ptab *pt) __must_check;

/*
 * What a freed table is full of: reserved bits in both formats (a memory type of 3, address bits
 * above any processor's), so that a walk that comes by ends in an exit that kills the VM.
 */
#define PTAB_POISON 0x000fdeaddead001bull

/* Frees an unlinked table and all below it, not what they map; returns how many pages that were. */
u64 ptab_free(const struct ptab_fmt *fmt, struct ptab_table table);

/* Frees all tables, not what they map. No CPU may be using them. */
void ptab_destroy(struct ptab *pt);

#endif
