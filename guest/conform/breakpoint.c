/* DR0 to DR3, DR6 and DR7. */
#include <string.h>
#include "apic.h"
#include "conform.h"

#define DR7_NONE     0x400ul
#define DR7_LOCAL(n) (1ul << 2 * (n))
#define DR7_WRITE(n) (DR7_LOCAL(n) | 0xdul << (16 + 4 * (n))) /* 4 bytes written */
#define DR7_ANY(n)   (DR7_LOCAL(n) | 0xful << (16 + 4 * (n))) /* 4 bytes read or written */
#define DR7_GD	     0x2000ul

#define DR_ACCESS(n)                                                               \
	static uint64_t dr##n##_read(void)                                         \
	{                                                                          \
		uint64_t value;                                                    \
		__asm__ volatile("mov %%db" #n ", %0" : "=r"(value) : : "memory"); \
		return value;                                                      \
	}                                                                          \
	static void dr##n##_write(uint64_t value)                                  \
	{                                                                          \
		__asm__ volatile("mov %0, %%db" #n : : "r"(value) : "memory");     \
	}
DR_ACCESS(0)
DR_ACCESS(1)
DR_ACCESS(2)
DR_ACCESS(3)
DR_ACCESS(6)
DR_ACCESS(7)

#define BREAK_LIST(X) \
	X(nop)        \
	X(cpuid)      \
	X(rdmsr)      \
	X(in)         \
	X(out)        \
	X(load)       \
	X(store)      \
	X(ins)
#define BREAK_DECLARE(name) CODE_DECLARE(break_##name)
BREAK_LIST(BREAK_DECLARE)
CODE_DECLARE(break_write)
CODE_DECLARE(break_read)
CODE_DECLARE(break_guard)
CODE_DECLARE(break_exits)

static volatile uint32_t break_data __attribute__((aligned(8)));

static struct regs break_regs(bool device)
{
	struct regs r;

	memset(&r, 0, sizeof(r));
	r.rcx = MSR_TSC_ADJUST;
	r.rdx = PORT_NOBODY;
	r.rdi = device ? IOAPIC_BASE : (uintptr_t)&break_data;
	return r;
}

/* The second breakpoint is on the instruction behind: RF is only for one. */
static void break_check(const char *name, struct code code, bool device)
{
	struct regs r = break_regs(device);

	check_begin("breakpoint-%s", name);
	dr0_write(code.point[0]);
	dr1_write(code.point[1]);
	dr7_write(DR7_NONE | DR7_LOCAL(0) | DR7_LOCAL(1));
	code_run(code, &r);
	dr7_write(DR7_NONE);
	check_event(0, VEC_DB, code.point[0]);
	check_equal("DR6", DR6_NONE | 1, events[0].dr6);
	/* SDM vol. 3 18.3.1.1: what it was before; the handler has to set it. */
	check_equal("RF", 0, events[0].rflags & FLAG_RF);
	check_event(1, VEC_DB, code.point[1]);
	check_equal("DR6", DR6_NONE | 2, events[1].dr6);
	check_count(2);
	check_equal("instructions executed", 2, r.r10);
	check_end();
}

static void break_check_data(const char *name, struct code code, uint64_t dr7)
{
	struct regs r = break_regs(false);

	check_begin("breakpoint-%s", name);
	dr2_write((uintptr_t)&break_data);
	dr7_write(DR7_NONE | dr7);
	code_run(code, &r);
	dr7_write(DR7_NONE);
	check_event(0, VEC_DB, code.point[0]);
	check_equal("DR6", DR6_NONE | 4, events[0].dr6);
	check_count(1);
	check_end();
}

static void break_check_guard(void)
{
	struct regs r = break_regs(false);

	check_begin("breakpoint-guard");
	event_set_hook(VEC_DB, event_default);
	dr7_write(DR7_NONE | DR7_GD);
	code_run(CODE(break_guard), &r);
	check_event(0, VEC_DB, CODE(break_guard).point[0]);
	check_equal("DR6", DR6_NONE | DR6_BD, events[0].dr6);
	check_count(1);
	check_equal("DR7, without GD", DR7_NONE, r.r10);
	dr7_write(DR7_NONE);
	event_unhook();
	check_end();
}

static void break_check_registers(void)
{
	struct regs r = break_regs(true);

	check_begin("debug-registers-survive");
	dr0_write(0x1111222233334444);
	dr1_write(0x0000700000000001);
	dr2_write((uintptr_t)&break_data);
	dr3_write(0xffffffff80000000);
	dr6_write(DR6_NONE | 0xa);
	dr7_write(DR7_NONE | DR7_WRITE(2) | DR7_ANY(3));
	code_run(CODE(break_exits), &r);
	check_equal("DR0", 0x1111222233334444, dr0_read());
	check_equal("DR1", 0x0000700000000001, dr1_read());
	check_equal("DR2", (uintptr_t)&break_data, dr2_read());
	check_equal("DR3", 0xffffffff80000000, dr3_read());
	check_equal("DR6", DR6_NONE | 0xa, dr6_read());
	check_equal("DR7", DR7_NONE | DR7_WRITE(2) | DR7_ANY(3), dr7_read());
	dr7_write(DR7_NONE);
	dr6_write(DR6_NONE);
	check_count(0);
	check_end();
}

#define BREAK_CHECK(name) \
	break_check(#name, CODE(break_##name), !strcmp(#name, "load") || !strcmp(#name, "store"));

static void break_check_all(void)
{
	BREAK_LIST(BREAK_CHECK)
	break_check_data("write", CODE(break_write), DR7_WRITE(2));
	break_check_data("read", CODE(break_read), DR7_ANY(2));
	if (!check_skip_qemu("breakpoint-guard", "QEMU has no DR7.GD"))
		break_check_guard();
}

void conform_breakpoint(void)
{
	/* QEMU arms breakpoints when DR7 is written, not when VMRUN loads it. */
	if (!main_is_shared() ||
	    !check_skip_qemu("breakpoints", "QEMU forgets them when VMs take turns"))
		break_check_all();
	break_check_registers();
}
