#include "hv/mmu/tdp.h"

#include <errno.h>

#include "arch/x86/trap.h"
#include "core/atomic.h"
#include "core/panic.h"
#include "hv/backend.h"
#include "hv/mmu/shootdown.h"
#include "hv/vm.h"

/* An interrupt window is opened after this much at the latest. */
#define STEP_PAGES 512u

int tdp_init(struct vm *vm)
{
	const struct ptab_fmt *fmt = backend->tdp_format();
	bool small = vm->config->populate == VM_POPULATE_LAZY_4K;

	vm->leaves = (struct tdp_leaves){ .ram = backend->tdp_ram_flags(),
					  .rom = backend->tdp_rom_flags(),
					  .max_level = small ? 1 : fmt->max_leaf_level };
	vm->prefetch = vm->config->prefetch;
	return ptab_init(&vm->tdp, fmt);
}

static u64 leaf_flags(const struct vm *vm, const struct slot *slot)
{
	return slot->flags & SLOT_READ_ONLY ? vm->leaves.rom : vm->leaves.ram;
}

/* A leaf of this level around gfn stays within the extent, and both sides are aligned alike. */
static bool fits(const struct slot *slot, const struct slot_extent *e, u64 gfn, unsigned level)
{
	u64 n = ptab_level_size(level) >> PAGE_SHIFT, start = ALIGN_DOWN(gfn, n);
	u64 first = slot->base.v + e->page;

	return start >= first && start + n <= first + e->pages &&
	       IS_ALIGNED(e->frame.v + (start - first), n);
}

/*
 * The largest leaf that fits and that nothing is in the way of, and what is to be prefetched behind
 * it. As ptab_map_page().
 */
static force_inline int map_page(struct vcpu *v, const struct slot *slot, gfn_t gfn, u32 prefetch)
{
	struct vm *vm = v->vm;
	u64 page = gfn.v - slot->base.v, flags = leaf_flags(vm, slot), *entry;
	const struct slot_extent *e = slot_backing_find(slot->backing, page);
	unsigned max = vm->leaves.max_level;
	int level;

	while (max > 1 && !fits(slot, e, gfn.v, max))
		max--;
	level = ptab_map_page(&vm->tdp, gfn.v << PAGE_SHIFT,
			      HPA((e->frame.v + (page - e->page)) << PAGE_SHIFT), max, flags, &entry);
	if (level == 1 && prefetch)
		prefetch_map(&v->prefetch, prefetch, slot, gfn, entry, flags);
	return level;
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

static __attribute__((noinline)) enum tdp_result has_no_memory(struct vcpu *v, gpa_t gpa)
{
	vm_kill(v, "no memory for the page tables of address 0x%lx", gpa.v);
	return TDP_LEAVE;
}

enum tdp_result tdp_fault(struct vcpu *v, gpa_t gpa, bool write)
{
	/* Once, and first: what this fault does is by this number, whoever changes it meanwhile. */
	u32 prefetch = READ_ONCE(v->vm->prefetch);
	gfn_t gfn = gpa_to_gfn(gpa);
	const struct slot *slot = slots_find_last(&v->vm->slots, &v->slot_cache, gfn);
	int level;

	if (unlikely(!slot))
		slot = slots_find(&v->vm->slots, &v->slot_cache, gfn);
	if (unlikely(!slot || slot->flags & SLOT_INVALID))
		return cannot_map(v, slot);
	level = map_page(v, slot, gfn, prefetch);
	if (unlikely(level < 0))
		return has_no_memory(v, gpa);
	if (unlikely(!level && write && slot->flags & SLOT_READ_ONLY))
		return TDP_EMULATE;
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
