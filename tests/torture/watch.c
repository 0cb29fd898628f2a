/*
 * The watchdog. The 8254 sends the boot CPU an NMI some times a second: so it looks even when every
 * CPU spins with interrupts off. A worker without progress for too long ends the torture with a
 * report of where every CPU is.
 */
#include "torture.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/i8254.h"
#include "arch/x86/trap.h"
#include "core/backtrace.h"
#include "core/log.h"
#include "core/time.h"
#include "mm/host_map.h"
#include "mm/phys.h"

#define LIMIT_NS	(2 * TORTURE_PATIENCE_NS) /* the parts' own reports say more */
#define GATHER_NS	2000000000ull		  /* for an answer to an NMI */
#define IOAPIC_NMI	(4u << 8)
#define IOAPIC_ENTRY(p) (0x10 + 2 * (p))

/* Where a CPU was when it was asked. */
static struct place {
	u64 rip, rbp, rsp;
	bool known;
} places[CPU_MAX];

static u32 reporting; /* set once */
static u64 watched;   /* NMIs that looked */

void __wrap_trap_handle(struct trap_frame *f);
void __real_trap_handle(struct trap_frame *f);

static void note_place(const struct trap_frame *f)
{
	struct place *p = &places[this_cpu()->id];

	p->rip = f->rip;
	p->rbp = f->rbp;
	p->rsp = f->rsp;
	store_release(&p->known, true);
}

static void look(void)
{
	u64 limit = time_ns_to_ticks(LIMIT_NS), now = time_now();

	WRITE_ONCE(watched, watched + 1);
	for (u32 i = 0; torture_workers && i < cpu_count(); i++) {
		const struct torture_worker *w = &torture_workers[i];
		u64 beat = READ_ONCE(w->beat);

		if (READ_ONCE(w->busy) && now > beat && now - beat > limit)
			watch_report("no progress");
	}
}

void __wrap_trap_handle(struct trap_frame *f)
{
	if (f->vector == VEC_NMI) {
		note_place(f);
		if (READ_ONCE(reporting))
			cpu_halt_forever();
		if (this_cpu()->id == 0)
			look();
	}
	__real_trap_handle(f);
}

static void print_cpu(u32 id)
{
	const struct cpu *c = cpu_table[id];
	const struct torture_worker *w = &torture_workers[id];
	const struct place *p = &places[id];
	u64 high = ALIGN_UP(p->rsp + 1, PAGE_SIZE);
	u64 ms = time_ticks_to_ns(time_now() - w->beat) / 1000000;

	log_error("torture: CPU %u: thread %s, %u ready; its worker: %s, %lu operations, last "
		  "progress %lu ms ago",
		  id, c->current->name, c->runqueue.length, w->busy ? "busy" : "done",
		  w->operations, ms);
	if (!load_acquire(&p->known)) {
		log_error("  does not answer to an NMI");
		return;
	}
	while (high - p->rsp < KSTACK_SIZE && !kstack_is_guard(high))
		high += PAGE_SIZE;
	backtrace_log(p->rip, p->rbp, p->rsp, high);
}

void watch_report(const char *why)
{
	u64 end = time_now() + time_ns_to_ticks(GATHER_NS);

	if (atomic_xchg(&reporting, 1))
		cpu_halt_forever();
	/* Its holder may be what hangs. */
	log_break_lock();
	apic_nmi_others();
	while (time_now() < end)
		cpu_relax();
	log_error("torture: %s", why);
	for (u32 i = 0; i < cpu_count(); i++)
		print_cpu(i);
	torture_exit(1);
}

/* Which input of the I/O APICs the 8254 is at. */
static u32 timer_gsi(void)
{
	for (unsigned i = 0; i < acpi_info.madt.override_count; i++) {
		if (acpi_info.madt.override[i].isa_irq == 0)
			return acpi_info.madt.override[i].gsi;
	}
	return 0;
}

static void route_nmi(const struct acpi_ioapic *a, u32 pin)
{
	volatile u32 *regs = phys_map_device(HPA(a->address), 0x20);

	if (!regs)
		return;
	regs[0] = IOAPIC_ENTRY(pin) + 1;
	regs[4] = cpu_table[0]->apic_id << 24;
	regs[0] = IOAPIC_ENTRY(pin);
	regs[4] = IOAPIC_NMI;
	i8254_start(0, PIT_MODE_RATE_GENERATOR, 0);
}

void watch_start(void)
{
	u64 end = time_now() + time_ns_to_ticks(GATHER_NS);

	if (acpi_info.has_madt && acpi_info.madt.ioapic_count)
		route_nmi(&acpi_info.madt.ioapic[0], timer_gsi());
	while (!READ_ONCE(watched) && time_now() < end)
		cpu_relax();
	if (!READ_ONCE(watched))
		log_warn("torture: no NMI comes from the 8254: a hang is not reported");
}
