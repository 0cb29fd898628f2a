#include "hv/mmu/dirty_log.h"

#include <errno.h>

#include "arch/x86/trap.h"
#include "core/log.h"
#include "core/sched.h"
#include "hv/backend.h"
#include "hv/mmu/shootdown.h"
#include "hv/vm.h"
#include "mm/ptab_split.h"

/* Pages looked at between two windows: those of a table. */
#define STEP_PAGES 512u
_Static_assert(STEP_PAGES % DIRTY_WORD_PAGES == 0, "whole words");

static bool protects(void)
{
	return backend->dirty_method() == DIRTY_WRITE_PROTECT;
}

/* What the trace of a write is: set in a leaf that was written. */
static u64 trace_bit(const struct vm *vm)
{
	return protects() ? vm->tdp.fmt->writable : vm->tdp.fmt->dirty;
}

u64 dirty_log_clean(const struct vm *vm, const struct slot *slot)
{
	return unlikely(slot->log) ? trace_bit(vm) : 0;
}

void dirty_log_print(void)
{
	static const char *const names[] = { [DIRTY_WRITE_PROTECT] = "write protection",
					     [DIRTY_BITS] = "dirty bits",
					     [DIRTY_PML] = "page-modification logging" };

	log_info("mmu: dirty logging by %s", names[backend->dirty_method()]);
}

/* --- on and off, and when leaves go --- */

int dirty_log_start(struct vm *vm, const struct slot *slot)
{
	u64 gfn = slot->base.v, end = gfn + slot->pages;

	while (gfn < end) {
		u64 n = MIN(ALIGN_DOWN(gfn + STEP_PAGES, STEP_PAGES), end) - gfn;
		int err = ptab_split(&vm->tdp, gfn << PAGE_SHIFT, n << PAGE_SHIFT, trace_bit(vm));

		if (err)
			return err;
		gfn += n;
		sched_pause();
	}
	return shootdown(vm);
}

void dirty_log_unmap(struct vm *vm, const struct slot *slot)
{
	u64 have;

	if (!slot->log || backend->dirty_method() != DIRTY_BITS)
		return;
	for (u64 page = 0; page < slot->pages; page += have) {
		u64 *leaf = ptab_small_leaves(&vm->tdp, (slot->base.v + page) << PAGE_SHIFT, &have);

		have = MIN(have, slot->pages - page);
		/* A processor that has the leaf in its TLB as clean sets the bit in a locked
		 * operation, for which the leaf must be there: so either it is found here, or the
		 * write faults. */
		for (u64 i = 0; leaf && i < have; i++) {
			if (READ_ONCE(leaf[i]) && (atomic_xchg(&leaf[i], 0ull) & trace_bit(vm)))
				dirty_bitmap_mark(slot->log, page + i);
		}
		trap_irq_window();
	}
}

/* --- marks --- */

void dirty_log_write(struct vm *vm, const struct slot *slot, gfn_t gfn)
{
	if (!protects())
		return;
	/* See above for why it is marked twice. */
	dirty_log_mark(slot, gfn);
	(void)ptab_set_bits(&vm->tdp, gfn.v << PAGE_SHIFT, vm->tdp.fmt->writable);
	dirty_log_mark(slot, gfn);
}

void dirty_log_mark_gfn(struct vm *vm, struct slot_cache *cache, gfn_t gfn)
{
	const struct slot *slot = slots_find(&vm->slots, cache, gfn);

	if (likely(slot))
		dirty_log_mark(slot, gfn);
}

/* --- reading --- */

/* Leaves looked at together: mostly none of them was written. */
#define GROUP 8u

static force_inline bool group_is_clean(const u64 *leaf, u64 bit)
{
	u64 any = 0;

#pragma GCC unroll 8
	for (unsigned i = 0; i < GROUP; i++)
		any |= READ_ONCE(leaf[i]);
	return !(any & bit);
}

