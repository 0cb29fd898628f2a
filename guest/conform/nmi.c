/* NMIs, which the processor sends to itself. */
#include <string.h>
#include "ipi.h"
#include "pit.h"

#define NMI_MANY 1000
#define NMI_IRQ	 0x51u

#define NMI_PERIOD     (PIT_HZ / 1000)
#define NMI_PIN_LOW    0x14u /* of the I/O APIC */
#define NMI_PIN_HIGH   0x15u
#define NMI_PIN_MASKED 0x10000u

IPI_DECLARE(ipi_plain)
IPI_DECLARE(ipi_sti)
IPI_DECLARE(ipi_enabled)
IPI_DECLARE(ipi_mov_ss)
IPI_DECLARE(ipi_meet)
IPI_DECLARE(ipi_step)
IPI_DECLARE(ipi_many)
CODE_DECLARE(fault_load)
CODE_DECLARE(nmi_hlt)

extern const char trap_stubs[], nmi_gate_step[], nmi_gate_bad[], nmi_gate_bad_iret[];

static unsigned int nmi_to_send; /* in the first handlers */
static unsigned int nmi_seen_inside;

static void nmi_ioapic_write(uint32_t reg, uint32_t value)
{
	mmio_write32(IOAPIC_BASE, reg);
	mmio_write32(IOAPIC_BASE + 0x10, value);
}

/* The 8254, at 1 kHz. */
static void nmi_timer(bool on)
{
	uint32_t id = ipi_apic_read(APIC_ID);

	nmi_ioapic_write(NMI_PIN_HIGH, apic_x2apic ? id << 24 : id);
	if (on)
		pit_start(NMI_PERIOD);
	nmi_ioapic_write(NMI_PIN_LOW, on ? IPI_NMI : NMI_PIN_MASKED);
	if (!on)
		pit_stop();
}

/* Sends more, which must not come before the handler's end. */
static void nmi_send_more(struct trap_frame *frame __attribute__((unused)))
{
	unsigned int before = event_count;

	while (nmi_to_send) {
		nmi_to_send--;
		ipi_send(IPI_NMI);
		cpuid(0, 0);
	}
	nmi_seen_inside += event_count - before;
}

static void nmi_step(struct trap_frame *frame)
{
	if (event_count == 1)
		frame->rflags |= FLAG_TF;
	nmi_send_more(frame);
}

static void nmi_check_one(const char *mode, const char *name, struct code code)
{
	struct regs r = ipi_regs(IPI_NMI, 0);

	check_begin("nmi-%s-%s", name, mode);
	code_run(code, &r);
	check_event(0, VEC_NMI, code.point[0]);
	check_equal("TF and RF", 0, events[0].rflags & (FLAG_TF | FLAG_RF));
	check_count(1);
	check_end();
}

/* MORE NMIs from within the first: one of them is kept, and comes right behind the IRET. */
static void nmi_check_nested(const char *mode, unsigned int more)
{
	struct code code = IPI_CODE(ipi_plain);
	struct regs r = ipi_regs(IPI_NMI, 0);

	check_begin("nmi-nested-%u-%s", more, mode);
	nmi_to_send = more;
	nmi_seen_inside = 0;
	event_set_hook(VEC_NMI, nmi_send_more);
	code_run(code, &r);
	event_unhook();
	check_equal("NMIs within the handler", 0, nmi_seen_inside);
	check_event(0, VEC_NMI, code.point[0]);
	check_event(1, VEC_NMI, code.point[0]);
	check_count(2);
	check_end();
}

static void nmi_check_many(const char *mode)
{
	struct code code = IPI_CODE(ipi_many);
	struct regs r = ipi_regs(IPI_NMI, 0);
	unsigned int i;

	check_begin("nmi-many-%s", mode);
	r.r10 = NMI_MANY;
	code_run(code, &r);
	for (i = 0; i < EVENTS_MAX; i++)
		check_event(i, VEC_NMI, code.point[0]);
	check_count(NMI_MANY);
	check_equal("loops left", 0, r.r10);
	check_end();
}

/* An interrupt and an NMI at the same boundary: the NMI is first. */
static void nmi_check_meeting(const char *mode)
{
	struct code code = IPI_CODE(ipi_meet);
	struct regs r = ipi_regs(NMI_IRQ, IPI_NMI);

	check_begin("nmi-before-interrupt-%s", mode);
	code_run(code, &r);
	check_event(0, VEC_NMI, code.point[0]);
	check_event(1, NMI_IRQ, code.point[0]);
	check_count(2);
	check_end();
}

static void nmi_from_page_fault(struct trap_frame *frame)
{
	ipi_send(IPI_NMI);
	event_default(frame);
}

/* While #PF is handled: at once, and #PF's handler goes on. */
static void nmi_check_in_fault(const char *mode)
{
	struct code code = CODE(fault_load);
	struct regs r = { .rdi = (uintptr_t)pages[1] };

	check_begin("nmi-in-page-fault-%s", mode);
	page_set(1, PTE_ABSENT);
	event_set_hook(VEC_PF, nmi_from_page_fault);
	code_run(code, &r);
	event_unhook();
	page_set(1, PTE_DEFAULT);
	check_event(0, VEC_PF, code.point[0]);
	check_equal("vector", VEC_NMI, events[1].vector);
	check_equal("CR2 in the NMI", (uintptr_t)pages[1], events[1].cr2);
	check_count(2);
	check_end();
}

