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
#include "hv/console.h"
#include "hv/exit.h"
#include "hv/manifest.h"
#include "hv/options.h"
#include "hv/slot_call.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/phys.h"

#define MANAGER_VM_ENDED BIT(1)
#define MANAGER_TIMER	 BIT(2)
#define MANIFEST_NAME	 "manifest"
#define RESTARTS_TOLD	 4 /* the first ones; from then on each power of two */
static struct thread thread;
static struct manifest manifest;
static unsigned live;	/* VMs that run */
static u32 exit_status; /* of the first VM that did not end with 0 */
static struct timer linger;
static u32 restarts[MANIFEST_VM_MAX]; /* by the VM's place in the manifest */
static u64 free_at_start;	      /* frames, before the first VM */

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

/* A guest that resets again and again must not drown what others say: one line in ever more. */
static enum log_level level_of(u32 restart)
{
	return restart <= RESTARTS_TOLD || !(restart & (restart - 1)) ? LOG_INFO : LOG_DEBUG;
}

static void start_vm(struct vm_config *config, u32 id)
{
	enum log_level level = level_of(restarts[id - 1]);
	struct vm *vm;

	if (vm_create(config, id, level, &vm)) {
		note_status(VM_STATUS_NOT_STARTED);
		console_forget(id);
		return;
	}
	live++;
	log_line(level, "vm %s: starts %lu us after Neap's first instruction", config->name,
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

/* What VMs share, and what stays: it is not counted as theirs. A VM that misses it says so. */
static void start_common(void)
{
	for (unsigned i = 0; i < manifest.vm_count; i++) {
		if (!manifest.bad[i] && manifest.vm[i]->test_hypercalls)
			(void)!slot_call_start();
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
	if (manifest_parse(&manifest, phys_to_virt(m->base), m->size) || manifest.errors)
		note_status(VM_STATUS_NOT_STARTED);
	start_common();
	free_at_start = frame_stats().free;
	start_all();
	console_check_option();
}

/* Whether a VM that has ended is to be started again; counts it. */
static bool may_restart(const struct vm *vm)
{
	u32 *count = &restarts[vm->id - 1], limit = vm->config->reboots;

	if (vm->end_kind != VM_END_RESET || (*count >= limit && limit != VM_REBOOTS_UNLIMITED))
		return false;
	++*count;
	return true;
}

static void print_memory(enum log_level level)
{
	struct frame_stats s = frame_stats();

	log_line(level, "memory: %lu of %lu frames free", s.free, s.total);
}

static void print_end(const struct vm_config *config, enum vm_end_kind kind, bool again, u32 id)
{
	if (again)
		log_line(level_of(restarts[id - 1]), "vm %s: restart %u", config->name,
			 restarts[id - 1]);
	else if (kind == VM_END_RESET)
		log_error("vm %s: not started again: `reboots` allows %u restarts", config->name,
			  config->reboots);
}

static void take_down(struct vm *vm)
{
	struct vm_config *config = vm->config;
	bool again = may_restart(vm);
	enum vm_end_kind kind = vm->end_kind;
	enum log_level level = again ? vm->level : LOG_INFO;
	const char *reason = vm->end_reason;
	u32 id = vm->id, status = vm->exit_status;
	u64 ms = time_ticks_to_ns(time_now() - vm->start_tsc) / 1000000;

	vm->level = level;
	vm->console.comes_back = again;
	note_status(status);
	console_finish(&vm->console);
	exit_print_statistics(vm);
	vm_destroy(vm);
	/* Behind the last of its output, which its console has sent by now. */
	log_line(level, "vm %s: %s, status %u, after %lu ms", config->name, reason, status, ms);
	print_memory(level);
	print_end(config, kind, again, id);
	live--;
	if (again)
		start_vm(config, id);
	else if (kind == VM_END_RESET)
		note_status(VM_STATUS_REBOOTS);
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

/* Nothing of the VMs' is kept for later: it is the same number, or something was lost. */
static void print_last_memory(void)
{
	struct frame_stats s = frame_stats();

	if (s.free == free_at_start)
		log_info("memory: %lu of %lu frames free, as before the first VM", s.free, s.total);
	else
		log_warn("memory: %lu of %lu frames free, %lu before the first VM", s.free, s.total,
			 free_at_start);
}

static void finish(void)
{
	rcu_log_stats();
	shootdown_log_stats();
	print_last_memory();
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
	options_check(boot_info.cmdline);
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
