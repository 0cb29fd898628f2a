/*
 * A backend of which nothing is wanted but second-level page tables, and a VM in a machine's memory
 * for them. Included by one file of a program, which says in tdp_fake what they are like.
 */
#ifndef NEAP_TESTS_TDP_FAKE_H
#define NEAP_TESTS_TDP_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/trap.h"
#include "hv/backend.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"
#include "hv/vm_slots.h"
#include "ptab_fake.h"

static struct tdp_fake {
	struct ptab_fmt format;
	u64 ram, rom; /* flags of the leaves */
	enum dirty_method method;
} tdp_fake;

static inline const struct ptab_fmt *tdp_fake_format(void)
{
	return &tdp_fake.format;
}

static inline u64 tdp_fake_ram_flags(void)
{
	return tdp_fake.ram;
}

static inline u64 tdp_fake_rom_flags(void)
{
	return tdp_fake.rom;
}

static inline enum dirty_method tdp_fake_dirty_method(void)
{
	return tdp_fake.method;
}

static const struct backend_ops tdp_fake_ops = { .tdp_format = tdp_fake_format,
						 .tdp_ram_flags = tdp_fake_ram_flags,
						 .tdp_rom_flags = tdp_fake_rom_flags,
						 .dirty_method = tdp_fake_dirty_method };
const struct backend_ops *backend = &tdp_fake_ops;

void trap_irq_window(void)
{
}

/* A VM of one vCPU, with nothing built of it, in so many bytes of memory. */
static inline void tdp_fake_begin(struct vm *vm, struct vcpu *vcpu, struct vm_config *config,
				  u64 size)
{
	ptab_fake_memory(size);
	memset(vm, 0, sizeof(*vm));
	memset(vcpu, 0, sizeof(*vcpu));
	vm->config = config;
	vcpu->vm = vm;
}

/* The VM had page tables and slots, and nothing of them is left. */
static inline void tdp_fake_end(struct vm *vm)
{
	vm_slots_fini(vm);
	ptab_destroy(&vm->tdp);
	assert_int_equal(frame_stats().free, frame_stats().total);
	assert_int_equal(shim_heap_live(), 0);
	ptab_fake_memory_end();
}

#endif
