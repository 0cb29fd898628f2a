/*
 * A VM's RAM: blocks of 2 MiB of host memory behind the areas of its memory map, mapped in the
 * largest pages the processor has. hv/guest_mem.h are the copies built on it.
 */
#ifndef NEAP_HV_VM_MEM_H
#define NEAP_HV_VM_MEM_H

#include "hv/load/memmap.h"
#include "mm/ptab.h"

struct vm;

#define VM_BLOCK_SHIFT 21
#define VM_BLOCK_SIZE  (1ull << VM_BLOCK_SHIFT)

struct vm_mem {
	u64 block_count;
	u64 *block; /* host-physical by guest-physical >> 21; 0: none; bit 0: only partly RAM */
	const struct guest_memmap *map;
};

/*
 * Allocates cleared RAM for every area of the map and enters it into tdp with those leaf flags.
 * -ENOMEM: nothing is kept. Worker context; lets others run.
 */
int vm_mem_init(struct vm_mem *mem, const struct guest_memmap *map, struct ptab *tdp,
		u64 flags) __must_check;

/* Frees the RAM. No CPU may have it in its TLBs any more. */
void vm_mem_fini(struct vm_mem *mem);

/* Whether there is RAM in the block that holds gpa. Any context. */
static inline bool vm_mem_has_block(const struct vm_mem *mem, gpa_t gpa)
{
	u64 i = gpa.v >> VM_BLOCK_SHIFT;

	return i < mem->block_count && mem->block[i];
}

/* Where the byte at gpa is, with *left the bytes from it to the end of its block's RAM; NULL: no
 * RAM. Any context. */
void *vm_mem_find(const struct vm_mem *mem, gpa_t gpa, u64 *left);

#endif
