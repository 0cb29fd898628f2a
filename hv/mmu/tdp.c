#include "hv/mmu/tdp.h"

#include <errno.h>

#include "arch/x86/trap.h"
#include "core/atomic.h"
#include "core/panic.h"
#include "hv/backend.h"
#include "hv/mmu/dirty_log.h"
#include "hv/mmu/shootdown.h"
#include "hv/vm.h"

/* An interrupt window is opened after this much at the latest. */
#define STEP_PAGES 512u

int tdp_init(struct vm *vm)
{
	const struct ptab_fmt *fmt = backend->tdp_format();
	bool small = vm->config->populate == VM_POPULATE_LAZY_4K;

	vm->leaves =
		(struct tdp_leaves){ .ram = backend->tdp_ram_flags(),
				     .rom = backend->tdp_rom_flags(),
				     .max_shift = ptab_shift(small ? 1 : fmt->max_leaf_level) };
	vm->prefetch = vm->config->prefetch;
	return ptab_init(&vm->tdp, fmt);
}

static force_inline u64 leaf_flags(const struct vm *vm, const struct slot *slot)
{
	u64 flags = slot->flags & SLOT_READ_ONLY ? vm->leaves.rom : vm->leaves.ram;

	return unlikely(slot->log) ? flags & ~dirty_log_clean(vm, slot) : flags;
}

u64 tdp_leaf_flags(const struct vm *vm, const struct slot *slot)
{
	return leaf_flags(vm, slot);
}

/* A leaf of 1 << shift bytes around gfn stays within the extent, and both sides are aligned alike.
 */
static bool fits(const struct slot *slot, const struct slot_extent *e, u64 gfn, unsigned shift)
{
	u64 n = 1ull << (shift - PAGE_SHIFT), start = ALIGN_DOWN(gfn, n);
	u64 first = slot->base.v + e->page;

	return start >= first && start + n <= first + e->pages &&
	       IS_ALIGNED(e->frame.v + (start - first), n);
}

bool tdp_fits(const struct slot *slot, gfn_t gfn, unsigned level)
{
	return fits(slot, slot_backing_find(slot->backing, gfn.v - slot->base.v), gfn.v,
		    ptab_shift(level));
}

/* The extent of the page, of the slot that the cache has; most often the one of the last fault. */
static force_inline const struct slot_extent *find_extent(struct slot_cache *c, u64 page)
{
	const struct slot_extent *e = c->extent;

	if (likely(page - e->page < e->pages))
		return e;
	return c->extent = slot_backing_find(c->slot->backing, page);
}

/* What is not the usual: no slot, one that is about to go. */
static __attribute__((noinline)) enum tdp_result cannot_map(struct vcpu *v, const struct slot *slot)
{
	if (!slot)
		return TDP_EMULATE;
	/* The worker that takes the slot away may be waiting for this CPU. */
	vcpu_post(v, THREAD_RESCHED);
	return TDP_LEAVE;
}

/* No memory for a table, or a leaf that is there already. */
static __attribute__((noinline)) enum tdp_result not_mapped(struct vcpu *v, const struct slot *slot,
							    gpa_t gpa, bool write, int err)
{
	if (err) {
		vm_kill(v, "no memory for the page tables of address 0x%lx", gpa.v);
		return TDP_LEAVE;
	}
	if (write && slot->flags & SLOT_READ_ONLY)
		return TDP_EMULATE;
	if (write)
		dirty_log_write(v->vm, slot, gpa_to_gfn(gpa));
	return TDP_RESUME;
}

/* In a slot with a log each page has a leaf of its own, whose first write may have to fault. */
static __attribute__((noinline)) void mapped_logged(struct vm *vm, const struct slot *slot,
						    gfn_t gfn, bool write)
{
	if (write && !(slot->flags & SLOT_READ_ONLY))
		dirty_log_write(vm, slot, gfn);
}

enum tdp_result tdp_fault(struct vcpu *v, const struct slot *slot, gpa_t gpa, bool write)
{
	struct vm *vm = v->vm;
	/* Once, and first: what this fault does is by this number, whoever changes it meanwhile. */
	u32 prefetch = READ_ONCE(vm->prefetch);
	unsigned max = vm->leaves.max_shift;
	const struct slot_extent *e;
	gfn_t gfn = gpa_to_gfn(gpa);
	u64 page, flags, *entry;
	int shift;

	if (unlikely(!slot))
		slot = slots_find(&vm->slots, &v->slot_cache, gfn);
	if (unlikely(!slot || slot->flags & SLOT_INVALID))
		return cannot_map(v, slot);
	page = gfn.v - slot->base.v;
	flags = leaf_flags(vm, slot);
	e = find_extent(&v->slot_cache, page);
	if (unlikely(slot->log))
		max = PAGE_SHIFT;
	while (max > PAGE_SHIFT && !fits(slot, e, gfn.v, max))
		max -= 9;
	shift = ptab_map_page(&vm->tdp, gpa.v, HPA((e->frame.v + (page - e->page)) << PAGE_SHIFT),
			      max, flags, &entry);
	if (unlikely(shift <= 0))
		return not_mapped(v, slot, gpa, write, shift);
	if (unlikely(slot->log))
		mapped_logged(vm, slot, gfn, write);
	if (prefetch && shift == PAGE_SHIFT)
		prefetch_map(&v->prefetch, prefetch,
			     &(struct prefetch_spot){ slot, e, page, entry, flags });
	return TDP_RESUME;
}

int tdp_map_slot(struct vm *vm, const struct slot *slot)
{
	const struct slot_backing *b = slot->backing;
	int err = 0;

	for (u64 i = 0; !err && i < b->extents; i++) {
		const struct slot_extent *e = &b->extent[i];

		err = ptab_map(&vm->tdp, (slot->base.v + e->page) << PAGE_SHIFT,
			       hfn_to_hpa(e->frame), e->pages << PAGE_SHIFT, leaf_flags(vm, slot));
		if (i % STEP_PAGES == STEP_PAGES - 1)
			trap_irq_window();
	}
	return err;
}

int tdp_unmap_slot(struct vm *vm, const struct slot *slot)
{
	u64 pages = slot->pages, gfn = slot->base.v;

	dirty_log_unmap(vm, slot);
	while (pages) {
		u64 end = ALIGN_DOWN(gfn + (GIB >> PAGE_SHIFT), GIB >> PAGE_SHIFT);
		u64 n = MIN(end - gfn, pages);

		/* No leaf reaches beyond its slot, so none is split, which alone can fail. */
		if (ptab_unmap(&vm->tdp, gfn << PAGE_SHIFT, n << PAGE_SHIFT))
			panic("tdp: a leaf reaches beyond slot %u", slot->id);
		gfn += n;
		pages -= n;
		trap_irq_window();
	}
	return shootdown(vm);
}
