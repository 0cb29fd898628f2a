#include "hv/vm.h"

#include <errno.h>
#include <string.h>

#include "boot/boot_info.h"
#include "core/atomic.h"
#include "core/format.h"
#include "core/log.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/exit.h"
#include "hv/load/load.h"
#include "hv/manager.h"
#include "hv/placement.h"
#include "hv/vm_slots.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/host_map.h"
#include "mm/phys.h"

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

/* Of the manifest's processors the first that is not there is named. */
static int choose_processors(const struct vm *vm)
{
	struct vm_config *c = vm->config;
	u32 n = cpu_count(), missing;

	if (!c->processors_given) {
		placement_all(&c->processors);
		return 0;
	}
	missing = cpu_set_next(&c->processors, n);
	if (missing == CPU_MAX)
		return 0;
	log_error("vm %s: processors: there is no processor %u; this machine's %s%u", c->name,
		  missing, n > 1 ? "are 0 to " : "one is ", n - 1);
	return -ENOENT;
}

static int build_memory(struct vm *vm)
{
	int err = guest_memmap_init(&vm->memmap, vm->config->memory);

	if (!err)
		err = check_memory(vm);
	if (!err)
		err = shootdown_init(&vm->shootdown);
	if (!err)
		err = tdp_init(vm);
	if (!err)
		err = vm_slots_init(vm);
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
		.tsc_hz = vm->tsc.hz,
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

static void choose_tsc(struct vm *vm)
{
	u64 wanted = vm->config->tsc_hz;

	if (!guest_tsc_init(&vm->tsc, wanted, time_hz(), backend->tsc_scaling()))
		log_warn("vm %s: tsc_hz = %lu: this processor cannot make such a TSC; the guest "
			 "has its own, of %lu Hz",
			 vm->config->name, wanted, vm->tsc.hz);
}

static int build(struct vm *vm)
{
	struct load_images images = { 0 };
	int err = find_images(vm, &images);

	if (!err && vm->config->test_hypercalls)
		err = slot_call_start();
	if (!err)
		err = choose_processors(vm);
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

	slot_call_drain(vm);
	board_fini(vm);
	/* Whoever found a vCPU on a processor (exit_print_last()) is past it after this, too. Pages
	 * that a processor may use still are lost, and it has been named. */
	if (vm->tdp.root.v)
		(void)!shootdown_and_free(vm, GPA(0), SHOOTDOWN_ROOT);
	vm_for_each_vcpu (v, &vm->vcpus, i)
		vcpu_destroy(v);
	vcpu_table_fini(&vm->vcpus);
	hyperv_fini(vm);
	kstack_trim();
	backend->vm_fini(vm);
	shootdown_fini(&vm->shootdown);
	vm_slots_fini(vm);
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

	log_line(vm->level, "vm %s: %u vCPU%s, %lu MiB, kernel %s%s%s", c->name, c->cpus,
		 c->cpus > 1 ? "s" : "", c->memory / MIB, c->kernel,
		 c->initrd[0] ? ", initrd " : "", c->initrd);
}

/* What was wrong has been said, but for lack of memory, which anything may have met. */
static void print_not_started(const struct vm_config *c, int err)
{
	log_error("vm %s: not started%s (its section begins on line %u of the manifest)", c->name,
		  err == -ENOMEM ? ": not enough memory" : "", c->line);
}

int vm_create(struct vm_config *config, u32 id, enum log_level level, struct vm **out)
{
	struct vm *vm = heap_alloc(sizeof(*vm));
	int err;

	if (!vm) {
		print_not_started(config, -ENOMEM);
		return -ENOMEM;
	}
	vm->config = config;
	vm->id = id;
	vm->level = level;
	vm->state = VM_BUILDING;
	choose_tsc(vm);
	err = build(vm);
	if (err) {
		print_not_started(config, err);
		vm_destroy(vm);
		return err;
	}
	print_started(vm);
	*out = vm;
	return 0;
}

void vm_start(struct vm *vm)
{
	struct vcpu *v;

	vm->start_tsc = time_now();
	/* The guest's TSC counts from here: what building took is not its time. */
	vm->tsc_offset = -guest_tsc_scale(&vm->tsc, vm->start_tsc);
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

void vm_vcpu_ended(struct vm *vm)
{
	if (atomic_fetch_add(&vm->running_vcpus, (u32)-1) == 1)
		manager_vm_ended(vm);
}
