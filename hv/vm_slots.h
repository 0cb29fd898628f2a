/*
 * A VM's memory as slots: made from its memory map, followed by its page tables, which map it at
 * once or as it is touched.
 */
#ifndef NEAP_HV_VM_SLOTS_H
#define NEAP_HV_VM_SLOTS_H

#include "hv/load/memmap.h"

struct vm;

/* Ids: RAM areas in the memory map's order, then the place of option ROMs. */
#define VM_SLOT_ROM  MEMMAP_RAM_MAX
#define VM_SLOT_FREE (VM_SLOT_ROM + 1) /* the first id that nobody has */

/* Devices answer between these, whatever slots a guest asks for (I/O and local APICs, firmware). */
#define VM_DEVICES_BASE (4 * GIB - 32 * MIB)
#define VM_DEVICES_END	(4 * GIB)
_Static_assert(VM_DEVICES_BASE >= MEMMAP_LOW_MAX, "RAM ends below");

/*
 * Slots for the areas of vm->memmap, and for the place of option ROMs; entered into vm->tdp, which
 * is there, if the VM is to be populated eagerly. -ENOMEM: vm_slots_fini() takes away what was
 * made. Worker context.
 */
int vm_slots_init(struct vm *vm) __must_check;

/* Frees slots and RAM. No CPU may have any of it in its TLBs any more. Worker context. */
void vm_slots_fini(struct vm *vm);

#endif
