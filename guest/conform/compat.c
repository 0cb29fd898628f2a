/* 32-bit and 16-bit code in compatibility mode. */
#include <string.h>
#include "apic.h"
#include "conform.h"

#define COMPAT_ENTRIES 16
#define COMPAT_KERNEL  5 /* entries that the library's GDT has */
#define COMPAT_CODE32  5
#define COMPAT_BASED   6
#define COMPAT_CODE16  7
#define COMPAT_REAL    8  /* and the next: for the way to real mode */
#define COMPAT_USER    10 /* and the next: code and data of CPL 3, as in user_code.S */

/* Present and accessed. */
#define GDT_CODE32     0x00cf9b000000ffffull
#define GDT_CODE16     0x008f9b000000ffffull
#define GDT_64K_CODE16 0x00009b000000ffffull
#define GDT_64K_DATA16 0x000093000000ffffull
#define GDT_USER_CODE  0x00affb000000ffffull
#define GDT_USER_DATA  0x00cff3000000ffffull

#define COMPAT_IRQ 0x51u

CODE_DECLARE(compat_32)
CODE_DECLARE(compat_16)
CODE_DECLARE(compat_ipi)
CODE_DECLARE(compat_fault)
CODE_DECLARE(compat_wrap_cpuid)
CODE_DECLARE(compat_wrap_out)
CODE_DECLARE(compat_wrap_load)
/* 16-bit code begins here, at EIP 0: some processors take EIP's upper half away there. */
extern const char compat_16_base[];
extern const char compat_wrap_cpuid_base[], compat_wrap_out_base[], compat_wrap_load_base[];

static uint64_t compat_gdt[COMPAT_ENTRIES] __attribute__((aligned(16)));

struct compat_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/* BASE below 16 MiB, in DESCRIPTOR's place. */
static uint64_t compat_with_base(uint64_t descriptor, uintptr_t base)
{
	return descriptor | (uint64_t)(base & 0xffffff) << 16;
}

void compat_load_gdt(uintptr_t real_base)
{
	struct compat_pointer p;

	__asm__ volatile("sgdt %0" : "=m"(p));
	if (p.base != (uintptr_t)compat_gdt)
		memcpy(compat_gdt, (const void *)p.base, COMPAT_KERNEL * 8);
	compat_gdt[COMPAT_CODE32] = GDT_CODE32;
	compat_gdt[COMPAT_CODE16] = compat_with_base(GDT_CODE16, (uintptr_t)compat_16_base);
	compat_gdt[COMPAT_REAL] = compat_with_base(GDT_64K_CODE16, real_base);
	compat_gdt[COMPAT_REAL + 1] = compat_with_base(GDT_64K_DATA16, real_base);
	compat_gdt[COMPAT_USER] = GDT_USER_CODE;
	compat_gdt[COMPAT_USER + 1] = GDT_USER_DATA;
	p.limit = sizeof(compat_gdt) - 1;
	p.base = (uintptr_t)compat_gdt;
	__asm__ volatile("lgdt %0" : : "m"(p) : "memory");
}

static void compat_set_base(uintptr_t base)
{
	compat_gdt[COMPAT_BASED] = compat_with_base(GDT_CODE32, base);
}

static struct regs compat_regs(void)
{
	struct regs r;

	memset(&r, 0, sizeof(r));
	r.rdi = IOAPIC_BASE;
	r.rdx = PORT_NOBODY;
	return r;
}

/* Alone, and then stepped: a trap at each point, with the code segment's selector. */
static void compat_check(const char *name, struct code code, uint64_t selector)
{
	struct regs r = compat_regs();
	unsigned int i;

	check_begin("compat-%s", name);
	code_run(code, &r);
	check_count(0);
	r = compat_regs();
	r.rbp = FLAG_TF;
	code_run(code, &r);
	for (i = 0; i < code.points; i++) {
		check_event(i, VEC_DB, code.point[i]);
		check_equal("CS", selector, events[i].cs);
		check_equal("DR6", DR6_STEP, events[i].dr6);
	}
	check_count(code.points);
	check_end();
}

static void compat_check_ipi(void)
{
	struct code code = CODE(compat_ipi);
	struct regs r = compat_regs();

	check_begin("compat-interrupt");
	r.rax = APIC_TO_SELF | COMPAT_IRQ;
	r.rdi = APIC_BASE + APIC_ICR;
	code_run(code, &r);
	check_event(0, COMPAT_IRQ, code.point[1]);
	check_equal("CS", COMPAT_CODE32 * 8, events[0].cs);
	check_count(1);
	check_end();
}

static void compat_check_fault(void)
{
	struct code code = CODE(compat_fault);

	check_begin("compat-fault");
	code_run_plain(code);
	check_event(0, VEC_GP, code.point[0]);
	check_equal("error code", 0, events[0].error);
	check_equal("CS", COMPAT_CODE32 * 8, events[0].cs);
	check_count(1);
	check_end();
}

static void compat_check_wrap(const char *name, struct code code, const char *base)
{
	struct regs r = compat_regs();

	check_begin("compat-eip-wraps-%s", name);
	compat_set_base((uintptr_t)base);
	code_run(code, &r);
	check_count(0);
	check_equal("what is behind, executed", 1, r.rsi);
	check_end();
}

void conform_compat(void)
{
	compat_load_gdt(0);
	compat_check("32", CODE(compat_32), COMPAT_CODE32 * 8);
	compat_check("16", CODE(compat_16), COMPAT_CODE16 * 8);
	compat_check_ipi();
	compat_check_fault();
	compat_check_wrap("cpuid", CODE(compat_wrap_cpuid), compat_wrap_cpuid_base);
	compat_check_wrap("out", CODE(compat_wrap_out), compat_wrap_out_base);
	compat_check_wrap("load", CODE(compat_wrap_load), compat_wrap_load_base);
}