/* Of n leaves in a table: those with a bit lose it, and are set in what is returned. */
static u64 take_written(u64 *leaf, u64 n, u64 bit)
{
	u64 written = 0, i = 0;

	while (i < n) {
		u64 end = MIN(i + GROUP, n);

		if (i + GROUP <= n && group_is_clean(&leaf[i], bit)) {
			i = end;
			continue;
		}
		for (; i < end; i++) {
			if (!(READ_ONCE(leaf[i]) & bit))
				continue;
			atomic_fetch_and(&leaf[i], ~bit);
			written |= 1ull << i;
		}
	}
	return written;
}

/* Those of `pages` lose it. */
static void make_clean(u64 *leaf, u64 pages, u64 bit)
{
	for (; pages; pages &= pages - 1) {
		unsigned i = (unsigned)__builtin_ctzll(pages);

		if (READ_ONCE(leaf[i]) & bit)
			atomic_fetch_and(&leaf[i], ~bit);
	}
}

/* The n pages of a word, which may lie in two tables: what has been written of them, beside what
 * the bitmap said. */
static u64 rearm(struct vm *vm, u64 gfn, u64 n, u64 marked)
{
	bool look = backend->dirty_method() == DIRTY_BITS;
	u64 bit = trace_bit(vm), have;

	if (!marked && !look)
		return 0;
	for (u64 i = 0; i < n; i += have) {
		u64 *leaf = ptab_small_leaves(&vm->tdp, (gfn + i) << PAGE_SHIFT, &have);

		have = MIN(have, n - i);
		if (leaf && look)
			marked |= take_written(leaf, have, bit) << i;
		else if (leaf)
			make_clean(leaf, (marked >> i) & (UINT64_MAX >> (64 - have)), bit);
	}
	return marked;
}

/* No processor's instruction for it is used, as not all have it. */
static u64 count_bits(u64 x)
{
	x -= x >> 1 & 0x5555555555555555;
	x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return x * 0x0101010101010101 >> 56;
}

/* The slot if it has a log with all of the range. Readers. */
static int find(struct vm *vm, const struct dirty_range *r, const struct slot **out)
{
	const struct slot *s = slot_set_find_id(slots_active(&vm->slots), r->id);

	if (!s)
		return -ENOENT;
	if (!s->log || r->first % DIRTY_WORD_PAGES || !r->pages || r->first >= s->pages ||
	    r->pages > s->pages - r->first ||
	    (r->pages % DIRTY_WORD_PAGES && r->first + r->pages != s->pages))
		return -EINVAL;
	*out = s;
	return 0;
}

static int read_step(struct vm *vm, const struct dirty_range *r, u64 from, u64 *words, u64 *count)
{
	const struct slot *slot;
	u64 end = MIN(from + STEP_PAGES, r->pages);
	int err = find(vm, r, &slot);

	for (u64 i = from; !err && i < end; i += DIRTY_WORD_PAGES) {
		u64 page = r->first + i, n = MIN((u64)DIRTY_WORD_PAGES, r->pages - i);
		u64 marked = dirty_bitmap_take(slot->log, page);

		/* Taken before the leaf is made clean: see above. */
		marked = rearm(vm, slot->base.v + page, n, marked);
		words[i / DIRTY_WORD_PAGES] = marked;
		*count += count_bits(marked);
	}
	return err;
}

void dirty_log_put_back(struct vm *vm, const struct dirty_range *r, const u64 *words)
{
	const struct slot *slot;

	for (u64 i = 0; i < r->pages; i += DIRTY_WORD_PAGES) {
		if (!find(vm, r, &slot) && words[i / DIRTY_WORD_PAGES])
			dirty_bitmap_mark_word(slot->log, r->first + i,
					       words[i / DIRTY_WORD_PAGES]);
		if (i % STEP_PAGES == 0)
			sched_pause();
	}
}

int dirty_log_read(struct vm *vm, const struct dirty_range *r, u64 *words, u64 *count)
{
	const struct slot *slot;
	int err = find(vm, r, &slot);

	*count = 0;
	if (!err && backend->dirty_method() == DIRTY_PML)
		err = shootdown(vm);
	for (u64 from = 0; !err && from < r->pages; from += STEP_PAGES) {
		err = read_step(vm, r, from, words, count);
		sched_pause();
	}
	if (err || !*count)
		return err;
	err = shootdown(vm);
	if (err)
		dirty_log_put_back(vm, r, words);
	return err;
}
