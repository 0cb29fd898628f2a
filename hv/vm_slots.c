#include "hv/vm_slots.h"

#include <errno.h>

#include "arch/x86/cpu.h"
#include "hv/mmu/dirty_log.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"

#define ROM_BASE 0xc0000ul
#define ROM_END	 MEMMAP_BIOS_BASE
/* Of four levels of tables. */
#define ADDRESS_BITS 48

static int flush(struct slots *s, const struct slot *slot)
{
	return tdp_unmap_slot(container_of(s, struct vm, slots), slot);
}

static int relog(struct slots *s, const struct slot *slot)
{
	struct vm *vm = container_of(s, struct vm, slots);

	return slot->log ? dirty_log_start(vm, slot) : dirty_log_stop(vm, slot);
}

static const struct slots_ops ops = { .flush = flush, .log = relog };

/* Takes over the backing, whatever becomes of it. */
static int add(struct vm *vm, const struct slot_spec *spec, struct slot_backing *b)
{
	int err = slots_create(&vm->slots, spec, b);

	if (err) {
		slot_backing_free(b);
		return err;
	}
	if (vm->config->populate != VM_POPULATE_EAGER)
		return 0;
	return tdp_map_slot(vm, slot_set_find_id(slots_active(&vm->slots), spec->id));
}

static int add_ram(struct vm *vm, u32 id, const struct memmap_area *area)
{
	const struct slot_spec spec = { .id = id,
					.base = gpa_to_gfn(area->base),
					.pages = area->size >> PAGE_SHIFT };
	struct slot_backing *b;
	int err = slot_backing_alloc(spec.base, spec.pages, vm->config->test_hypercalls, &b);

	return err ? err : add(vm, &spec, b);
}

/*
 * Where option ROMs would be: kernels scan all of it for them. One frame of ones, readable without
 * an exit, says at every page what an unclaimed bus says; writes exit and are ignored.
 */
static int add_rom_area(struct vm *vm)
{
	const struct slot_spec spec = { .id = VM_SLOT_ROM,
					.flags = SLOT_READ_ONLY,
					.base = GFN(ROM_BASE >> PAGE_SHIFT),
					.pages = (ROM_END - ROM_BASE) >> PAGE_SHIFT };
	struct slot_backing *b;
	int err = slot_backing_fill(spec.pages, 0xff, &b);

	return err ? err : add(vm, &spec, b);
}

int vm_slots_init(struct vm *vm)
{
	unsigned bits = MIN(cpu_features.phys_bits, (unsigned)ADDRESS_BITS);
	int err = 0;

	slots_init(&vm->slots, GFN(1ull << (bits - PAGE_SHIFT)), &ops);
	for (u32 i = 0; !err && i < vm->memmap.ram_count; i++)
		err = add_ram(vm, i, &vm->memmap.ram[i]);
	return err ? err : add_rom_area(vm);
}

void vm_slots_fini(struct vm *vm)
{
	slots_fini(&vm->slots);
}
