/*
 * Two-dimensional paging: the VM's EPT or NPT tables follow its slots. RAM is mapped when a VM is
 * built, or when the guest touches it, as the manifest says; what a change of slots has removed
 * comes back fault by fault. Faults are handled on all vCPUs at once: the tables are changed by
 * compare-exchange, and no lock is taken.
 */
#ifndef NEAP_HV_MMU_TDP_H
#define NEAP_HV_MMU_TDP_H

#include "core/types.h"

struct slot;
struct vcpu;
struct vm;

/* What leaves the VM's tables get. */
struct tdp_leaves {
	u64 ram, rom;	    /* flags */
	unsigned max_shift; /* log2 of the largest that a fault, or a merge, makes */
};

/* Empty tables, and what the configuration says of them. -ENOMEM. Worker context. */
int tdp_init(struct vm *vm) __must_check;

enum tdp_result {
	TDP_LEAVE,   /* not now: the vCPU's loop has something to do first */
	TDP_RESUME,  /* it is mapped now: the guest repeats the access */
	TDP_EMULATE, /* no RAM is there, or none that may be written */
};

/*
 * The guest's access of gpa (its own, or one of the walk of its page tables) was refused by the
 * tables. slot: gpa's, if the vCPU's cache has it (slots_recall()), else NULL. Maps the largest
 * page that fits; beside one of 4 KiB as many more as the VM's number says (hv/mmu/prefetch.h). An
 * exit's handler, of the vCPU's own.
 */
enum tdp_result tdp_fault(struct vcpu *vcpu, const struct slot *slot, gpa_t gpa, bool write);

/* Flags of a leaf that maps a page of the slot, one with a log as its first write finds it. */
u64 tdp_leaf_flags(const struct vm *vm, const struct slot *slot);

/* Whether a leaf of a level around gfn, which is the slot's, maps nothing but pages of the slot, in
 * frames that follow each other. */
bool tdp_fits(const struct slot *slot, gfn_t gfn, unsigned level);

/* Maps all of a slot at once, in the largest pages. -ENOMEM: what was mapped stays. The VM does not
 * run yet. Worker context; opens interrupt windows. */
int tdp_map_slot(struct vm *vm, const struct slot *slot) __must_check;

/*
 * Removes what is mapped of a slot and waits until no processor has it in its TLBs. Nobody maps
 * anything of the slot meanwhile that must not be there: see slots.c. -ETIMEDOUT: as of
 * shootdown(). Worker context.
 */
int tdp_unmap_slot(struct vm *vm, const struct slot *slot) __must_check;

#endif