/* The guest's own step of the instruction behind which the NMI comes: #DB first. */
static void nmi_check_stepped(const char *mode)
{
	struct code code = IPI_CODE(ipi_step);
	struct regs r = ipi_regs(IPI_NMI, 0);

	check_begin("nmi-behind-step-%s", mode);
	code_run(code, &r);
	/* It strikes before the first instruction of the other's handler. */
	check_event(0, VEC_NMI, (uintptr_t)trap_stubs + 16 * VEC_DB);
	check_event(1, VEC_DB, code.point[0]);
	check_equal("DR6", DR6_STEP, events[1].dr6);
	check_event(2, VEC_DB, code.point[1]);
	check_equal("DR6", DR6_STEP, events[2].dr6);
	check_count(3);
	check_end();
}

/* The handler's IRET loads TF: it traps behind the next instruction, whatever comes between. */
static void nmi_check_iret_to_step(const char *mode, unsigned int more)
{
	struct code code = IPI_CODE(ipi_plain);
	struct regs r = ipi_regs(IPI_NMI, 0);
	unsigned int i;

	check_begin("nmi-iret-loads-tf-%u-%s", more, mode);
	nmi_to_send = more;
	event_set_hook(VEC_NMI, nmi_step);
	code_run(code, &r);
	event_unhook();
	for (i = 0; i <= more; i++) {
		check_event(i, VEC_NMI, code.point[0]);
		check_equal("TF", i ? FLAG_TF : 0, events[i].rflags & FLAG_TF);
	}
	check_event(more + 1, VEC_DB, code.point[1]);
	check_equal("DR6", DR6_STEP, events[more + 1].dr6);
	check_count(more + 2);
	check_end();
}

/* The handler's IRET is stepped by the guest: the trap is behind it. */
static void nmi_check_iret_stepped(const char *mode)
{
	struct code code = IPI_CODE(ipi_plain);
	struct regs r = ipi_regs(IPI_NMI, 0);
	uint64_t gate = event_set_target(VEC_NMI, (uintptr_t)nmi_gate_step);

	check_begin("nmi-iret-stepped-%s", mode);
	code_run(code, &r);
	event_set_target(VEC_NMI, gate);
	check_event(0, VEC_DB, code.point[0]);
	check_equal("DR6", DR6_STEP, events[0].dr6);
	check_equal("TF that was loaded", 0, events[0].rflags & FLAG_TF);
	check_count(1);
	check_end();
	nmi_check_one(mode, "after-iret-stepped", IPI_CODE(ipi_plain));
}

/* From the IRET that faulted to the code that the NMI interrupted: the frame still holds its RSP.
 */
static void nmi_leave(struct trap_frame *frame)
{
	const uint64_t *iret_frame = (const uint64_t *)frame->rsp;

	frame->rsp = iret_frame[3];
	event_default(frame);
}

/* The handler's IRET faults; that of the fault's handler ends the NMI at the latest. */
static void nmi_check_iret_faults(const char *mode)
{
	struct code code = IPI_CODE(ipi_plain);
	struct regs r = ipi_regs(IPI_NMI, 0);
	uint64_t gate = event_set_target(VEC_NMI, (uintptr_t)nmi_gate_bad);

	check_begin("nmi-iret-faults-%s", mode);
	event_set_hook(VEC_GP, nmi_leave);
	code_run(code, &r);
	event_set_target(VEC_NMI, gate);
	event_unhook();
	check_event(0, VEC_GP, (uintptr_t)nmi_gate_bad_iret);
	check_equal("error code", 0x7ff8, events[0].error);
	check_equal("TF", 0, events[0].rflags & FLAG_TF);
	check_count(1);
	check_end();
	nmi_check_one(mode, "after-iret-faulted", IPI_CODE(ipi_plain));
}

static bool nmi_found_behind_hlt;

static void nmi_look_for_hlt(struct trap_frame *frame)
{
	nmi_found_behind_hlt |= frame->rip == CODE(nmi_hlt).point[0];
}

/*
 * The timer's line, as NMIs. HLT with IF clear ends by one. A processor that stood still gets those
 * it has missed close to each other: more than are recorded may come before HLT.
 */
static void nmi_check_hlt(const char *mode)
{
	unsigned int i;

	check_begin("nmi-ends-hlt-%s", mode);
	nmi_found_behind_hlt = false;
	event_set_hook(VEC_NMI, nmi_look_for_hlt);
	nmi_timer(true);
	code_run_plain(CODE(nmi_hlt));
	nmi_timer(false);
	event_unhook();
	for (i = 0; i < event_count && i < EVENTS_MAX; i++)
		check_equal("vector", VEC_NMI, events[i].vector);
	check_true("an NMI behind HLT", nmi_found_behind_hlt);
	check_end();
}

void conform_nmi(const char *mode)
{
	nmi_check_one(mode, "one", IPI_CODE(ipi_plain));
	nmi_check_one(mode, "enabled", IPI_CODE(ipi_enabled));
	nmi_check_one(mode, "sti-shadow", IPI_CODE(ipi_sti));
	nmi_check_one(mode, "mov-ss-shadow", IPI_CODE(ipi_mov_ss));
	nmi_check_nested(mode, 1);
	nmi_check_nested(mode, 2);
	nmi_check_many(mode);
	nmi_check_hlt(mode);
	nmi_check_meeting(mode);
	nmi_check_in_fault(mode);
	nmi_check_stepped(mode);
	nmi_check_iret_to_step(mode, 0);
	nmi_check_iret_to_step(mode, 1);
	nmi_check_iret_stepped(mode);
	nmi_check_iret_faults(mode);
}
