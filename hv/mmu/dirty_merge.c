/* A slot without a log gets its large pages back. */
#include <errno.h>

#include "core/sched.h"
#include "hv/backend.h"
#include "hv/mmu/dirty_log.h"
#include "hv/mmu/shootdown.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"
#include "mm/ptab_split.h"

/* Tables that one shootdown frees, and pages of small leaves between two windows. */
#define BATCH 32u
#define STEP  512u

struct merge {
	struct vm *vm;
	const struct slot *slot;
	unsigned count;
	struct ptab_table table[BATCH];
};

static int free_tables(struct merge *m)
{
	int err = m->count ? shootdown_free(m->vm, m->table, m->count) : 0;

	m->count = 0;
	return err;
}

/* These stay small: they may be written, and count as written. */
static void open_leaves(struct merge *m, u64 gfn, u64 pages)
{
	const struct ptab_fmt *f = m->vm->tdp.fmt;
	bool read_only = m->slot->flags & SLOT_READ_ONLY;
	u64 have, bits = f->dirty | (read_only ? 0 : f->writable);

	for (u64 i = 0; i < pages; i += have) {
		const u64 *leaf = ptab_small_leaves(&m->vm->tdp, (gfn + i) << PAGE_SHIFT, &have);

		have = MIN(have, pages - i);
		for (u64 k = 0; leaf && k < have; k++) {
			if (READ_ONCE(leaf[k]))
				(void)ptab_set_bits(&m->vm->tdp, (gfn + i + k) << PAGE_SHIFT, bits);
		}
	}
}

/* What the largest leaf would map that fits around gfn, which may be the first page of it: pages
 * done. */
static u64 merge_one(struct merge *m, u64 gfn, u64 end)
{
	struct ptab *tdp = &m->vm->tdp;
	const struct slot *s = m->slot;
	unsigned level = (m->vm->leaves.max_shift - PAGE_SHIFT) / 9 + 1;
	struct ptab_table t;
	hpa_t frame;
	u64 n;

	while (level > 1 && (!IS_ALIGNED(gfn << PAGE_SHIFT, ptab_level_size(level)) ||
			     !tdp_fits(s, GFN(gfn), level)))
		level--;
	n = level > 1 ? ptab_level_size(level) >> PAGE_SHIFT : STEP - gfn % STEP;
	n = MIN(n, end - gfn);
	if (level == 1) {
		open_leaves(m, gfn, n);
		return n;
	}
	frame = hfn_to_hpa(slot_frame(s, GFN(gfn)));
	t = ptab_merge(tdp, gfn << PAGE_SHIFT, level, frame, tdp_leaf_flags(m->vm, s));
	if (t.pa.v)
		m->table[m->count++] = t;
	return n;
}

int dirty_log_stop(struct vm *vm, const struct slot *slot)
{
	struct merge m = { .vm = vm, .slot = slot };
	u64 gfn = slot->base.v, end = gfn + slot->pages;
	int err = 0;

	while (!err && gfn < end) {
		gfn += merge_one(&m, gfn, end);
		sched_pause();
		if (m.count == BATCH)
			err = free_tables(&m);
	}
	return err ? err : free_tables(&m);
}
