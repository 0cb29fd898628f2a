/*
 * A machine's memory, all but the first MiB of it free, and the format of page tables that no
 * processor has: for the tests of what is built on them, here and in tests/tsan. Included by one
 * file of a program.
 */
#ifndef NEAP_TESTS_PTAB_FAKE_H
#define NEAP_TESTS_PTAB_FAKE_H

#include <stdlib.h>

#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/ptab.h"
#include "shim.h"

/* What a struct ptab_fmt begins with; max_leaf_level is the test's to choose. */
#define PTAB_FAKE_FORMAT                                                              \
	.name = "test", .present = 7, .table_flags = 7, .large = BIT(7), .levels = 4, \
	.addr_mask = 0x000ffffffffff000

static u8 *ptab_fake_states;

/* size: bytes, more than a MiB. */
static inline void ptab_fake_memory(u64 size)
{
	shim_phys_init(size);
	ptab_fake_states = calloc(1, size / PAGE_SIZE);
	frame_init(ptab_fake_states, HFN(size / PAGE_SIZE));
	frame_add(HPA(MIB), size - MIB);
}

static inline void ptab_fake_memory_end(void)
{
	free(ptab_fake_states);
	shim_phys_fini();
}

static inline u64 ptab_fake_used_frames(void)
{
	return frame_stats().total - frame_stats().free;
}

#endif
