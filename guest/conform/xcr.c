/* XCR0: XSETBV, and what CPUID says of it. */
#include "conform.h"

#define XCR_X87	   1ul
#define XCR_SSE	   2ul
#define XCR_AVX	   4ul
#define XCR_AVX512 0xe0ul
#define XCR_PKRU   (1ul << 9)
#define XSAVE_MIN  576 /* bytes, for x87 and SSE */

CODE_DECLARE(xcr_set)
CODE_DECLARE(xcr_get)

static uint64_t xcr0_read(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void xcr0_write(uint64_t value)
{
	struct regs r = { .rax = (uint32_t)value, .rdx = value >> 32 };

	code_run(CODE(xcr_set), &r);
}

/* What CPUID leaf 0xd must say of the area's size for VALUE in XCR0. */
static uint32_t xcr_size(uint64_t value)
{
	uint32_t size = XSAVE_MIN;
	unsigned int i;

	for (i = 2; i < 32; i++) {
		struct cpuid c = cpuid(0xd, i);

		if (value >> i & 1 && c.ebx + c.eax > size)
			size = c.ebx + c.eax;
	}
	return size;
}

static void xcr_check_good(uint64_t value)
{
	check_begin("xcr0-taken-%lx", value);
	xcr0_write(value);
	check_count(0);
	check_equal("XCR0", value, xcr0_read());
	check_equal("CPUID.0xd EBX", xcr_size(value), cpuid(0xd, 0).ebx);
	check_equal("CPUID.0xd ECX", xcr_size(cpuid(0xd, 0).eax), cpuid(0xd, 0).ecx);
	check_end();
}

static void xcr_check_bad(uint64_t value, uint32_t index)
{
	struct regs r = { .rax = (uint32_t)value, .rcx = index, .rdx = value >> 32 };
	uint64_t before = xcr0_read();

	check_begin("xcr%u-refused-%lx", (unsigned int)index, value);
	code_run(CODE(xcr_set), &r);
	check_event(0, VEC_GP, CODE(xcr_set).point[0]);
	check_equal("error code", 0, events[0].error);
	check_count(1);
	check_equal("XCR0", before, xcr0_read());
	check_end();
}

static void xcr_check_off(void)
{
	check_begin("xcr0-without-osxsave");
	code_run_plain(CODE(xcr_set));
	check_event(0, VEC_UD, CODE(xcr_set).point[0]);
	code_run_plain(CODE(xcr_get));
	check_event(0, VEC_UD, CODE(xcr_get).point[0]);
	check_equal("CPUID.OSXSAVE", 0, cpuid(1, 0).ecx >> 27 & 1);
	check_end();
}

/* Those that QEMU lets pass: Neap does not see the instruction there. */
static void xcr_check_combinations(uint64_t offered)
{
	if (check_skip_qemu("xcr0-combinations", "QEMU does not check them"))
		return;
	if (offered & XCR_AVX)
		xcr_check_bad(XCR_X87 | XCR_AVX, 0);
	if (offered & XCR_AVX512) {
		xcr_check_bad(XCR_X87 | XCR_SSE | XCR_AVX512, 0);
		xcr_check_bad(XCR_X87 | XCR_SSE | XCR_AVX | 0x20, 0);
	}
	if (!(offered & XCR_PKRU))
		xcr_check_bad(XCR_X87 | XCR_PKRU, 0);
}

void conform_xcr(void)
{
	uint64_t cr4 = cr4_read(), offered = cpuid(0xd, 0).eax, before;

	if (!(cpuid(1, 0).ecx & 1u << 26)) {
		check_skip("xcr0", "no XSAVE");
		return;
	}
	xcr_check_off();
	cr4_write(cr4 | CR4_OSXSAVE);
	before = xcr0_read();
	check_begin("xcr0-reset-value");
	check_equal("CPUID.OSXSAVE", 1, cpuid(1, 0).ecx >> 27 & 1);
	check_equal("XCR0", XCR_X87, before);
	check_end();
	xcr_check_good(XCR_X87);
	xcr_check_good(XCR_X87 | XCR_SSE);
	if (offered & XCR_AVX)
		xcr_check_good(XCR_X87 | XCR_SSE | XCR_AVX);
	xcr_check_good(offered);
	xcr_check_bad(0, 0);
	xcr_check_bad(XCR_SSE, 0);
	xcr_check_bad(XCR_X87 | 1ul << 40, 0);
	xcr_check_bad(XCR_X87 | 1ul << 63, 0);
	xcr_check_bad(XCR_X87, 1);
	xcr_check_combinations(offered);
	xcr0_write(before);
	cr4_write(cr4);
}
