#include "arch/x86/smp.h"

#include <string.h>

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc_sync.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/patience.h"
#include "core/percpu.h"
#include "core/rcu.h"
#include "core/sched.h"
#include "core/time.h"
#include "core/timer_queue.h"
#include "mm/heap.h"
#include "mm/host_map.h"
#include "mm/phys.h"

#define INIT_DELAY_NS 10000000ull /* SDM vol. 3 9.4.4.1: 10 ms after INIT, 200 us between SIPIs */
#define SIPI_DELAY_NS 200000ull
/* Not too short: who has not come by then is reset, whatever it was about to do; and an emulated
 * processor, or one of a virtual machine's, may be stopped at any time. */
#define START_TIMEOUT_NS 10000000000ull

/* The trampoline's parameters, at fixed offsets of its page; smp_entry.S. */
struct trampoline_args {
	u32 cr3, pad;
	u64 stack, cpu, entry;
};
#define TRAMPOLINE_ARGS 0xfc0

extern char trampoline_start[], trampoline_end[];

struct cpu *cpu_table[CPU_MAX];
static u32 cpus;
static void (*ready_hook)(void);
static bool boot_cpu_ready;

u32 cpu_count(void)
{
	return READ_ONCE(cpus);
}

bool percpu_ready(void)
{
	return boot_cpu_ready;
}

static void load_descriptors(struct cpu *c)
{
	void *ist[IST_COUNT] = { NULL };

	wrmsr(MSR_GS_BASE, (u64)c);
	for (unsigned i = 1; i < IST_COUNT; i++) {
		ist[i] = kstack_alloc();
		if (!ist[i])
			panic("smp: no memory for the stacks of CPU %u", c->id);
	}
	desc_init_cpu(&c->desc, ist);
}

static struct cpu *new_cpu(u32 apic_id)
{
	struct cpu *c = heap_alloc(sizeof(*c));

	if (!c)
		return NULL;
	c->self = c;
	c->apic_id = apic_id;
	c->id = cpus;
	timer_queue_init(&c->timers);
	return c;
}

void smp_init_boot_cpu(void)
{
	struct cpu *c = new_cpu(0);

	if (!c)
		panic("smp: no memory for the boot CPU");
	load_descriptors(c);
	cpu_table[0] = c;
	c->online = true;
	cpus = 1;
	boot_cpu_ready = true;
}

/* First C code of a started processor, on its own stack, in the host's address space. */
static void secondary_main(struct cpu *c)
{
	cpu_init_control_registers();
	load_descriptors(c);
	apic_init_cpu();
	sched_init_cpu();
	rcu_init_cpu();
	ready_hook();
	/* Release: pairs with the boot CPU's acquire in wait_online(). */
	store_release(&c->online, true);
	tsc_sync_ask(c->id);
	sched_idle();
}

static void delay_ns(u64 ns)
{
	u64 end = time_now() + time_ns_to_ticks(ns);

	while (time_now() < end)
		cpu_relax();
}

static bool wait_online(struct cpu *c, u64 ns)
{
	struct patience patience;

	patience_begin(&patience, ns);
	while (!load_acquire(&c->online)) {
		if (patience_is_over(&patience))
			return false;
		cpu_relax();
	}
	return true;
}

static bool start(struct cpu *c, hpa_t page)
{
	struct trampoline_args *args = phys_to_virt(HPA(page.v + TRAMPOLINE_ARGS));
	void *stack = kstack_alloc();

	if (!stack)
		return false;
	*args = (struct trampoline_args){
		.cr3 = (u32)host_map_root().v,
		.stack = (u64)stack,
		.cpu = (u64)c,
		.entry = (u64)secondary_main,
	};
	apic_send_init(c->apic_id);
	delay_ns(INIT_DELAY_NS);
	apic_send_sipi(c->apic_id, (u8)(page.v >> PAGE_SHIFT));
	if (wait_online(c, SIPI_DELAY_NS))
		return true;
	apic_send_sipi(c->apic_id, (u8)(page.v >> PAGE_SHIFT));
	return wait_online(c, START_TIMEOUT_NS);
}

static void start_one(u32 id, hpa_t page)
{
	struct cpu *c;

	if (cpus == CPU_MAX) {
		log_warn("smp: more than %u processors; APIC id %u is left out", CPU_MAX, id);
		return;
	}
	c = new_cpu(id);
	if (!c) {
		log_warn("smp: no memory to start the processor with APIC id %u", id);
		return;
	}
	cpu_table[cpus] = c;
	if (!start(c, page)) {
		/* Its number and the trampoline are the next one's: should it come late, it waits
		 * for a start-up IPI again. Its memory stays with it. */
		apic_send_init(id);
		delay_ns(INIT_DELAY_NS);
		log_warn("smp: the processor with APIC id %u does not start", id);
		return;
	}
	tsc_sync_answer(c->id);
	WRITE_ONCE(cpus, cpus + 1);
}

void smp_start_others(const u32 *apic_ids, unsigned n, void (*cpu_ready)(void))
{
	hpa_t page = host_map_trampoline();

	this_cpu()->apic_id = apic_id();
	ready_hook = cpu_ready;
	if (!page.v) {
		log_warn("smp: no free frame below 640 KiB; only the boot processor is used");
		return;
	}
	memcpy(phys_to_virt(page), trampoline_start, (size_t)(trampoline_end - trampoline_start));
	for (unsigned i = 0; i < n; i++) {
		if (apic_ids[i] != this_cpu()->apic_id)
			start_one(apic_ids[i], page);
	}
	host_map_trampoline_release();
}
