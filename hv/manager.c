#include "hv/manager.h"

#include "arch/x86/power.h"
#include "arch/x86/trap.h"
#include "boot/boot_info.h"
#include "core/linger.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/rcu.h"
#include "core/sched.h"
#include "core/time.h"
#include "core/timer.h"
#include "hv/exit.h"
#include "hv/manifest.h"
#include "hv/vm.h"
#include "mm/phys.h"

#define MANAGER_VM_ENDED BIT(1)
#define MANAGER_TIMER	 BIT(2)
#define MANIFEST_NAME	 "manifest"
static struct thread thread;
static struct manifest manifest;
static unsigned live;	/* VMs that run */
static u32 exit_status; /* of the first VM that did not end with 0 */
static struct timer linger;

/* Guards ended. */
static struct spinlock lock = SPINLOCK_INIT;
static struct list ended = LIST_INIT(ended);

void manager_vm_ended(struct vm *vm)
{
	spin_lock(&lock);
	list_add_tail(&ended, &vm->node);
	spin_unlock(&lock);
	sched_post(&thread, MANAGER_VM_ENDED);
}

static void note_status(u32 status)
{
	if (!exit_status)
		exit_status = status;
}

static void start_vm(struct vm_config *config, u32 id)
{
	struct vm *vm;

	if (vm_create(config, id, &vm)) {
		note_status(VM_STATUS_NOT_STARTED);
		return;
	}
	live++;
	log_info("vm %s: starts %lu us after Neap's first instruction", config->name,
		 time_ticks_to_ns(time_now() - boot_info.entry_tsc) / 1000);
	vm_start(vm);
}

static void start_all(void)
{
	for (unsigned i = 0; i < manifest.vm_count; i++) {
		if (manifest.bad[i]) {
			log_error("vm %s: not started: its section in the manifest has errors",
				  manifest.vm[i]->name);
			note_status(VM_STATUS_NOT_STARTED);
			continue;
		}
		start_vm(manifest.vm[i], i + 1);
	}
}

static void read_manifest(void)
{
	const struct boot_module *m = boot_find_module(MANIFEST_NAME);

	if (!m) {
		log_error("manifest: there is no boot module named \"%s\"; expected the text file "
			  "that "
			  "describes the virtual machines",
			  MANIFEST_NAME);
		note_status(VM_STATUS_NOT_STARTED);
		return;
	}
	if (manifest_parse(&manifest, phys_to_virt(m->base), m->size))
		note_status(VM_STATUS_NOT_STARTED);
	if (manifest.errors)
		note_status(VM_STATUS_NOT_STARTED);
	start_all();
}

static void take_down(struct vm *vm)
{
	struct vm_config *config = vm->config;
	bool again = vm->end_kind == VM_END_RESET;
	const char *reason = vm->end_reason;
	u32 id = vm->id, status = vm->exit_status;
	u64 ms = time_ticks_to_ns(time_now() - vm->start_tsc) / 1000000;

	note_status(status);
	/* The last thread may still be on its way off its stack: it is dead once it is off its CPU.
	 */
	vm_wait_threads(vm);
	console_drain();
	exit_print_statistics(vm);
	vm_destroy(vm);
	/* Behind the last of its output, which its console has sent by now. */
	log_info("vm %s: %s, status %u, after %lu ms", config->name, reason, status, ms);
	live--;
	if (again)
		start_vm(config, id);
}

static void take_down_ended(void)
{
	for (;;) {
		struct vm *vm = NULL;

		spin_lock(&lock);
		if (!list_empty(&ended)) {
			vm = list_entry(ended.next, struct vm, node);
			list_remove(&vm->node);
		}
		spin_unlock(&lock);
		if (!vm)
			return;
		take_down(vm);
	}
}

static void linger_over(struct timer *timer)
{
	(void)timer;
	sched_post(&thread, MANAGER_TIMER);
}

static void wait_for(u32 bit)
{
	sched_block(bit);
	atomic_fetch_and(&thread.pending, ~bit);
}

static void linger_on(void)
{
	u64 seconds = linger_seconds(boot_info.cmdline);

	if (!seconds)
		return;
	timer_init(&linger, linger_over);
	timer_set(&linger, time_now() + time_ns_to_ticks(seconds * NSEC_PER_SEC));
	wait_for(MANAGER_TIMER);
}

static void finish(void)
{
	rcu_log_stats();
	shootdown_log_stats();
	log_info("no virtual machine is left");
	if (exit_status)
		linger_on();
	log_info("exit status %u", exit_status);
	power_off();
	log_error("power: the machine does not switch off; you can do it now");
	for (;;)
		wait_for(MANAGER_VM_ENDED);
}

static void manager_main(void *arg)
{
	(void)arg;
	read_manifest();
	while (live) {
		wait_for(MANAGER_VM_ENDED);
		take_down_ended();
	}
	finish();
}

void manager_start(void)
{
	if (sched_create(&thread, "manager", 0, manager_main, NULL))
		panic("manager: no memory for its stack");
}
