/* Instructions of virtualization, and others whose presence a hypervisor decides. */
#include <string.h>
#include "conform.h"

#define MSR_TSC_AUX 0xc0000103u
#define TSC_AUX	    0x2468acu

#define INSTRUCTION_ABSENT(X) \
	X(vmxon)              \
	X(vmxoff)             \
	X(vmclear)            \
	X(vmptrld)            \
	X(vmptrst)            \
	X(vmread)             \
	X(vmwrite)            \
	X(vmlaunch)           \
	X(vmresume)           \
	X(invept)             \
	X(invvpid)            \
	X(vmfunc)             \
	X(getsec)             \
	X(vmrun)              \
	X(vmload)             \
	X(vmsave)             \
	X(stgi)               \
	X(clgi)               \
	X(skinit)             \
	X(invlpga)            \
	X(rdpru)              \
	X(rsm)                \
	X(monitor)            \
	X(mwait)
#define INSTRUCTION_DECLARE(name) CODE_DECLARE(instruction_##name)
INSTRUCTION_ABSENT(INSTRUCTION_DECLARE)
CODE_DECLARE(instruction_rdpmc)
CODE_DECLARE(instruction_vmcall)
CODE_DECLARE(instruction_vmmcall)
CODE_DECLARE(instruction_rdtscp)
CODE_DECLARE(instruction_rdpid)
CODE_DECLARE(instruction_invpcid)
CODE_DECLARE(instruction_rdrand)
CODE_DECLARE(instruction_rdseed)

static uint64_t instruction_memory[2];

static struct regs instruction_regs(void)
{
	struct regs r;

	memset(&r, 0, sizeof(r));
	r.rdi = (uintptr_t)instruction_memory;
	return r;
}

static void instruction_check_faults(const char *name, struct code code, unsigned int vector)
{
	struct regs r = instruction_regs();

	check_begin("%s-faults", name);
	code_run(code, &r);
	check_event(0, vector, code.point[0]);
	check_equal("error code", 0, events[0].error);
	check_count(1);
	check_end();
}

/* OFFERED: it does not fault. */
static void instruction_check_offered(const char *name, struct code code, bool offered)
{
	struct regs r = instruction_regs();

	if (!offered) {
		instruction_check_faults(name, code, VEC_UD);
		return;
	}
	check_begin("%s-works", name);
	code_run(code, &r);
	check_count(0);
	check_end();
}

/* Of a hypercall that nobody knows: -1, and nothing else has changed. */
static void instruction_check_hypercall(const char *name, struct code code)
{
	struct regs in = { 0x4e656170, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0 }, r = in;

	check_begin("%s-answers", name);
	code_run(code, &r);
	check_count(0);
	check_equal("RAX", ~0ul, r.rax);
	r.rax = in.rax;
	r.rflags = in.rflags;
	check_equal("the other registers", 0, (uint64_t)(memcmp(&in, &r, sizeof(r)) != 0));
	check_end();
}

/* TSC_AUX is there with RDTSCP or RDPID, which read it. */
static void instruction_check_tsc_aux(bool rdtscp, bool rdpid)
{
	struct regs r = instruction_regs();

	if (!rdtscp && !rdpid)
		return;
	check_begin("tsc-aux");
	wrmsr(MSR_TSC_AUX, TSC_AUX);
	cpuid(0, 0);
	check_equal("the MSR", TSC_AUX, rdmsr(MSR_TSC_AUX));
	if (rdtscp) {
		code_run(CODE(instruction_rdtscp), &r);
		check_equal("RDTSCP", TSC_AUX, r.rcx);
	}
	if (rdpid) {
		code_run(CODE(instruction_rdpid), &r);
		check_equal("RDPID", TSC_AUX, r.rax);
	}
	wrmsr(MSR_TSC_AUX, 0);
	check_end();
}

static void instruction_by_cpuid(void)
{
	struct cpuid leaf7 = cpuid(7, 0);
	bool rdtscp = cpuid(0x80000001, 0).edx >> 27 & 1, rdpid = leaf7.ecx >> 22 & 1;

	instruction_check_offered("rdtscp", CODE(instruction_rdtscp), rdtscp);
	instruction_check_offered("invpcid", CODE(instruction_invpcid), leaf7.ebx >> 10 & 1);
	instruction_check_offered("rdrand", CODE(instruction_rdrand), cpuid(1, 0).ecx >> 30 & 1);
	if (!check_skip_qemu("rdseed", "QEMU has it wherever it has RDRAND"))
		instruction_check_offered("rdseed", CODE(instruction_rdseed), leaf7.ebx >> 18 & 1);
	instruction_check_tsc_aux(rdtscp, rdpid);
}

#define INSTRUCTION_CHECK(name) instruction_check_faults(#name, CODE(instruction_##name), VEC_UD);

void conform_instruction(void)
{
	INSTRUCTION_ABSENT(INSTRUCTION_CHECK)
	instruction_check_faults("rdpmc", CODE(instruction_rdpmc), VEC_GP);
	if (cpu_is_amd()) {
		instruction_check_hypercall("vmmcall", CODE(instruction_vmmcall));
		instruction_check_faults("vmcall", CODE(instruction_vmcall), VEC_UD);
	} else {
		instruction_check_hypercall("vmcall", CODE(instruction_vmcall));
		instruction_check_faults("vmmcall", CODE(instruction_vmmcall), VEC_UD);
	}
	instruction_by_cpuid();
}
