#include "hv/vm.h"

#include <errno.h>
#include <string.h>

#include "boot/boot_info.h"
#include "core/atomic.h"
#include "core/format.h"
#include "core/log.h"
#include "core/sched.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/exit.h"
#include "hv/load/load.h"
#include "hv/manager.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/phys.h"

#define ROM_BASE 0xc0000ul

/* --- the local APICs of the VM, for its APIC bus --- */

static struct lapic *bus_lapic_by_id(void *ctx, u32 apic_id)
{
	struct vm *vm = ctx;
	struct vcpu *v = vcpu_table_get(&vm->vcpus, apic_id);

	return v ? &v->lapic : NULL;
}

static struct lapic *bus_next(void *ctx, u32 *cursor)
{
	struct vm *vm = ctx;
	struct vcpu *v = vcpu_table_next(&vm->vcpus, cursor);

	++*cursor;
	return v ? &v->lapic : NULL;
}

static const struct apic_bus_ops bus_ops = { bus_lapic_by_id, bus_next };

/* --- building --- */

static bool find_source(const struct vm *vm, const char *what, const char *name,
			struct load_source *out)
{
	const struct boot_module *m = boot_find_module(name);

	if (!m) {
		log_error("vm %s: %s: there is no boot module named \"%s\"", vm->config->name, what,
			  name);
		return false;
	}
	*out = (struct load_source){ phys_to_virt(m->base), m->size, m->name };
	return true;
}

static int find_images(const struct vm *vm, struct load_images *images)
{
	const struct vm_config *c = vm->config;
	bool ok = find_source(vm, "kernel", c->kernel, &images->kernel);

	if (c->initrd[0])
		ok &= find_source(vm, "initrd", c->initrd, &images->initrd);
	images->module_count = c->module_count;
	for (unsigned i = 0; i < c->module_count; i++)
		ok &= find_source(vm, "module", c->module[i].name, &images->module[i]);
	return ok ? 0 : -ENOENT;
}

static int check_memory(const struct vm *vm)
{
	struct frame_stats s = frame_stats();
	u64 have = s.free << PAGE_SHIFT;

	if (vm->config->memory <= have)
		return 0;
	log_error("vm %s: memory: %lu MiB asked for, %lu MiB are free", vm->config->name,
		  vm->config->memory / MIB, have / MIB);
	return -ENOMEM;
}

/*
 * Where option ROMs would be: kernels scan all of it for them. One frame of ones, readable without
 * an exit, says at every page what an unclaimed bus says; writes exit and are ignored.
 */
static int map_rom_area(struct vm *vm)
{
	int err = 0;

	vm->ones = frame_alloc(0);
	if (!vm->ones.v)
		return -ENOMEM;
	memset(phys_to_virt(vm->ones), 0xff, PAGE_SIZE);
	for (u64 a = ROM_BASE; !err && a < MEMMAP_BIOS_BASE; a += PAGE_SIZE)
		err = ptab_map(&vm->tdp, a, vm->ones, PAGE_SIZE, backend->tdp_rom_flags());
	return err;
}

static int build_memory(struct vm *vm)
{
	int err = guest_memmap_init(&vm->memmap, vm->config->memory);

	if (!err)
		err = check_memory(vm);
	if (!err)
		err = ptab_init(&vm->tdp, backend->tdp_format());
	if (!err)
		err = vm_mem_init(&vm->mem, &vm->memmap, &vm->tdp, backend->tdp_ram_flags());
	if (!err)
		err = map_rom_area(vm);
	if (!err)
		err = backend->vm_init(vm);
	return err;
}

static int build_vcpus(struct vm *vm)
{
	const struct cpuid_limits limits = {
		.cpus = vm->config->cpus,
		.rdtscp = cpu_features.rdtscp,
		.invpcid = cpu_features.invpcid,
		.xsaves = cpu_features.xsaves,
		.tsc_hz = time_hz(),
		.hyperv = vm->config->hyperv,
	};
	int err = 0;

	cpuid_table_init(&vm->cpuid, &limits);
	apic_bus_init(&vm->apic_bus, &bus_ops, vm);
	for (u32 i = 0; !err && i < vm->config->cpus; i++) {
		struct vcpu *v;

		err = vcpu_create(vm, i, &v);
	}
	return err;
}

