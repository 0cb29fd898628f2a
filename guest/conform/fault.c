/* Exceptions: vector, error code, CR2, RIP; and those that meet. */
#include <string.h>
#include "apic.h"
#include "conform.h"

#define FAULT_ELEMENTS 8
#define FAULT_BEFORE   3 /* elements in front of a page's end */

/* Of the error code. */
#define PF_PRESENT 1u
#define PF_WRITE   2u

CODE_DECLARE(fault_ud2)
CODE_DECLARE(fault_rdmsr)
CODE_DECLARE(fault_wrmsr)
CODE_DECLARE(fault_selector)
CODE_DECLARE(fault_load)
CODE_DECLARE(fault_store)
CODE_DECLARE(fault_outs)
CODE_DECLARE(fault_ins)
CODE_DECLARE(fault_movs)
CODE_DECLARE(fault_rep_movs)
CODE_DECLARE(fault_cr4)
CODE_DECLARE(fault_cr2)
CODE_DECLARE(trap_int3)
CODE_DECLARE(trap_int)
CODE_DECLARE(trap_icebp)
CODE_DECLARE(no_stack_load)
CODE_DECLARE(no_stack_rdmsr)

struct fault_row {
	const char *name;
	struct code code;
	struct regs in, out; /* out: what the registers below must be; RFLAGS does not count */
	unsigned int vector;
	uint64_t error, cr2; /* cr2: if it is a page fault */
	bool own;	     /* raised by the processor, without a hypervisor */
};

#define ABSENT ((uintptr_t)pages[1])
#define LOCKED ((uintptr_t)pages[2]) /* may be read only */

static void fault_check_registers(const struct regs *want, const struct regs *got)
{
	check_equal("RAX", want->rax, got->rax);
	check_equal("RCX", want->rcx, got->rcx);
	check_equal("RDX", want->rdx, got->rdx);
	check_equal("RSI", want->rsi, got->rsi);
	check_equal("RDI", want->rdi, got->rdi);
}

/* One fault at the first point, and the registers as given. */
static void fault_run(const struct fault_row *row)
{
	struct regs r = row->in;

	check_begin("fault-%s", row->name);
	code_run(row->code, &r);
	check_event(0, row->vector, row->code.point[0]);
	check_equal("error code", row->error, events[0].error);
	if (row->vector == VEC_PF)
		check_equal("CR2", row->cr2, events[0].cr2);
	/* QEMU never sets it. */
	if (!row->own || !cpu_is_qemu())
		check_equal("RF", FLAG_RF, events[0].rflags & FLAG_RF);
	check_equal("TF", 0, events[0].rflags & FLAG_TF);
	check_count(1);
	fault_check_registers(&row->out, &r);
	check_end();
}

#define FAULT(...)     fault_run(&(const struct fault_row){ __VA_ARGS__, false })
#define FAULT_OWN(...) fault_run(&(const struct fault_row){ __VA_ARGS__, true })

static void fault_plain(void)
{
	const struct regs r = { .rax = 0x1234, .rcx = MSR_BAD, .rdx = 5, .rsi = 6, .rdi = 7 };
	struct regs bad = r;

	FAULT_OWN("ud2", CODE(fault_ud2), r, r, VEC_UD, 0, 0);
	FAULT("rdmsr", CODE(fault_rdmsr), r, r, VEC_GP, 0, 0);
	FAULT("wrmsr", CODE(fault_wrmsr), r, r, VEC_GP, 0, 0);
	FAULT_OWN("selector", CODE(fault_selector), r, r, VEC_GP, 0x1234, 0);
	bad.rax = cr4_read() | 1ul << 40;
	FAULT("cr4", CODE(fault_cr4), bad, bad, VEC_GP, 0, 0);
	bad = r;
	bad.rdi = 1ul << 63;
	FAULT_OWN("not-canonical", CODE(fault_load), bad, bad, VEC_GP, 0, 0);
}

static void fault_page(void)
{
	struct regs r = { .rdi = ABSENT + 0x123, .rsi = 1 };

	FAULT_OWN("page-read", CODE(fault_load), r, r, VEC_PF, 0, r.rdi);
	FAULT_OWN("page-write", CODE(fault_store), r, r, VEC_PF, PF_WRITE, r.rdi);
	r.rdi = LOCKED + 0xffc;
	FAULT_OWN("page-protected", CODE(fault_store), r, r, VEC_PF, PF_WRITE | PF_PRESENT, r.rdi);
}

/* The instruction is the hypervisor's to execute, the fault is in its other operand. */
static void fault_emulated(void)
{
	struct regs r = { .rsi = IOAPIC_BASE, .rdi = ABSENT + 0x10, .rcx = 1 };

	FAULT("mmio-to-page", CODE(fault_movs), r, r, VEC_PF, PF_WRITE, r.rdi);
	r = (struct regs){ .rdi = IOAPIC_BASE, .rsi = ABSENT + 0x10, .rcx = 1 };
	FAULT_OWN("mmio-from-page", CODE(fault_movs), r, r, VEC_PF, 0, r.rsi);
	r = (struct regs){ .rsi = IOAPIC_BASE, .rdi = LOCKED, .rcx = 1 };
	FAULT("mmio-to-protected", CODE(fault_movs), r, r, VEC_PF, PF_WRITE | PF_PRESENT, r.rdi);
	r = (struct regs){ .rsi = IOAPIC_BASE, .rdi = 1ul << 63, .rcx = 1 };
	FAULT("mmio-to-not-canonical", CODE(fault_movs), r, r, VEC_GP, 0, 0);
	r = (struct regs){ .rsi = 1ul << 63, .rdx = PORT_NOBODY, .rcx = 1 };
	FAULT("outs-not-canonical", CODE(fault_outs), r, r, VEC_GP, 0, 0);
}

