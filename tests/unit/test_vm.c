/* When a guest's TSC is 0: as its VM is started, whatever building it took, and at each restart. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "boot/boot_info.h"
#include "core/percpu.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/dev/board.h"
#include "hv/load/load.h"
#include "hv/manager.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"
#include "hv/vm_slots.h"
#include "mm/frame.h"
#include "mm/host_map.h"
#include "shim.h"

#define CPUS	   3
#define BUILD_TIME 5000000ull

struct cpu *cpu_table[CPU_MAX];
static u64 started_at[CPUS];

/* --- what a VM is built of takes its time, and is not there --- */

u32 cpu_count(void)
{
	return 1;
}

const struct boot_module *boot_find_module(const char *name)
{
	static const struct boot_module module;

	(void)name;
	return &module;
}

struct frame_stats frame_stats(void)
{
	return (struct frame_stats){ .free = 1u << 20 };
}

int shootdown_init(struct shootdown *s)
{
	(void)s;
	return 0;
}

void shootdown_fini(struct shootdown *s)
{
	(void)s;
}

int tdp_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

int vm_slots_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

void vm_slots_fini(struct vm *vm)
{
	(void)vm;
}

int load_guest(struct vm *vm, const struct vm_config *config, const struct load_images *images,
	       const struct guest_memmap *map, struct start_state *out)
{
	(void)vm;
	(void)config;
	(void)images;
	(void)map;
	(void)out;
	shim_set_time(time_now() + BUILD_TIME);
	return 0;
}

int hyperv_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

void hyperv_fini(struct vm *vm)
{
	(void)vm;
}

int board_init(struct vm *vm)
{
	(void)vm;
	shim_set_time(time_now() + BUILD_TIME);
	return 0;
}

void board_fini(struct vm *vm)
{
	(void)vm;
}

void kstack_trim(void)
{
}

int slot_call_start(void)
{
	return 0;
}

void slot_call_drain(struct vm *vm)
{
	(void)vm;
}

int vcpu_create(struct vm *vm, u32 index, struct vcpu **out)
{
	struct vcpu *v = calloc(1, sizeof(*v));

	v->vm = vm;
	v->index = index;
	*out = v;
	return vcpu_table_add(&vm->vcpus, index, v);
}

void sched_post(struct thread *t, u32 bits)
{
	(void)t;
	(void)bits;
}

void vcpu_destroy(struct vcpu *v)
{
	free(v);
}

/* What the vCPU's thread gives to the processor and to the local APIC first of all. */
void vcpu_start(struct vcpu *v)
{
	started_at[v->index] = guest_tsc_scale(&v->vm->tsc, time_now()) + v->tsc_offset;
}

static int vm_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

static void vm_fini(struct vm *vm)
{
	(void)vm;
}

static struct tsc_scaling tsc_scaling(void)
{
	return (struct tsc_scaling){ 8, 32 };
}

static const struct backend_ops fake = { .vm_init = vm_init,
					 .vm_fini = vm_fini,
					 .tsc_scaling = tsc_scaling };
const struct backend_ops *backend = &fake;

/* --- */

static struct vm *create(struct vm_config *config)
{
	struct vm *vm;

	assert_int_equal(vm_create(config, 1, LOG_DEBUG, &vm), 0);
	return vm;
}

static u64 guest_now(const struct vm *vm)
{
	return guest_tsc_scale(&vm->tsc, time_now()) + vm->tsc_offset;
}

static void start_and_look(struct vm *vm)
{
	struct vcpu *v;

	for (unsigned i = 0; i < CPUS; i++)
		started_at[i] = 1;
	vm_start(vm);
	assert_int_equal(guest_now(vm), 0);
	assert_int_equal(vm->start_tsc, time_now());
	vm_for_each_vcpu (v, &vm->vcpus, i) {
		assert_int_equal(started_at[i], 0);
		assert_int_equal(v->tsc_offset, vm->tsc_offset);
	}
}

static void check(u64 tsc_hz)
{
	struct vm_config config = {
		.name = "a", .cpus = CPUS, .memory = 64 * MIB, .tsc_hz = tsc_hz
	};
	struct vm *vm;

	/* The one after it is its restart: manager.c makes another VM of the same section. */
	for (unsigned life = 0; life < 3; life++) {
		vm = create(&config);
		shim_set_time(time_now() + 12345);
		start_and_look(vm);
		shim_set_time(time_now() + 10 * SHIM_HZ);
		assert_int_equal(guest_now(vm), 10 * vm->tsc.hz);
		vm_destroy(vm);
	}
}

static void test_zero_at_start(void **unused)
{
	(void)unused;
	shim_set_time(987654321);
	check(0);
	check(SHIM_HZ / 2);
	check(3 * SHIM_HZ);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_zero_at_start) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
