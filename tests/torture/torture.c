/* The control thread: runs the parts, one after the other, and says how they ended. */
#include "torture.h"

#include <string.h>

#include "arch/x86/power.h"
#include "boot/boot_info.h"
#include "core/cmdline.h"
#include "core/format.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/time.h"
#include "hv/manager.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/host_map.h"
#include "mm/phys.h"

#define SECONDS_DEFAULT 5
#define SECONDS_MAX	1000000u
#define YIELD_EVERY	16
#define FAILURES_SHOWN	8
#define WORK_OVER	BIT(1)

static const struct torture_part *const parts[] = {
	&part_lock,    &part_frame,   &part_heap,     &part_ptab,	&part_pingpong,
	&part_wakeup,  &part_threads, &part_slices,   &part_migrate,	&part_timer,
	&part_lapic,   &part_lint,    &part_ioapic,   &part_pic,	&part_ipi,
	&part_console, &part_log,     &part_apic_bus, &part_vcpu_table, &part_tsc,
	&part_vms,     &part_rcu,     &part_tables,
};

struct torture_worker *torture_workers;
static struct thread control;
static const struct torture_part *part;
static u64 part_end;		  /* TSC */
static bool (*part_enough)(void); /* NULL: its time is all it needs */
static u32 failures;		  /* atomic */
static u32 at_work;		  /* atomic: workers whose work is not over */

/* --- what parts use --- */

bool torture_failed(void)
{
	return READ_ONCE(failures) != 0;
}

bool torture_on(void)
{
	u64 end = READ_ONCE(part_end), now = time_now();

	if (torture_failed())
		return false;
	if (now < end)
		return true;
	return part_enough && now - end < time_ns_to_ticks(TORTURE_PATIENCE_NS) && !part_enough();
}

void torture_need(bool (*enough)(void))
{
	part_enough = enough;
}

void torture_beat(struct torture_worker *w)
{
	WRITE_ONCE(w->beat, time_now());
}

bool torture_going(struct torture_worker *w)
{
	torture_beat(w);
	if (++w->operations % YIELD_EVERY == 0)
		sched_yield();
	return torture_on();
}

bool torture_waiting(void)
{
	sched_yield();
	cpu_relax();
	return !torture_failed();
}

bool torture_meet(struct torture_worker *w)
{
	static u32 arrived, generation;
	static bool going;
	u32 g = load_acquire(&generation);

	torture_beat(w);
	if (atomic_fetch_add(&arrived, 1) + 1 == cpu_count()) {
		WRITE_ONCE(arrived, 0);
		WRITE_ONCE(going, torture_on());
		/* Release: who sees the new generation sees what all did before they came. */
		store_release(&generation, g + 1);
	}
	while (load_acquire(&generation) == g) {
		if (!torture_waiting())
			return false;
	}
	torture_beat(w);
	return READ_ONCE(going);
}

