/* TF: one #DB for each instruction, with DR6.BS and the RIP behind it. */
#include <string.h>
#include "apic.h"
#include "conform.h"

#define STEP_REPEATS 3
#define STEP_SIZE    16 /* bytes of the buffer that string instructions use */

/* What the instruction wants of the registers. */
enum step_setup {
	STEP_NOTHING,
	STEP_MSR,    /* TSC_ADJUST and its value */
	STEP_PORT,   /* one that nobody answers at; RSI and RDI: a buffer */
	STEP_DEVICE, /* RSI and RDI: a register of the I/O APIC */
	STEP_CR0,    /* RBX: the register's value */
	STEP_CR3,
	STEP_CR4,
	STEP_CR8,
	STEP_XCR0, /* ECX, EDX:EAX */
};

struct step_row {
	const char *name;
	struct code code;
	enum step_setup setup;
	unsigned int repeats; /* of a REP; then the first point is the instruction itself */
};

#define STEP_LIST(X)                  \
	X(nop, STEP_NOTHING)          \
	X(cpuid, STEP_NOTHING)        \
	X(rdmsr, STEP_MSR)            \
	X(wrmsr, STEP_MSR)            \
	X(rdtsc, STEP_NOTHING)        \
	X(in, STEP_PORT)              \
	X(in_imm, STEP_PORT)          \
	X(out, STEP_PORT)             \
	X(outs, STEP_PORT)            \
	X(ins, STEP_PORT)             \
	X(load, STEP_DEVICE)          \
	X(store, STEP_DEVICE)         \
	X(lods, STEP_DEVICE)          \
	X(wbinvd, STEP_NOTHING)       \
	X(invd, STEP_NOTHING)         \
	X(pause, STEP_NOTHING)        \
	X(invlpg, STEP_PORT)          \
	X(clts, STEP_NOTHING)         \
	X(cr0, STEP_CR0)              \
	X(cr3, STEP_CR3)              \
	X(cr4, STEP_CR4)              \
	X(cr8, STEP_CR8)              \
	X(hlt, STEP_NOTHING)          \
	X(mov_ss_nop, STEP_NOTHING)   \
	X(mov_ss_cpuid, STEP_NOTHING) \
	X(mov_ss_load, STEP_DEVICE)   \
	X(sti_cpuid, STEP_NOTHING)

#define STEP_DECLARE(name, setup) CODE_DECLARE(step_##name)
STEP_LIST(STEP_DECLARE)
CODE_DECLARE(step_vmcall)
CODE_DECLARE(step_vmmcall)
CODE_DECLARE(step_xsetbv)
CODE_DECLARE(step_rep_outs)
CODE_DECLARE(step_rep_ins)
CODE_DECLARE(step_rep_lods)
CODE_DECLARE(step_rep_stos)
CODE_DECLARE(step_flags)

static uint32_t step_buffer[STEP_SIZE];

static void step_setup(enum step_setup setup, struct regs *r)
{
	memset(r, 0, sizeof(*r));
	r->rcx = setup == STEP_MSR ? MSR_TSC_ADJUST : STEP_REPEATS;
	r->rsi = r->rdi = setup == STEP_DEVICE ? IOAPIC_BASE : (uintptr_t)step_buffer;
	r->rdx = setup == STEP_PORT ? PORT_NOBODY : 0;
	if (setup == STEP_CR0)
		r->rbx = cr0_read();
	else if (setup == STEP_CR3)
		r->rbx = cr3_read();
	else if (setup == STEP_CR4)
		r->rbx = cr4_read();
	if (setup == STEP_XCR0) {
		r->rcx = 0;
		r->rax = 1;
	}
}

/* The trap at point INDEX. */
static void step_expect(unsigned int index, uint64_t rip)
{
	check_event(index, VEC_DB, rip);
	check_equal("DR6", DR6_STEP, events[index].dr6);
	check_equal("TF in the flags that were pushed", FLAG_TF, events[index].rflags & FLAG_TF);
}

static bool step_skip(const char *name)
{
	if (!strcmp(name, "pause"))
		return check_skip_qemu("step-pause", "QEMU loses the trap");
	if (!strcmp(name, "sti_cpuid"))
		return check_skip_qemu("step-sti_cpuid", "no trap behind STI on QEMU");
	return false;
}

static void step_check(const char *name, struct code code, enum step_setup setup)
{
	struct regs r;
	unsigned int i;

	if (step_skip(name))
		return;
	step_setup(setup, &r);
	check_begin("step-%s", name);
	code_run(code, &r);
	for (i = 0; i < code.points; i++) {
		step_expect(i, code.point[i]);
		check_equal("RF in the flags that were pushed", 0, events[i].rflags & FLAG_RF);
	}
	check_count(code.points);
	check_end();
}

/* The traps between iterations have the instruction's own RIP. */
static void step_check_rep(const char *name, struct code code, enum step_setup setup)
{
	struct regs r;
	unsigned int i;

	step_setup(setup, &r);
	check_begin("step-%s", name);
	code_run(code, &r);
	for (i = 0; i < STEP_REPEATS; i++) {
		bool last = i == STEP_REPEATS - 1;

		step_expect(i, code.point[last]);
		check_equal("RF", last ? 0 : FLAG_RF, events[i].rflags & FLAG_RF);
	}
	check_count(STEP_REPEATS);
	check_equal("RCX", 0, r.rcx);
	check_end();
}

static void step_check_flags(void)
{
	struct regs r;

	step_setup(STEP_NOTHING, &r);
	check_begin("step-pushf");
	code_run(CODE(step_flags), &r);
	check_equal("TF and RF before", 0, r.r8 & (FLAG_TF | FLAG_RF));
	check_equal("TF and RF while stepping", FLAG_TF, r.r9 & (FLAG_TF | FLAG_RF));
	check_equal("TF and RF behind", 0, r.r10 & (FLAG_TF | FLAG_RF));
	check_end();
}

static void step_check_xsetbv(void)
{
	uint64_t cr4 = cr4_read();

	if (!(cpuid(1, 0).ecx & 1u << 26)) {
		check_skip("step-xsetbv", "no XSAVE");
		return;
	}
	cr4_write(cr4 | CR4_OSXSAVE);
	step_check("xsetbv", CODE(step_xsetbv), STEP_XCR0);
	cr4_write(cr4);
}

#define STEP_CHECK(name, setup) step_check(#name, CODE(step_##name), setup);

void conform_step(void)
{
	STEP_LIST(STEP_CHECK)
	if (cpu_is_amd())
		step_check("vmmcall", CODE(step_vmmcall), STEP_NOTHING);
	else
		step_check("vmcall", CODE(step_vmcall), STEP_NOTHING);
	step_check_xsetbv();
	step_check_rep("rep_outs", CODE(step_rep_outs), STEP_PORT);
	step_check_rep("rep_ins", CODE(step_rep_ins), STEP_PORT);
	step_check_rep("rep_lods", CODE(step_rep_lods), STEP_DEVICE);
	step_check_rep("rep_stos", CODE(step_rep_stos), STEP_DEVICE);
	step_check_flags();
}