static int build(struct vm *vm)
{
	struct load_images images = { 0 };
	int err = find_images(vm, &images);

	if (!err)
		err = build_memory(vm);
	if (!err)
		err = load_guest(vm, vm->config, &images, &vm->memmap, &vm->start);
	if (!err)
		err = hyperv_init(vm);
	if (!err)
		err = build_vcpus(vm);
	if (!err)
		err = board_init(vm);
	return err;
}

void vm_destroy(struct vm *vm)
{
	struct vcpu *v;

	board_fini(vm);
	vm_for_each_vcpu (v, &vm->vcpus, i)
		vcpu_destroy(v);
	vcpu_table_fini(&vm->vcpus);
	hyperv_fini(vm);
	if (vm->tdp.root.v) {
		backend->tdp_flush(vm);
		backend->vm_fini(vm);
		ptab_destroy(&vm->tdp);
	}
	vm_mem_fini(&vm->mem);
	if (vm->ones.v)
		frame_free(vm->ones, 0);
	heap_free(vm);
}

static void start_vcpus(struct vm *vm)
{
	struct vcpu *v;

	vm->running_vcpus = vm->config->cpus;
	vm_for_each_vcpu (v, &vm->vcpus, i)
		vcpu_start(v);
}

static void print_started(const struct vm *vm)
{
	const struct vm_config *c = vm->config;

	log_info("vm %s: %u vCPU%s, %lu MiB, kernel %s%s%s", c->name, c->cpus,
		 c->cpus > 1 ? "s" : "", c->memory / MIB, c->kernel,
		 c->initrd[0] ? ", initrd " : "", c->initrd);
}

int vm_create(struct vm_config *config, u32 id, struct vm **out)
{
	struct vm *vm = heap_alloc(sizeof(*vm));
	int err;

	if (!vm)
		return -ENOMEM;
	vm->config = config;
	vm->id = id;
	vm->state = VM_BUILDING;
	vm->tsc_offset = -time_now();
	err = build(vm);
	if (err) {
		if (err != -ENOENT)
			log_error("vm %s: not started (error %d)", config->name, -err);
		vm_destroy(vm);
		return err;
	}
	print_started(vm);
	/* The guest's TSC counts from here: what building took is not its time. */
	vm->tsc_offset = -time_now();
	*out = vm;
	return 0;
}

void vm_start(struct vm *vm)
{
	struct vcpu *v;

	vm->start_tsc = time_now();
	vm->tsc_offset = -vm->start_tsc;
	vm_for_each_vcpu (v, &vm->vcpus, i)
		v->tsc_offset = vm->tsc_offset;
	store_release(&vm->state, (u32)VM_RUNNING);
	start_vcpus(vm);
}

/* --- the end --- */

void vm_stop(struct vm *vm, u32 status, enum vm_end_kind kind, const char *reason)
{
	u32 expected = VM_RUNNING;
	struct vcpu *v;

	if (!atomic_cmpxchg(&vm->state, &expected, (u32)VM_STOPPING))
		return;
	vm->exit_status = status;
	vm->end_kind = kind;
	vm->end_reason = reason;
	vm_for_each_vcpu (v, &vm->vcpus, i)
		vcpu_post(v, VCPU_STOP);
}

void vm_kill(struct vcpu *vcpu, const char *fmt, ...)
{
	char why[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	format_vstring(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (READ_ONCE(vcpu->vm->state) != VM_RUNNING)
		return;
	/* Its last words are part of the story, and belong before the report. */
	console_flush(&vcpu->vm->console);
	exit_report(vcpu, why);
	vm_stop(vcpu->vm, VM_STATUS_KILLED, VM_END_KILLED, "stopped: see the report above");
}

void vm_wait_threads(struct vm *vm)
{
	struct vcpu *v;

	vm_for_each_vcpu (v, &vm->vcpus, i) {
		while (!sched_is_over(&v->thread))
			sched_yield();
	}
}

void vm_vcpu_ended(struct vm *vm)
{
	if (atomic_fetch_add(&vm->running_vcpus, (u32)-1) == 1)
		manager_vm_ended(vm);
}
