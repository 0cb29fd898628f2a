/* CPUID: what a hypervisor must show, hide and keep up. */
#include <string.h>
#include "conform.h"

#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_FREQUENCY	0x40000010u

CODE_DECLARE(cpuid_only)

static bool cpuid_is_zero(struct cpuid c)
{
	return !(c.eax | c.ebx | c.ecx | c.edx);
}

static void cpuid_check_hypervisor(void)
{
	struct cpuid c = cpuid(LEAF_HYPERVISOR, 0);

	check_begin("cpuid-hypervisor");
	check_true("the hypervisor bit", cpuid(1, 0).ecx >> 31 & 1);
	check_equal("the highest leaf", LEAF_FREQUENCY, c.eax);
	check_true("the signature", !memcmp(&c.ebx, "NeapNeapNeap", 12));
	check_end();
}

static void cpuid_check_hidden(void)
{
	check_begin("cpuid-hidden");
	check_equal("VMX", 0, cpuid(1, 0).ecx >> 5 & 1);
	check_equal("SMX", 0, cpuid(1, 0).ecx >> 6 & 1);
	check_equal("MONITOR", 0, cpuid(1, 0).ecx >> 3 & 1);
	check_equal("SVM", 0, cpuid(0x80000001, 0).ecx >> 2 & 1);
	check_true("the SVM leaf", cpuid_is_zero(cpuid(0x8000000a, 0)));
	check_true("performance counters", cpuid_is_zero(cpuid(0xa, 0)));
	check_end();
}

static void cpuid_check_limits(void)
{
	uint32_t basic = cpuid(0, 0).eax, extended = cpuid(0x80000000, 0).eax;

	check_begin("cpuid-limits");
	check_equal("the highest basic leaf", 0x16, basic);
	check_true("the highest extended leaf", extended >= 0x80000008 && extended <= 0x8000001e);
	check_true("beyond the basic leaves", cpuid_is_zero(cpuid(basic + 1, 0)));
	check_true("far beyond them", cpuid_is_zero(cpuid(0x3fffffff, 0)));
	check_true("beyond the hypervisor's", cpuid_is_zero(cpuid(LEAF_HYPERVISOR + 1, 0)));
	check_true("beyond the extended leaves", cpuid_is_zero(cpuid(extended + 1, 0)));
	check_true("the last leaf of all", cpuid_is_zero(cpuid(~0u, 0)));
	check_end();
}

static void cpuid_check_osxsave(void)
{
	uint64_t cr4 = cr4_read();

	if (!(cpuid(1, 0).ecx >> 26 & 1)) {
		check_skip("cpuid-osxsave", "no XSAVE");
		return;
	}
	check_begin("cpuid-osxsave");
	check_equal("OSXSAVE", 0, cpuid(1, 0).ecx >> 27 & 1);
	cr4_write(cr4 | CR4_OSXSAVE);
	check_equal("OSXSAVE with CR4's", 1, cpuid(1, 0).ecx >> 27 & 1);
	cr4_write(cr4);
	check_equal("OSXSAVE without CR4's", 0, cpuid(1, 0).ecx >> 27 & 1);
	check_end();
}

/* All four registers are written as 32 bits, which clears the upper halves; no other changes. */
static void cpuid_check_registers(void)
{
	struct regs r;

	check_begin("cpuid-registers");
	memset(&r, 0xa5, sizeof(r));
	r.rax = ~0ul << 32;
	code_run(CODE(cpuid_only), &r);
	check_equal("upper RAX", 0, r.rax >> 32);
	check_equal("upper RBX", 0, r.rbx >> 32);
	check_equal("upper RCX", 0, r.rcx >> 32);
	check_equal("upper RDX", 0, r.rdx >> 32);
	check_equal("RAX", cpuid(0, 0).eax, r.rax);
	check_equal("RSI", 0xa5a5a5a5a5a5a5a5, r.rsi);
	check_equal("R15", 0xa5a5a5a5a5a5a5a5, r.r15);
	check_end();
}

void conform_cpuid(void)
{
	cpuid_check_hypervisor();
	cpuid_check_hidden();
	cpuid_check_limits();
	cpuid_check_osxsave();
	cpuid_check_registers();
}
