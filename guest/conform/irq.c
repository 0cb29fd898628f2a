/* Interrupts, which the processor sends to itself: when they come, and in which order. */
#include <string.h>
#include "ipi.h"

#define IRQ_LOW	 0x41u
#define IRQ_HIGH 0x61u
#define IRQ_NEAR 0x66u /* in the class of IRQ_HIGH */

/* The end of a page of RAM which nothing else uses, and in front of others like it. */
#define IRQ_STACK      0x3000000ull
#define IRQ_STACK_SIZE 0x1000ull

IPI_DECLARE(ipi_enabled)
IPI_DECLARE(ipi_two)
IPI_DECLARE(ipi_step)
IPI_DECLARE(ipi_mov_ss)
IPI_DECLARE(irq_sti_nop)
IPI_DECLARE(irq_sti_cpuid)
IPI_DECLARE(irq_sti_out)
IPI_DECLARE(irq_sti_load)
IPI_DECLARE(irq_popf)
IPI_DECLARE(irq_sti_hlt)
IPI_DECLARE(irq_sti_cli)
IPI_DECLARE(irq_pushf)
IPI_DECLARE(irq_pushf_fresh)

/* What the first handler found in the local APIC. */
static struct {
	bool isr_low, isr_high, irr_low, irr_high;
	uint32_t ppr;
} irq_seen;

static void irq_look(struct trap_frame *frame __attribute__((unused)))
{
	if (event_count != 1)
		return;
	irq_seen.isr_low = ipi_bit(APIC_ISR, IRQ_LOW);
	irq_seen.isr_high = ipi_bit(APIC_ISR, IRQ_HIGH);
	irq_seen.irr_low = ipi_bit(APIC_IRR, IRQ_LOW);
	irq_seen.irr_high = ipi_bit(APIC_IRR, IRQ_HIGH);
	irq_seen.ppr = ipi_apic_read(APIC_PPR);
}

static void irq_check_idle(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		check_equal("ISR", 0, ipi_apic_read(APIC_ISR + 0x10 * i));
		check_equal("IRR", 0, ipi_apic_read(APIC_IRR + 0x10 * i));
	}
}

/* One interrupt, at the first point. */
static void irq_check_one(const char *mode, const char *name, struct code code)
{
	struct regs r = ipi_regs(IRQ_HIGH, 0);

	check_begin("irq-%s-%s", name, mode);
	code_run(code, &r);
	check_event(0, IRQ_HIGH, code.point[0]);
	check_equal("IF, TF and RF", FLAG_IF, events[0].rflags & (FLAG_IF | FLAG_TF | FLAG_RF));
	check_count(1);
	irq_check_idle();
	check_end();
}

static void irq_check_flags(const char *mode)
{
	struct regs r = ipi_regs(IRQ_HIGH, 0);

	check_begin("irq-pushf-%s", mode);
	code_run(IPI_CODE(irq_pushf), &r);
	check_equal("IF, TF and RF", 0, r.r12 & (FLAG_IF | FLAG_TF | FLAG_RF));
	check_equal("IF, TF and RF behind an exit", 0, r.r13 & (FLAG_IF | FLAG_TF | FLAG_RF));
	check_equal("IF, TF and RF behind STI", FLAG_IF, r.r14 & (FLAG_IF | FLAG_TF | FLAG_RF));
	check_event(0, IRQ_HIGH, IPI_CODE(irq_pushf).point[0]);
	check_count(1);
	check_end();
}

/* Once where the stack is known, and once in a page of its own. */
static void irq_check_pushf(const char *mode, const char *where, uint64_t stack)
{
	struct code code = IPI_CODE(irq_pushf_fresh);
	struct regs r = ipi_regs(IRQ_HIGH, 0);

	check_begin("irq-sti-pushf-%s-%s", where, mode);
	r.r8 = stack;
	code_run(code, &r);
	check_equal("IF, TF and RF", FLAG_IF, r.r14 & (FLAG_IF | FLAG_TF | FLAG_RF));
	check_event(0, IRQ_HIGH, code.point[0]);
	check_count(1);
	check_end();
}

/* Two at once: the higher first, and the lower behind its EOI and IRET. */
static void irq_check_order(const char *mode, uint32_t first, uint32_t second)
{
	struct code code = IPI_CODE(ipi_two);
	struct regs r = ipi_regs(first, second);

	check_begin("irq-order-%x-%x-%s", (unsigned int)first, (unsigned int)second, mode);
	memset(&irq_seen, 0, sizeof(irq_seen));
	event_set_hook(IRQ_HIGH, irq_look);
	event_set_hook(IRQ_LOW, irq_look);
	code_run(code, &r);
	event_unhook();
	check_event(0, IRQ_HIGH, code.point[0]);
	check_event(1, IRQ_LOW, code.point[0]);
	check_count(2);
	check_true("ISR of the higher in its handler", irq_seen.isr_high);
	check_true("IRR of the lower there", irq_seen.irr_low);
	check_equal("ISR of the lower there", 0, irq_seen.isr_low);
	check_equal("IRR of the higher there", 0, irq_seen.irr_high);
	check_equal("PPR there", IRQ_HIGH & 0xf0, irq_seen.ppr);
	irq_check_idle();
	check_end();
}

