#include "hv/vm_mem.h"

#include <errno.h>
#include <string.h>

#include "core/sched.h"
#include "hv/guest_mem.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/phys.h"

#define BLOCK_PARTIAL 1ull
#define BLOCK_ORDER   FRAME_ORDER_2M
_Static_assert(PAGE_SIZE << BLOCK_ORDER == VM_BLOCK_SIZE, "a block is one allocation");

static u64 map_end(const struct guest_memmap *map)
{
	const struct memmap_area *last = &map->ram[map->ram_count - 1];

	return last->base.v + last->size;
}

/* Bytes of RAM from gpa on within its area; 0: no RAM there. */
static u64 ram_left(const struct guest_memmap *map, u64 gpa)
{
	for (unsigned i = 0; i < map->ram_count; i++) {
		const struct memmap_area *a = &map->ram[i];

		if (gpa - a->base.v < a->size)
			return a->size - (gpa - a->base.v);
	}
	return 0;
}

static bool block_has_ram(const struct guest_memmap *map, u64 start, bool *partial)
{
	u64 ram = 0;

	for (unsigned i = 0; i < map->ram_count; i++) {
		u64 b = MAX(map->ram[i].base.v, start);
		u64 e = MIN(map->ram[i].base.v + map->ram[i].size, start + VM_BLOCK_SIZE);

		ram += b < e ? e - b : 0;
	}
	*partial = ram != VM_BLOCK_SIZE;
	return ram != 0;
}

/*
 * A whole aligned GiB of RAM gets a GiB of host memory in one piece, if there is one, so that one
 * leaf can map it; it is freed in blocks like the rest.
 */
static void try_gib(struct vm_mem *mem, u64 first)
{
	u64 blocks = GIB >> VM_BLOCK_SHIFT;
	hpa_t a;

	if (!IS_ALIGNED(first, blocks) || ram_left(mem->map, first << VM_BLOCK_SHIFT) < GIB)
		return;
	a = frame_alloc(FRAME_ORDER_1G);
	if (!a.v)
		return;
	frame_split(a, FRAME_ORDER_1G, BLOCK_ORDER);
	for (u64 i = 0; i < blocks; i++) {
		mem->block[first + i] = a.v + (i << VM_BLOCK_SHIFT);
		memset(phys_to_virt(HPA(mem->block[first + i])), 0, VM_BLOCK_SIZE);
		sched_pause();
	}
}

/* Cleared in steps, so that other work of this CPU does not wait for all of it. */
static int alloc_block(struct vm_mem *mem, u64 i)
{
	bool partial;
	hpa_t a;

	try_gib(mem, i);
	if (mem->block[i] || !block_has_ram(mem->map, i << VM_BLOCK_SHIFT, &partial))
		return 0;
	a = frame_alloc_zeroed(BLOCK_ORDER);
	if (!a.v)
		return -ENOMEM;
	mem->block[i] = a.v | (partial ? BLOCK_PARTIAL : 0);
	sched_pause();
	return 0;
}

/* Guest-physically and host-physically contiguous runs go to the walker as one, for the largest
 * pages. */
static int map_area(struct vm_mem *mem, struct ptab *tdp, u64 base, u64 size, u64 flags)
{
	u64 end = base + size;

	while (base < end) {
		u64 i = base >> VM_BLOCK_SHIFT, pa = mem->block[i] & ~BLOCK_PARTIAL;
		u64 start = base, from = pa + (base & (VM_BLOCK_SIZE - 1));
		int err;

		do {
			base = MIN((++i) << VM_BLOCK_SHIFT, end);
			pa += VM_BLOCK_SIZE;
		} while (base < end && (mem->block[i] & ~BLOCK_PARTIAL) == pa);
		err = ptab_map(tdp, start, HPA(from), base - start, flags);
		if (err)
			return err;
	}
	return 0;
}

int vm_mem_init(struct vm_mem *mem, const struct guest_memmap *map, struct ptab *tdp, u64 flags)
{
	int err = 0;

	mem->map = map;
	mem->block_count = DIV_ROUND_UP(map_end(map), VM_BLOCK_SIZE);
	mem->block = heap_alloc(mem->block_count * sizeof(*mem->block));
	if (!mem->block)
		return -ENOMEM;
	for (u64 i = 0; !err && i < mem->block_count; i++)
		err = alloc_block(mem, i);
	for (unsigned i = 0; !err && i < map->ram_count; i++)
		err = map_area(mem, tdp, map->ram[i].base.v, map->ram[i].size, flags);
	if (err)
		vm_mem_fini(mem);
	return err;
}

void vm_mem_fini(struct vm_mem *mem)
{
	for (u64 i = 0; mem->block && i < mem->block_count; i++) {
		if (mem->block[i])
			frame_free(HPA(mem->block[i] & ~BLOCK_PARTIAL), BLOCK_ORDER);
	}
	heap_free(mem->block);
	mem->block = NULL;
	mem->block_count = 0;
}

void *vm_mem_find(const struct vm_mem *mem, gpa_t gpa, u64 *left)
{
	u64 i = gpa.v >> VM_BLOCK_SHIFT, offset = gpa.v & (VM_BLOCK_SIZE - 1), entry;

	if (i >= mem->block_count)
		return NULL;
	entry = mem->block[i];
	*left = VM_BLOCK_SIZE - offset;
	if (!entry)
		return NULL;
	if (unlikely(entry & BLOCK_PARTIAL)) {
		u64 ram = ram_left(mem->map, gpa.v);

		if (!ram)
			return NULL;
		*left = MIN(*left, ram);
	}
	return phys_to_virt(HPA((entry & ~BLOCK_PARTIAL) + offset));
}

/* Large copies are made in parts of a block at most, others may run after each. Only workers make
 * any that does not lie in one block. */
enum copy_kind { COPY_READ, COPY_WRITE, COPY_ZERO };

static int copy(struct vm *vm, u64 gpa, void *in, const void *out, size_t n, enum copy_kind kind)
{
	while (n) {
		u64 left = 0;
		char *p = vm_mem_find(&vm->mem, GPA(gpa), &left);
		size_t part = MIN(left, n);

		if (!p)
			return -EFAULT;
		if (kind == COPY_READ)
			in = (char *)memcpy(in, p, part) + part;
		else if (kind == COPY_WRITE)
			out = (const char *)out + (memcpy(p, out, part), part);
		else
			memset(p, 0, part);
		gpa += part;
		n -= part;
		if (n)
			sched_pause();
	}
	return 0;
}

int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t n)
{
	return copy(vm, gpa.v, buf, NULL, n, COPY_READ);
}

int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t n)
{
	return copy(vm, gpa.v, NULL, buf, n, COPY_WRITE);
}

int guest_mem_zero(struct vm *vm, gpa_t gpa, size_t n)
{
	return copy(vm, gpa.v, NULL, NULL, n, COPY_ZERO);
}
