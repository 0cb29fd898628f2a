/*
 * The dirty log: which pages of a slot the guest has written since they were asked for last. A
 * slot with SLOT_DIRTY_LOG is mapped in 4 KiB leaves that are clean at first, and has a bitmap. Of
 * three ways the best that the processor has is used (backend->dirty_method()):
 *
 *   page-modification logging: the processor sets a leaf's dirty bit at the first write, and puts
 *     the address into the vCPU's log; the log is emptied into the bitmap when it is full, when the
 *     vCPU's CPU flushes its translations for shootdown(), and when the vCPU leaves its CPU;
 *   dirty bits: the processor sets them; who reads the log looks at every leaf;
 *   write protection: the first write faults, and the fault's handler marks the page and makes its
 *     leaf writable.
 *
 * What Neap itself writes into the guest's memory is marked in the bitmap, by all three.
 *
 * No write is lost. Reading takes the pages' bits out of the bitmap and makes their leaves clean
 * again, then flushes, and hands the pages out only then:
 *
 *   - A processor may have the leaf in its TLB as dirty, or writable, until the flush, and writes
 *     without leaving a trace. Such a write comes before the pages are handed out: it is in what
 *     their reader finds in them. shootdown() returns when no processor uses the old any more.
 *   - After the flush the processor reads the leaf anew, finds it clean, and the next write leaves
 *     its trace, which is for the next reading.
 *   - Bit and leaf are two things. A write fault marks the page, makes it writable, and marks it
 *     again (dirty_log_write()). Is the first mark taken before the leaf is writable, then the
 *     second, behind it, is for the next reading. Is the second one taken, then the leaf was
 *     writable before and is made clean after: both are locked operations, and the reader's come in
 *     the other order. The first mark is for those who write through the leaf before the second:
 *     the page is marked whenever the leaf is writable, but for the time from a reading's taking
 * the mark to its flush, and that waits for the handler, which runs with interrupts off.
 *   - The processor's log is emptied into the bitmap behind the dirty bit. A page whose address is
 *     still in a log has no bit in the bitmap, and so keeps its dirty bit, and its address comes
 *     later. Addresses of before the reading are in the bitmap by a first shootdown(), which makes
 *     every CPU that has a vCPU of the VM empty its log.
 *   - What Neap writes is written first and marked then.
 *
 * Tables are walked under RCU, without a lock, while vCPUs fault and the slots change; and in
 * steps, each of which finds the slot anew. Page-table pages that a merge has replaced are freed
 * by shootdown_free() only.
 *
 * Memory: a bit for each page of the slot, and the tables of its small leaves, 8 bytes a page and
 * the 512th part of that. Nothing that the guest does needs more.
 */
#ifndef NEAP_HV_MMU_DIRTY_LOG_H
#define NEAP_HV_MMU_DIRTY_LOG_H

#include "hv/slots.h"

struct vm;

/* Bits that a leaf of a slot lacks as long as its page has not been written; 0 for a slot without
 * a log. */
u64 dirty_log_clean(const struct vm *vm, const struct slot *slot);

/*
 * A slot's log is new, and the slot active since a grace period: its large leaves are split, and
 * all are made clean. The changer's context; pauses. -ENOMEM: not all of it could be done, and the
 * log does not work; -ETIMEDOUT: as of shootdown().
 */
int dirty_log_start(struct vm *vm, const struct slot *slot) __must_check;

/*
 * A slot has no log any more, since a grace period: its leaves become large, and writable, again.
 * Likewise; -ETIMEDOUT.
 */
int dirty_log_stop(struct vm *vm, const struct slot *slot) __must_check;

/* What is mapped of a slot is about to be removed, and nothing new mapped: keeps what its leaves
 * know. Likewise. */
void dirty_log_unmap(struct vm *vm, const struct slot *slot);

/*
 * The guest's write of a page that is mapped and may be written was refused: it will not be again.
 * The handler of an exit, which has found the slot.
 */
void dirty_log_write(struct vm *vm, const struct slot *slot, gfn_t gfn);

/* Neap, or a processor's log, says that a page has been written. A slot without a log: nothing. Who
 * has found the slot, or, by way of the cache, finds it; readers. */
static force_inline void dirty_log_mark(const struct slot *slot, gfn_t gfn)
{
	if (unlikely(slot->log))
		dirty_bitmap_mark(slot->log, gfn.v - slot->base.v);
}
void dirty_log_mark_gfn(struct vm *vm, struct slot_cache *cache, gfn_t gfn);

/* Pages [first, first + pages) of the slot with this id: of whole words of the bitmap, or up to the
 * slot's end. */
struct dirty_range {
	u32 id;
	u64 first, pages;
};

/*
 * Which of these pages have been written since they were read last, or the log began, as bits in
 * words[] from bit 0 on; *count is how many. From now on they count as not written. Worker context,
 * no lock held; pauses; others may read at the same time, and a page is handed to one of them.
 * -ENOENT: there is no such slot; -EINVAL: it has no log, or not these pages; -ETIMEDOUT: as of
 * shootdown(), and the pages count as written still.
 */
int dirty_log_read(struct vm *vm, const struct dirty_range *range, u64 *words,
		   u64 *count) __must_check;

/* They count as written again: what was read could not be made use of. A slot that has no log any
 * more: nothing. Worker context. */
void dirty_log_put_back(struct vm *vm, const struct dirty_range *range, const u64 *words);

/* Says which way is used; boot CPU. */
void dirty_log_print(void);

#endif
