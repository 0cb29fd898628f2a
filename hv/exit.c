#include "hv/exit.h"

#include <errno.h>

#include "arch/x86/cpu.h"
#include "core/atomic.h"
#include "core/format.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/spinlock.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/slot_call.h"
#include "hv/vm.h"

void exit_port_in(struct vcpu *v, u16 port, unsigned size)
{
	u64 mask = size == 4 ? 0xffffffffull : (1ull << (8 * size)) - 1;
	u64 value = io_bus_read(&v->vm->pio, port, size) & mask;

	/* A 32-bit result clears the upper half, a shorter one leaves the rest alone. */
	if (size == 4)
		v->regs.r[REG_RAX] = value;
	else
		v->regs.r[REG_RAX] = (v->regs.r[REG_RAX] & ~mask) | value;
}

void exit_port_out(struct vcpu *v, u16 port, unsigned size)
{
	u64 mask = size == 4 ? 0xffffffffull : (1ull << (8 * size)) - 1;

	io_bus_write(&v->vm->pio, port, size, v->regs.r[REG_RAX] & mask);
}

void exit_hypercall(struct vcpu *v)
{
	u64 op = v->regs.r[REG_RAX] - SLOT_CALL_BASE;

	if (unlikely(op < SLOT_CALLS && v->vm->config->test_hypercalls))
		slot_call(v, (u32)op);
	else
		v->regs.r[REG_RAX] = HYPERCALL_UNKNOWN;
}

int exit_xsetbv(struct vcpu *v)
{
	u64 value = (v->regs.r[REG_RDX] << 32) | (u32)v->regs.r[REG_RAX];
	const struct cpuid_table *t = &v->vm->cpuid;
	u64 avx512 = BIT(5) | BIT(6) | BIT(7);

	/* SDM vol. 1 13.3: x87 always; AVX needs SSE; the AVX-512 parts come together, with AVX. */
	if ((u32)v->regs.r[REG_RCX] || !(value & 1) || (value >> 32))
		return -EINVAL;
	if (!cpuid_table_has(t, 0xd, 0, CPUID_EAX, (u32)value))
		return -EINVAL;
	if ((value & BIT(2)) && !(value & BIT(1)))
		return -EINVAL;
	if ((value & avx512) && ((value & avx512) != avx512 || !(value & BIT(2))))
		return -EINVAL;
	v->xcr0 = value;
	xsetbv(0, value);
	return 0;
}

/* A report fits a screen of 25 lines. */
#define TRACE_SHOWN 8
_Static_assert(TRACE_SHOWN <= VCPU_TRACE, "they are there");

static void print_trace(const struct vcpu *v, enum log_level level)
{
	unsigned n = MIN(v->trace_pos, (u32)TRACE_SHOWN);

	log_line(level, "  last VM-exits, newest last:");
	for (u32 i = v->trace_pos - n; i != v->trace_pos; i++) {
		const struct exit_record *r = &v->trace[i & (VCPU_TRACE - 1)];

		log_line(level, "    rip 0x%016lx  %s", r->rip, backend->exit_name(r->reason));
	}
}

static void print_segment(const char *name, const struct guest_segment *s)
{
	log_error("  %-4s %04x base 0x%016lx limit 0x%08x rights 0x%05x", name, s->selector,
		  s->base, s->limit, s->ar);
}

static void print_registers(struct vcpu *v, const struct guest_state *s)
{
	const u64 *r = v->regs.r;

	log_error("  rip %016lx rflags %08lx cpl %u", s->rip, s->rflags, s->cpl);
	log_error("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", r[REG_RAX], r[REG_RBX],
		  r[REG_RCX], r[REG_RDX]);
	log_error("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx", r[REG_RSI], r[REG_RDI],
		  r[REG_RBP], s->rsp);
	log_error("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", r[REG_R8], r[REG_R9], r[REG_R10],
		  r[REG_R11]);
	log_error("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r[REG_R12], r[REG_R13],
		  r[REG_R14], r[REG_R15]);
	log_error("  cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx efer %04lx", s->cr0, s->cr2, s->cr3,
		  s->cr4, s->efer);
}

/* Guards a report's lines: those of guests that die at the same time must not mix. Taken before the
 * log's. */
static struct spinlock report_lock = SPINLOCK_INIT;