/* A vector twice is one interrupt while it waits. */
static void irq_check_twice(const char *mode)
{
	struct code code = IPI_CODE(ipi_two);
	struct regs r = ipi_regs(IRQ_HIGH, IRQ_HIGH);

	check_begin("irq-twice-is-once-%s", mode);
	code_run(code, &r);
	check_event(0, IRQ_HIGH, code.point[0]);
	check_count(1);
	check_end();
}

static uint32_t irq_inner; /* what the handler below sends */
static unsigned int irq_inside;

static void irq_nest(struct trap_frame *frame __attribute__((unused)))
{
	unsigned int before = event_count;

	if (before != 1)
		return;
	ipi_send(irq_inner);
	irq_enable();
	cpuid(0, 0);
	irq_disable();
	irq_inside = event_count - before;
}

/* A handler with interrupts on is interrupted by a higher class only. */
static void irq_check_nested(const char *mode, uint32_t outer, uint32_t inner, unsigned int inside)
{
	struct code code = IPI_CODE(ipi_enabled);
	struct regs r = ipi_regs(outer, 0);
	unsigned int outer_ist = event_set_ist(outer, 0), inner_ist = event_set_ist(inner, 0);

	check_begin("irq-nested-%x-in-%x-%s", (unsigned int)inner, (unsigned int)outer, mode);
	irq_inner = inner;
	irq_inside = 0;
	event_set_hook(outer, irq_nest);
	code_run(code, &r);
	event_unhook();
	event_set_ist(inner, inner_ist);
	event_set_ist(outer, outer_ist);
	check_event(0, outer, code.point[0]);
	check_equal("interrupts within the handler", inside, irq_inside);
	check_equal("vector", inner, events[1].vector);
	if (!inside)
		check_event(1, inner, code.point[0]);
	check_count(2);
	irq_check_idle();
	check_end();
}

/* The trap of the step is in front of the interrupt, and is not lost. */
static void irq_check_stepped(const char *mode)
{
	struct code code = IPI_CODE(ipi_step);
	struct regs r = ipi_regs(IRQ_HIGH, 0);

	check_begin("irq-behind-step-%s", mode);
	code_run(code, &r);
	check_event(0, VEC_DB, code.point[0]);
	check_equal("DR6", DR6_STEP, events[0].dr6);
	check_event(1, IRQ_HIGH, code.point[0]);
	check_equal("TF", FLAG_TF, events[1].rflags & FLAG_TF);
	check_event(2, VEC_DB, code.point[1]);
	check_equal("DR6", DR6_STEP, events[2].dr6);
	check_count(3);
	check_end();
}

/* x2APIC has a register for it. */
static void irq_check_self_register(void)
{
	struct code code = IPI_CODE(ipi_enabled);
	struct regs r = ipi_regs(IRQ_LOW, 0);

	check_begin("irq-self-ipi-register");
	r.rcx = APIC_MSR(APIC_SELF);
	r.rdx = 0;
	code_run(code, &r);
	check_event(0, IRQ_LOW, code.point[0]);
	check_count(1);
	check_end();
}

void conform_irq(const char *mode)
{
	irq_check_one(mode, "enabled", IPI_CODE(ipi_enabled));
	irq_check_one(mode, "mov-ss-shadow", IPI_CODE(ipi_mov_ss));
	irq_check_one(mode, "sti-nop", IPI_CODE(irq_sti_nop));
	irq_check_one(mode, "sti-cpuid", IPI_CODE(irq_sti_cpuid));
	irq_check_one(mode, "sti-out", IPI_CODE(irq_sti_out));
	irq_check_one(mode, "sti-load", IPI_CODE(irq_sti_load));
	irq_check_one(mode, "popf", IPI_CODE(irq_popf));
	irq_check_one(mode, "sti-hlt", IPI_CODE(irq_sti_hlt));
	irq_check_one(mode, "sti-cli", IPI_CODE(irq_sti_cli));
	irq_check_flags(mode);
	irq_check_pushf(mode, "known", IRQ_STACK);
	irq_check_pushf(mode, "fresh", IRQ_STACK + (apic_x2apic ? 2 : 1) * IRQ_STACK_SIZE);
	irq_check_order(mode, IRQ_LOW, IRQ_HIGH);
	irq_check_order(mode, IRQ_HIGH, IRQ_LOW);
	irq_check_twice(mode);
	irq_check_nested(mode, IRQ_LOW, IRQ_HIGH, 1);
	irq_check_nested(mode, IRQ_HIGH, IRQ_NEAR, 0);
	irq_check_nested(mode, IRQ_HIGH, IRQ_LOW, 0);
	irq_check_stepped(mode);
	if (apic_x2apic)
		irq_check_self_register();
}
