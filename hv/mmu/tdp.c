#include "hv/mmu/tdp.h"

#include <errno.h>

#include "arch/x86/trap.h"
#include "core/panic.h"
#include "hv/backend.h"
#include "hv/mmu/dirty_log.h"
#include "hv/mmu/shootdown.h"
#include "hv/vm.h"

/* An interrupt window is opened after this much at the latest. */
#define STEP_PAGES 512u

u64 tdp_leaf_flags(const struct vm *vm, const struct slot *slot)
{
	u64 flags =
		slot->flags & SLOT_READ_ONLY ? backend->tdp_rom_flags() : backend->tdp_ram_flags();

	return flags & ~dirty_log_clean(vm, slot);
}

/* The part of an extent that a leaf of a level around gfn would map; false: it does not fit. */
static bool fits(const struct slot *slot, const struct slot_extent *e, u64 gfn, unsigned level)
{
	u64 n = ptab_level_size(level) >> PAGE_SHIFT, start = ALIGN_DOWN(gfn, n);
	u64 first = slot->base.v + e->page;

	return start >= first && start + n <= first + e->pages &&
	       IS_ALIGNED(e->frame.v + (start - first), n);
}

bool tdp_fits(const struct slot *slot, gfn_t gfn, unsigned level)
{
	return fits(slot, slot_backing_find(slot->backing, gfn.v - slot->base.v), gfn.v, level);
}

/*
 * The largest leaf that fits and that nothing is in the way of. -EEXIST: something is there
 * already, another vCPU's work; -ENOMEM.
 */
static int map_page(struct vm *vm, const struct slot *slot, u64 gfn)
{
	const struct slot_extent *e = slot_backing_find(slot->backing, gfn - slot->base.v);
	/* Each page that is logged has a leaf of its own. */
	unsigned level = slot->log ? 1 : vm->tdp.fmt->max_leaf_level;
	int err;

	do {
		u64 start = ALIGN_DOWN(gfn, ptab_level_size(level) >> PAGE_SHIFT);

		if (!fits(slot, e, gfn, level)) {
			err = -EEXIST;
			continue;
		}
		err = ptab_map(&vm->tdp, start << PAGE_SHIFT,
			       HPA((e->frame.v + (start - slot->base.v - e->page)) << PAGE_SHIFT),
			       ptab_level_size(level), tdp_leaf_flags(vm, slot));
	} while (err == -EEXIST && --level);
	return err;
}

enum tdp_result tdp_fault(struct vcpu *v, gpa_t gpa, bool write)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	const struct slot *slot = slots_find(&v->vm->slots, &v->slot_cache, gfn);
	int err;

	if (!slot)
		return TDP_EMULATE;
	/* The worker that takes the slot away may be waiting for this CPU. */
	if (slot->flags & SLOT_INVALID) {
		vcpu_post(v, THREAD_RESCHED);
		return TDP_LEAVE;
	}
	err = map_page(v->vm, slot, gfn.v);
	if (err == -ENOMEM) {
		vm_kill(v, "no memory for the page tables of address 0x%lx", gpa.v);
		return TDP_LEAVE;
	}
	if (!write)
		return TDP_RESUME;
	if (slot->flags & SLOT_READ_ONLY)
		return err == -EEXIST ? TDP_EMULATE : TDP_RESUME;
	/* What was mapped just now may be written, unless each page's first write is to fault. */
	if (err == -EEXIST || slot->log)
		dirty_log_write(v->vm, slot, gfn);
	return TDP_RESUME;
}

int tdp_map_slot(struct vm *vm, const struct slot *slot)
{
	const struct slot_backing *b = slot->backing;
	int err = 0;

	for (u64 i = 0; !err && i < b->extents; i++) {
		const struct slot_extent *e = &b->extent[i];

		err = ptab_map(&vm->tdp, (slot->base.v + e->page) << PAGE_SHIFT,
			       hfn_to_hpa(e->frame), e->pages << PAGE_SHIFT,
			       tdp_leaf_flags(vm, slot));
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
