/* How long an instruction is that leaves the guest. */
#include <string.h>
#include "apic.h"
#include "conform.h"

#define RET_OPCODE 0xc3

#define PREFIX_LIST(X)   \
	X(cpuid)         \
	X(cpuid_rex)     \
	X(cpuid_rex_w)   \
	X(cpuid_66)      \
	X(cpuid_67)      \
	X(cpuid_f2)      \
	X(cpuid_f3)      \
	X(cpuid_2e)      \
	X(cpuid_many)    \
	X(cpuid_longest) \
	X(rdmsr_rex)     \
	X(rdmsr_66)      \
	X(rdmsr_f3)      \
	X(rdmsr_65)      \
	X(wrmsr_rex)     \
	X(wrmsr_66)      \
	X(wrmsr_67)      \
	X(in_rex)        \
	X(in_2e)         \
	X(in_66)         \
	X(in_imm_3e)     \
	X(out_2e)        \
	X(out_rex)       \
	X(out_66)        \
	X(out_imm_67)    \
	X(outs_67)       \
	X(ins_66)        \
	X(ins_rex_w)     \
	X(wbinvd_rex)    \
	X(wbinvd_2e)     \
	X(invd_rex)      \
	X(cr4_rex)       \
	X(cr4_2e)        \
	X(cr4_67)        \
	X(cr8_rex_w)     \
	X(load_3e)       \
	X(load_many)
#define PREFIX_DECLARE(name) CODE_DECLARE(prefix_##name)
PREFIX_LIST(PREFIX_DECLARE)
CODE_DECLARE(prefix_vmcall_rex)
CODE_DECLARE(prefix_vmmcall_rex)
CODE_DECLARE(prefix_too_long)
CODE_DECLARE(prefix_call)

static uint32_t prefix_buffer[4];

static bool prefix_begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

static struct regs prefix_regs(const char *name)
{
	struct regs r;

	memset(&r, 0, sizeof(r));
	r.rbx = cr4_read();
	r.rsi = r.rdi = (uintptr_t)prefix_buffer;
	r.rdx = PORT_NOBODY;
	if (prefix_begins(name, "load"))
		r.rdi = IOAPIC_BASE;
	if (prefix_begins(name, "rdmsr") || prefix_begins(name, "wrmsr")) {
		r.rcx = MSR_TSC_ADJUST;
		r.rdx = 0;
	}
	return r;
}

/* Runs it alone, and then stepped, which tells where it ended. */
static void prefix_check(const char *name, struct code code)
{
	struct regs r = prefix_regs(name);

	check_begin("prefix-%s", name);
	code_run(code, &r);
	check_count(0);
	check_equal("what is behind, executed", 1, r.r10);
	r = prefix_regs(name);
	r.r11 = FLAG_TF;
	code_run(code, &r);
	check_event(0, VEC_DB, code.point[0]);
	check_equal("what is behind, executed when stepped", 1, r.r10);
	check_count(3);
	check_end();
}

static void prefix_check_too_long(void)
{
	check_begin("prefix-too-long");
	code_run_plain(CODE(prefix_too_long));
	check_event(0, VEC_GP, CODE(prefix_too_long).point[0]);
	check_equal("error code", 0, events[0].error);
	check_count(1);
	check_end();
}

/* The LENGTH bytes of an instruction, with the end of a page at each place within it. */
static void prefix_check_page_end(const char *name, const char *bytes, unsigned int length)
{
	unsigned int first;

	check_begin("page-end-%s", name);
	for (first = 1; first <= length; first++) {
		char *at = &pages[0][sizeof(pages[0]) - first];
		struct regs r = prefix_regs(name);

		memcpy(at, bytes, length);
		at[length] = (char)RET_OPCODE;
		r.rsi = (uintptr_t)at;
		code_run(CODE(prefix_call), &r);
		check_count(0);
	}
	check_end();
}

#define PREFIX_CHECK(name) prefix_check(#name, CODE(prefix_##name));

void conform_prefix(void)
{
	PREFIX_LIST(PREFIX_CHECK)
	if (cpu_is_amd())
		prefix_check("vmmcall_rex", CODE(prefix_vmmcall_rex));
	else
		prefix_check("vmcall_rex", CODE(prefix_vmcall_rex));
	prefix_check_too_long();
	prefix_check_page_end("cpuid", "\x0f\xa2", 2);
	prefix_check_page_end("rdmsr", "\x48\x0f\x32", 3);
	prefix_check_page_end("in", "\x66\xed", 2);
	prefix_check_page_end("cr4", "\x0f\x22\xe3", 3);
	prefix_check_page_end("load", "\x48\x8b\x87\x00\x00\x00\x00", 7);
}
