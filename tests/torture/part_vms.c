/*
 * VMs are made and taken down on all CPUs at once, of 1 to 64 vCPUs, which run a program of the
 * backend's: never started, stopped from outside while they start or while interrupts fly between
 * them, or ended by themselves; some creations run out of memory. Before that each allocation that
 * a creation makes fails once. All memory comes back each time, and a failure is told.
 */
#include <errno.h>
#include <string.h>

#include "boot/boot_info.h"
#include "core/format.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/time.h"
#include "fault.h"
#include "hv/manager.h"
#include "hv/vm.h"
#include "mm/heap.h"
#include "mm/host_map.h"
#include "mm/phys.h"
#include "torture.h"

#define KERNEL	      "torture-kernel"
#define CPUS_MOST     64
#define FAULTS_MOST   4096 /* allocations of one creation */
#define FAULT_ONE_IN  8
#define FAULT_RANGE   64  /* which of its allocations fails */
#define LOG_LOOKED_AT 512 /* bytes of the log's end */

struct life {
	struct vm_config config; /* first: the VM knows it */
	u32 ended;		 /* atomic */
};

static struct life *lives; /* by CPU */
static u64 free_before;
static void *kernel;

enum { MADE, FAILED };

/* A multiboot kernel of nothing but its header, to be loaded at 1 MiB (Multiboot 0.6.96, 3.1.2). */
static void make_kernel(void)
{
	static const u32 header[] = { 0x1badb002, 0x10000,  -(0x1badb002u + 0x10000u),
				      0x100000,	  0x100000, 0,
				      0,	  0x100000 };
	struct boot_module *m = &boot_info.module[boot_info.module_count];

	if (boot_info.module_count == BOOT_MAX_MODULES)
		panic("torture: no place for a module");
	kernel = torture_alloc(PAGE_SIZE);
	memcpy(kernel, header, sizeof(header));
	*m = (struct boot_module){ .base = virt_to_phys(kernel), .size = sizeof(header) };
	format_string(m->name, sizeof(m->name), KERNEL);
	boot_info.module_count++;
}

static void configure(struct life *l, u32 id, u32 cpus)
{
	memset(l, 0, sizeof(*l));
	format_string(l->config.name, sizeof(l->config.name), "torture%u", id);
	format_string(l->config.kernel, sizeof(l->config.kernel), KERNEL);
	l->config.cpus = cpus;
	l->config.memory = 2 * MIB;
	l->config.uart = id <= CONSOLE_MAX;
	l->config.debug_exit = true;
}

void manager_vm_ended(struct vm *vm)
{
	struct life *l = container_of(vm->config, struct life, config);

	/* Release: whoever sees it may free the VM. */
	store_release(&l->ended, 1u);
}

/* The newest line of the log says that this VM was not started. */
static bool failure_is_told(const char *name)
{
	char text[LOG_LOOKED_AT + 1], wanted[64];

	text[log_ring_copy(text, LOG_LOOKED_AT)] = '\0';
	format_string(wanted, sizeof(wanted), "neap: error: vm %s: ", name);
	return strstr(text, wanted) != NULL;
}

/* False when its n-th allocation got nothing, and so there is no VM. */
static bool survives(u32 n)
{
	struct life *l = &lives[0];
	struct vm *vm;
	u64 before;
	bool failed;
	int err;

	configure(l, 1 + n % CONSOLE_MAX, 3);
	kstack_trim();
	before = torture_free_frames();
	fault_set(sched_current(), n);
	err = vm_create(&l->config, 1, LOG_DEBUG, &vm);
	failed = fault_end();
	TORTURE_CHECK(!failed || err == -ENOMEM, "allocation %u fails, and the VM's creation: %d",
		      n, err);
	TORTURE_CHECK(!err || failure_is_told(l->config.name),
		      "allocation %u fails, and nothing is said of it", n);
	if (!err)
		vm_destroy(vm);
	TORTURE_CHECK(torture_free_frames() == before,
		      "allocation %u: %lu frames were free, now %lu", n, before,
		      torture_free_frames());
	return !err;
}

/* With a slab's first object and with a later one: what is in use differs, what fails does, too. */
static void fail_each(void)
{
	u32 n = 1;

	while (!survives(n) && n < FAULTS_MOST && !torture_failed())
		n++;
	log_info("torture vms: each of %u allocations has failed", n - 1);
	TORTURE_CHECK(n > 20 && n < FAULTS_MOST, "%u allocations make a VM", n);
}

static bool enough(void)
{
	return torture_sum(MADE) != 0;
}

static void begin(void)
{
	torture_need(enough);
	lives = torture_alloc(cpu_count() * sizeof(*lives));
	make_kernel();
	kstack_trim();
	free_before = torture_free_frames();
	fail_each();
}

static void wait_ended(struct torture_worker *w, struct life *l, struct vm *vm)
{
	u64 limit = torture_patience();

	/* On failure, too: the threads are there still. */
	while (!load_acquire(&l->ended)) {
		torture_waiting();
		if (time_now() > limit) {
			torture_fail("a VM of %u vCPUs does not end: state %u, %u of them run",
				     l->config.cpus, vm->state, vm->running_vcpus);
			return;
		}
	}
	torture_beat(w);
}

static void start_and_end(struct torture_worker *w, struct life *l, struct vm *vm)
{
	/* Each is a slice of every vCPU on this CPU. */
	u32 wait = torture_random(w, 4);

	vm_start(vm);
	while (wait-- && torture_waiting())
		;
	if (torture_random(w, 4))
		vm_stop(vm, 0, VM_END_POWER_OFF, "stopped from outside");
	wait_ended(w, l, vm);
}

static void one_life(struct torture_worker *w, struct life *l)
{
	u32 n = torture_random(w, FAULT_ONE_IN) ? 0 : 1 + torture_random(w, FAULT_RANGE);
	struct vm *vm;
	int err;

	configure(l, w->cpu + 1, 1 + torture_random(w, 1 + torture_random(w, CPUS_MOST)));
	fault_set(&w->thread, n);
	err = vm_create(&l->config, w->cpu + 1, LOG_DEBUG, &vm);
	TORTURE_CHECK(fault_end() == (err != 0), "a VM's creation: %d", err);
	w->count[err ? FAILED : MADE]++;
	if (err)
		return;
	if (torture_random(w, 4))
		start_and_end(w, l, vm);
	if (!torture_failed())
		vm_destroy(vm);
}

static void work(struct torture_worker *w)
{
	while (torture_going(w))
		one_life(w, &lives[w->cpu]);
}

static void end(void)
{
	kstack_trim();
	TORTURE_CHECK(torture_free_frames() == free_before, "%lu frames were free, now %lu",
		      free_before, torture_free_frames());
	TORTURE_CHECK(enough(), "no VM was made");
	log_info("torture vms: %lu made, %lu not", torture_sum(MADE), torture_sum(FAILED));
	boot_info.module_count--;
	heap_free(kernel);
	heap_free(lives);
}

const struct torture_part part_vms = { "vms", begin, work, end };