void exit_report(struct vcpu *v, const char *why)
{
	struct guest_state s;

	backend->get_state(v, &s);
	spin_lock(&report_lock);
	log_error("vm %s: vCPU %u: %s", v->vm->config->name, v->index, why);
	print_registers(v, &s);
	print_segment("cs", &s.seg[SEG_CS]);
	print_segment("ss", &s.seg[SEG_SS]);
	print_segment("ds", &s.seg[SEG_DS]);
	print_segment("tr", &s.seg[SEG_TR]);
	log_error("  gdt  0x%016lx limit 0x%04x  idt 0x%016lx limit 0x%04x", s.gdt_base,
		  s.gdt_limit, s.idt_base, s.idt_limit);
	print_trace(v, LOG_ERROR);
	spin_unlock(&report_lock);
}

#define STATISTICS_SHOWN 8

static void count_exits(struct vm *vm, u64 count[VCPU_EXIT_REASONS])
{
	struct vcpu *v;

	vm_for_each_vcpu (v, &vm->vcpus, i) {
		for (u32 r = 0; r < VCPU_EXIT_REASONS; r++)
			count[r] += v->exits[r];
	}
}

/* The most frequent reason, which is then taken out; false when none is left. */
static bool take_most(u64 count[VCPU_EXIT_REASONS], u32 *reason, u64 *n)
{
	*reason = 0;
	for (u32 r = 1; r < VCPU_EXIT_REASONS; r++) {
		if (count[r] > count[*reason])
			*reason = r;
	}
	*n = count[*reason];
	count[*reason] = 0;
	return *n != 0;
}

static void print_scheduling(const struct vm *vm)
{
	u64 ticks = 0, switches = 0, migrations = 0;
	struct vcpu *v;

	vm_for_each_vcpu (v, &vm->vcpus, i) {
		ticks += v->thread.run_ticks;
		switches += v->thread.switches;
		migrations += v->thread.migrations;
	}
	log_line(vm->level, "vm %s: ran for %lu ms in %lu turn%s, moved %lu time%s",
		 vm->config->name, time_ticks_to_ns(ticks) / 1000000, switches,
		 switches == 1 ? "" : "s", migrations, migrations == 1 ? "" : "s");
}

static void print_prefetch(const struct vm *vm)
{
	struct vcpu *v;
	u64 pages = 0;

	vm_for_each_vcpu (v, &vm->vcpus, i)
		pages += v->prefetch.pages;
	if (pages)
		log_line(vm->level, "vm %s: %lu pages prefetched", vm->config->name, pages);
}

void exit_print_statistics(struct vm *vm)
{
	u64 count[VCPU_EXIT_REASONS] = { 0 }, n, total = 0;
	char line[LOG_LINE_MAX - 32];
	int used = 0;
	u32 reason;

	count_exits(vm, count);
	for (u32 r = 0; r < VCPU_EXIT_REASONS; r++)
		total += count[r];
	line[0] = '\0';
	for (unsigned i = 0; i < STATISTICS_SHOWN && take_most(count, &reason, &n); i++)
		used += format_string(line + used, sizeof(line) - (size_t)used, "%s%s %lu",
				      i ? ", " : ": ", backend->exit_name(reason), n);
	log_line(vm->level, "vm %s: %lu VM-exits%s", vm->config->name, total, line);
	print_prefetch(vm);
	print_scheduling(vm);
}

void exit_print_trace(void)
{
	const struct vcpu *v = percpu_ready() ? this_cpu()->loaded_vcpu : NULL;

	if (!v) {
		log_error("  no VM-exits on this CPU yet");
		return;
	}
	log_error("  vm %s, vCPU %u", v->vm->config->name, v->index);
	print_trace(v, LOG_ERROR);
}

void exit_print_last(const struct cpu *c)
{
	/* It is freed after a grace period only (vm_destroy()). */
	const struct vcpu *v = READ_ONCE(c->loaded_vcpu);
	const struct exit_record *r;

	if (!v) {
		log_warn("  no vCPU is loaded on CPU %u", c->id);
		return;
	}
	r = &v->trace[(READ_ONCE(v->trace_pos) - 1) & (VCPU_TRACE - 1)];
	log_warn("  CPU %u: vm %s, vCPU %u, last VM-exit: %s at rip 0x%lx", c->id,
		 v->vm->config->name, v->index, backend->exit_name(r->reason), r->rip);
}