void torture_fail(const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	format_vstring(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (atomic_fetch_add(&failures, 1) < FAILURES_SHOWN)
		log_error("torture: %s: CPU %u: %s", part ? part->name : "start", this_cpu()->id,
			  text);
}

bool torture_fault(const char *name)
{
	return cmdline_is(boot_info.cmdline, "torture_fault=", name);
}

u32 torture_random(struct torture_worker *w, u32 n)
{
	/* Marsaglia's xorshift, of 64 bits. */
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (u32)((w->random >> 32) * n >> 32);
}

void *torture_alloc(size_t n)
{
	void *p = heap_alloc(MAX(n, PAGE_SIZE));

	if (!p)
		panic("torture: no memory");
	return p;
}

void torture_spawn(struct thread *t, const char *name, u32 cpu, void (*fn)(void *), void *arg)
{
	if (sched_create(t, name, cpu, fn, arg))
		panic("torture: no memory for a stack");
}

void torture_join(struct thread *t)
{
	while (!sched_is_over(t)) {
		if (!torture_waiting())
			return;
	}
	kstack_free(t->stack_top);
}

u64 torture_sum(unsigned count)
{
	u64 sum = 0;

	for (u32 i = 0; i < cpu_count(); i++)
		sum += torture_workers[i].count[count];
	return sum;
}

u64 torture_free_frames(void)
{
	return frame_stats().free;
}

u64 torture_patience(void)
{
	return time_now() + time_ns_to_ticks(TORTURE_PATIENCE_NS);
}

/* --- the parts --- */

static void work(void *arg)
{
	struct torture_worker *w = arg;

	part->work(w);
	WRITE_ONCE(w->busy, false);
	if (atomic_fetch_add(&at_work, (u32)-1) == 1)
		sched_post(&control, WORK_OVER);
}

static void start_workers(void)
{
	WRITE_ONCE(at_work, cpu_count());
	for (u32 i = 0; i < cpu_count(); i++) {
		struct torture_worker *w = &torture_workers[i];

		w->operations = 0;
		memset(w->count, 0, sizeof(w->count));
		torture_beat(w);
		WRITE_ONCE(w->busy, true);
		torture_spawn(&w->thread, part->name, i, work, w);
	}
}

static void wait_for_workers(void)
{
	while (!(READ_ONCE(control.pending) & WORK_OVER))
		sched_block(WORK_OVER);
	atomic_fetch_and(&control.pending, ~(u32)WORK_OVER);
	for (u32 i = 0; i < cpu_count(); i++)
		torture_join(&torture_workers[i].thread);
}

/* Stacks for all workers and the control thread, made before a part begins: so those that count
 * frames need not count them. */
static void make_stacks(void)
{
	u32 n = cpu_count() + 1;
	void **stack = torture_alloc(n * sizeof(*stack));

	for (u32 i = 0; i < n; i++) {
		stack[i] = kstack_alloc();
		if (!stack[i])
			panic("torture: no memory for a stack");
	}
	for (u32 i = 0; i < n; i++)
		kstack_free(stack[i]);
	heap_free(stack);
}

static void run_part(const struct torture_part *p, u64 ticks)
{
	u64 operations = 0;

	part = p;
	part_enough = NULL;
	make_stacks();
	WRITE_ONCE(part_end, UINT64_MAX);
	if (p->begin)
		p->begin();
	WRITE_ONCE(part_end, time_now() + ticks);
	start_workers();
	wait_for_workers();
	if (p->end && !torture_failed())
		p->end();
	for (u32 i = 0; i < cpu_count(); i++)
		operations += torture_workers[i].operations;
	if (!torture_failed() && !operations)
		torture_fail("did nothing at all");
	log_info("torture: %s: %lu operations, %u CPUs, %s", p->name, operations, cpu_count(),
		 torture_failed() ? "failed" : "ok");
}

/* --- the command line --- */

static u64 seconds(void)
{
	const char *s = cmdline_find(boot_info.cmdline, "torture=");
	u32 n = 0;

	if (!s || *s < '0' || *s > '9')
		return SECONDS_DEFAULT;
	while (*s >= '0' && *s <= '9' && n < SECONDS_MAX)
		n = n * 10 + (u32)(*s++ - '0');
	return n;
}

/* One of the words between commas; all are when there are none. */
static bool is_chosen(const struct torture_part *p)
{
	const char *s = cmdline_find(boot_info.cmdline, "torture_only=");
	size_t n = strlen(p->name);

	if (!s)
		return true;
	while (!cmdline_ends(*s)) {
		if (!strncmp(s, p->name, n) && (s[n] == ',' || cmdline_ends(s[n])))
			return true;
		while (!cmdline_ends(*s) && *s++ != ',')
			;
	}
	return false;
}

static unsigned chosen_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		n += is_chosen(parts[i]);
	return n;
}

void torture_exit(u32 status)
{
	log_info("exit status %u", status);
	power_off();
	log_error("power: the machine does not switch off; you can do it now");
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void control_main(void *arg)
{
	unsigned n = chosen_count();
	u64 start = time_now();

	(void)arg;
	watch_start();
	if (!n)
		torture_fail("torture_only= names no part");
	for (unsigned i = 0; i < ARRAY_SIZE(parts) && !torture_failed(); i++) {
		if (is_chosen(parts[i]))
			run_part(parts[i], time_ns_to_ticks(seconds() * NSEC_PER_SEC / n));
	}
	log_info("torture: %u parts, %lu ms", n, time_ticks_to_ns(time_now() - start) / 1000000);
	torture_exit(torture_failed() ? 1 : 0);
}

void manager_start(void)
{
	u64 seed = time_now();

	torture_workers = torture_alloc(cpu_count() * sizeof(*torture_workers));
	for (u32 i = 0; i < cpu_count(); i++) {
		torture_workers[i].cpu = i;
		torture_workers[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ull;
	}
	if (sched_create(&control, "torture", 0, control_main, NULL))
		panic("torture: no memory for a stack");
}