/* It faults in the midst of its repetitions: the registers say how far it came. */
static void fault_repeated(void)
{
	struct regs in = { .rcx = FAULT_ELEMENTS, .rdx = PORT_NOBODY }, out = in;

	in.rsi = ABSENT - FAULT_BEFORE;
	out.rsi = ABSENT;
	out.rcx = FAULT_ELEMENTS - FAULT_BEFORE;
	FAULT("outs-into-page", CODE(fault_outs), in, out, VEC_PF, 0, ABSENT);
	out = in = (struct regs){ .rcx = FAULT_ELEMENTS, .rdx = PORT_NOBODY };
	in.rdi = ABSENT - FAULT_BEFORE;
	out.rdi = ABSENT;
	out.rcx = FAULT_ELEMENTS - FAULT_BEFORE;
	FAULT("ins-into-page", CODE(fault_ins), in, out, VEC_PF, PF_WRITE, ABSENT);
	in.rdi = LOCKED;
	out = in;
	FAULT("ins-protected", CODE(fault_ins), in, out, VEC_PF, PF_WRITE | PF_PRESENT, LOCKED);
	out = in = (struct regs){ .rcx = FAULT_ELEMENTS, .rsi = IOAPIC_BASE };
	in.rdi = ABSENT - 4 * FAULT_BEFORE;
	out.rsi += 4 * FAULT_BEFORE;
	out.rdi = ABSENT;
	out.rcx = FAULT_ELEMENTS - FAULT_BEFORE;
	FAULT("mmio-into-page", CODE(fault_rep_movs), in, out, VEC_PF, PF_WRITE, ABSENT);
}

/* The event is at its RIP behind the instruction. */
static void fault_check_trap(const char *name, struct code code, unsigned int vector)
{
	check_begin("trap-%s", name);
	code_run_plain(code);
	check_event(0, vector, code.point[1]);
	check_equal("DR6", DR6_NONE, events[0].dr6);
	check_equal("TF and RF", 0, events[0].rflags & (FLAG_TF | FLAG_RF));
	check_count(1);
	check_end();
}

static void fault_nothing(struct trap_frame *frame __attribute__((unused)))
{
}

void conform_trap(void)
{
	fault_check_trap("int3", CODE(trap_int3), VEC_BP);
	fault_check_trap("int", CODE(trap_int), 0x50);
	if (check_skip_qemu("trap-icebp", "#UD on QEMU"))
		return;
	event_set_hook(VEC_DB, fault_nothing);
	fault_check_trap("icebp", CODE(trap_icebp), VEC_DB);
	event_unhook();
}

static void fault_check_cr2(void)
{
	struct regs r = { .rdi = 0x123456789abc, .rsi = IOAPIC_BASE };

	check_begin("cr2-survives");
	code_run(CODE(fault_cr2), &r);
	check_equal("CR2", 0x123456789abc, r.rdi);
	check_count(0);
	check_end();
}

static void fault_map(struct trap_frame *frame __attribute__((unused)))
{
	page_set(1, PTE_DEFAULT);
}

/* #PF while #PF is delivered. */
static void fault_check_double(void)
{
	struct regs r = { .rdi = ABSENT + 0xf00, .rsi = ABSENT };
	struct code code = CODE(no_stack_load);
	unsigned int ist = event_set_ist(VEC_PF, 0);

	check_begin("double-fault-page");
	code_run(code, &r);
	event_set_ist(VEC_PF, ist);
	event_unhook();
	check_event(0, VEC_DF, code.point[0]);
	check_equal("error code", 0, events[0].error);
	check_equal("CR2", ABSENT + 0xef8, events[0].cr2);
	check_count(1);
	check_end();
}

/* #GP, which the hypervisor raises, while its gate is bad: #GP again, so #DF. */
static void fault_check_double_injected(void)
{
	struct regs r = { .rcx = MSR_BAD };
	struct code code = CODE(fault_rdmsr);
	uint64_t *gate = event_gate(VEC_GP), old = gate[0];

	check_begin("double-fault-injected");
	gate[0] = (old & ~0xffff0000ull) | 0x7fff0000; /* selector */
	code_run(code, &r);
	gate[0] = old;
	check_event(0, VEC_DF, code.point[0]);
	check_equal("error code", 0, events[0].error);
	check_count(1);
	check_end();
}

/* #GP, which the hypervisor raises, has no stack: #PF, and then the instruction once more. */
static void fault_check_serial(void)
{
	struct regs r = { .rcx = MSR_BAD, .rdi = ABSENT + 0xf00 };
	struct code code = CODE(no_stack_rdmsr);
	unsigned int ist = event_set_ist(VEC_GP, 0);

	check_begin("page-fault-of-injected");
	event_set_hook(VEC_PF, fault_map);
	code_run(code, &r);
	event_set_ist(VEC_GP, ist);
	event_unhook();
	page_set(1, PTE_ABSENT);
	check_event(0, VEC_PF, code.point[0]);
	check_equal("error code", PF_WRITE, events[0].error);
	check_equal("CR2", ABSENT + 0xef8, events[0].cr2);
	check_event(1, VEC_GP, code.point[0]);
	check_count(2);
	check_end();
}

void conform_fault(void)
{
	page_set(1, PTE_ABSENT);
	page_set(2, PTE_READ);
	fault_plain();
	fault_page();
	fault_emulated();
	fault_repeated();
	fault_check_cr2();
	fault_check_double();
	fault_check_double_injected();
	fault_check_serial();
	page_set(1, PTE_DEFAULT);
	page_set(2, PTE_DEFAULT);
}
