/* CPUID, MSRs, the hypercall page and time, before there are other processors. */
#include <string.h>
#include "hyperv.h"

#define RET 0xc3

static char pages[2][4096] __attribute__((aligned(4096)));

static bool wrmsr_try(uint32_t msr, uint64_t value)
{
	unsigned int traps = trap_last.count;

	__asm__ volatile(TRAP_SKIP("wrmsr")
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
	return trap_last.count == traps;
}

static void check_cpuid(void)
{
	struct cpuid c = cpuid(0x40000000, 0);

	check("the last leaf is 0x40000005 at least", 1, c.eax >= 0x40000005);
	check("the signature", 0, (uint64_t)memcmp(&c.ebx, "Microsoft Hv", 12));
	check("the interface", 0x31237648, cpuid(0x40000001, 0).eax);
	check("hypercalls, VP index, time, frequencies", 0x8af2, cpuid(0x40000003, 0).eax);
	check("flush and IPI by hypercall", 0x404, cpuid(0x40000004, 0).eax & 0x404);
	check("the most processors", 4096, cpuid(0x40000005, 0).eax);
	c = cpuid(0x40000100, 0);
	check("Neap's own signature", 0, (uint64_t)memcmp(&c.ebx, "NeapNeapNeap", 12));
}

static void check_refused(void)
{
	static const uint32_t no_read[] = { HV_VP_RUNTIME, HV_EOI,     0x40000080,
					    0x400000b0,	   0x40000106, 0x400001ff };
	uint64_t value;
	unsigned int i;

	for (i = 0; i < sizeof(no_read) / sizeof(no_read[0]); i++)
		check("a read that faults", 0, rdmsr_try(no_read[i], &value));
	check("VP_INDEX written", 0, wrmsr_try(HV_VP_INDEX, 0));
	check("TIME_REF_COUNT written", 0, wrmsr_try(HV_TIME_COUNT, 0));
	check("TSC_FREQUENCY written", 0, wrmsr_try(HV_TSC_HZ, 0));
	check("TPR of nine bits", 0, wrmsr_try(HV_TPR, 0x100));
	check("RESET of two", 0, wrmsr_try(HV_RESET, 2));
	check("a crash message", 0, wrmsr_try(HV_CRASH_CTL, 1ul << 62));
	check("TSC_INVARIANT of two", 0, wrmsr_try(HV_TSC_INVARIANT, 2));
	check("an assist page that is no RAM", 0, wrmsr_try(HV_VP_ASSIST, ~0ul));
	check("a reference page that is no RAM", 0, wrmsr_try(HV_REFERENCE_TSC, ~0ul));
}

static bool is_hypercall_page(const volatile uint8_t *p)
{
	return p[0] == 0x0f && p[1] == 0x01 && (p[2] == 0xc1 || p[2] == 0xd9) && p[3] == RET;
}

/* Enabled, moved, disabled: each page shows what is due, and gets back what was in it. */
static void check_page(void)
{
	const volatile uint8_t *a = (void *)pages[0], *b = (void *)pages[1];
	uint64_t result;

	memset(pages, 0x5a, sizeof(pages));
	wrmsr(HV_HYPERCALL, (uintptr_t)a | HV_ENABLED);
	check("without an OS's name it is not enabled", (uintptr_t)a, rdmsr(HV_HYPERCALL));
	check("a hypercall then", 0, hv_call_raw(HV_FLUSH_SPACE, &result));
	wrmsr(HV_GUEST_OS_ID, 1);
	wrmsr(HV_HYPERCALL, (uintptr_t)a | HV_ENABLED);
	check("it is enabled", (uintptr_t)a | HV_ENABLED, rdmsr(HV_HYPERCALL));
	check("the page shows it", 1, is_hypercall_page(a));
	check("a hypercall", 1, hv_call_raw(0x7777, &result));
	check("an unknown one", 2, result & 0xffff);
	check("beyond RAM", 0, wrmsr_try(HV_HYPERCALL, 1ul << 45 | HV_ENABLED));
	check("it stays where it was", (uintptr_t)a | HV_ENABLED, rdmsr(HV_HYPERCALL));
	check("the page still shows it", 1, is_hypercall_page(a));
	wrmsr(HV_HYPERCALL, (uintptr_t)b | HV_ENABLED);
	check("moved", 1, is_hypercall_page(b));
	check("what was there is back", 0x5a5a5a5a, *(const volatile uint32_t *)a);
	wrmsr(HV_GUEST_OS_ID, 0);
	check("gone with the OS's name", 0x5a5a5a5a, *(const volatile uint32_t *)b);
	check("and disabled", (uintptr_t)b, rdmsr(HV_HYPERCALL));
}

struct tsc_page {
	volatile uint32_t sequence, reserved;
	volatile uint64_t scale;
	volatile int64_t offset;
};

static uint64_t time_of(const struct tsc_page *p)
{
	return (uint64_t)((unsigned __int128)rdtsc() * p->scale >> 64) + (uint64_t)p->offset;
}

/* The page and the counter tell the same time. */
static void check_time(void)
{
	const struct tsc_page *p = (void *)pages[0];
	uint64_t before, middle, after, hz = rdmsr(HV_TSC_HZ);
	unsigned int i;

	wrmsr(HV_REFERENCE_TSC, (uintptr_t)p | HV_ENABLED);
	check("the reference page is valid", 1, p->sequence != 0);
	for (i = 0; i < 100; i++) {
		before = rdmsr(HV_TIME_COUNT);
		middle = time_of(p);
		after = rdmsr(HV_TIME_COUNT);
		check("time in order", 1, before <= middle && middle <= after);
	}
	/* A second is 10^7 units. */
	before = (uint64_t)((unsigned __int128)hz * p->scale >> 64);
	check("units in a second", 1, before >= 9999999 && before <= 10000000);
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + hz);
	check("a TSC that was moved invalidates it", 0, p->sequence);
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) - hz);
	wrmsr(HV_REFERENCE_TSC, 0);
	check("what was there is back", 0x5a5a5a5a, *(const volatile uint32_t *)(void *)pages[0]);
	check("the APIC timer's frequency", 25000000, rdmsr(HV_APIC_HZ));
}

static void check_others(void)
{
	volatile uint32_t *assist = (void *)pages[1];

	wrmsr(HV_VP_ASSIST, (uintptr_t)assist | HV_ENABLED);
	check("the assist page", (uintptr_t)assist | HV_ENABLED, rdmsr(HV_VP_ASSIST));
	check("no EOI to be left out", 0, *assist);
	check("the rest of the page is the guest's", 0x5a5a5a5a, assist[1]);
	wrmsr(HV_TPR, 0x50);
	check("TPR", 0x50, rdmsr(HV_TPR));
	wrmsr(HV_TPR, 0);
	wrmsr(HV_TSC_INVARIANT, 1);
	check("TSC_INVARIANT", 1, rdmsr(HV_TSC_INVARIANT));
	wrmsr(HV_CRASH_P0 + 4, 77);
	check("a crash parameter", 77, rdmsr(HV_CRASH_P0 + 4));
	check("crashes are taken", 1ul << 63, rdmsr(HV_CRASH_CTL));
	check("nothing to reset", 0, rdmsr(HV_RESET));
}

void check_interface(void)
{
	check_cpuid();
	check_refused();
	check_page();
	check_time();
	check_others();
}
