/* The CPUID policy: what a guest sees of a made-up host. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "arch/x86/cpu.h"

/* The host's CPUID instruction is ours. */
static struct cpuid_regs host_cpuid(u32 leaf, u32 subleaf);
#define cpuid(leaf, subleaf) host_cpuid(leaf, subleaf)
#include "hv/cpuid.c"
#undef cpuid

struct cpu_features cpu_features;
static bool generous; /* the host has every bit there is */
static bool amd;      /* and is AMD's */
static struct vm vm;
static struct vcpu vcpu;
static u64 cr4;

/* XSAVE areas as processors lay them out: size, offset (SDM vol. 1 13.5). */
static const u32 xstate[][2] = {
	[2] = { 256, 576 }, [5] = { 64, 1088 },	 [6] = { 512, 1152 },  [7] = { 1024, 1664 },
	[9] = { 8, 2688 },  [17] = { 64, 2752 }, [18] = { 8192, 2816 }
};

static struct cpuid_regs host_cpuid(u32 leaf, u32 subleaf)
{
	u32 all = generous ? UINT32_MAX : 0;

	if (leaf == 4 || (leaf == 0x8000001d && amd))
		return subleaf < 3 ? (struct cpuid_regs){ 0xfc004121, 1, 2, 0 }
				   : (struct cpuid_regs){ 0, 0, 0, 0 };
	if (leaf == 0xd && subleaf >= 2) {
		if (subleaf >= ARRAY_SIZE(xstate) || !xstate[subleaf][0])
			return (struct cpuid_regs){ 0, 0, 0, 0 };
		/* AVX-512's upper halves are aligned when compacted, as if. */
		return (struct cpuid_regs){ xstate[subleaf][0], xstate[subleaf][1],
					    subleaf == 6 ? 2 : 0, 0 };
	}
	return (struct cpuid_regs){ all, all, all, all };
}

static u64 guest_cr4(void)
{
	return cr4;
}

static void build_for(unsigned cpus, bool all, bool by_amd)
{
	struct cpuid_limits limits = {
		.cpus = cpus, .rdtscp = all, .invpcid = all, .xsaves = all, .tsc_hz = 2500000000
	};

	generous = all;
	amd = by_amd;
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	cpu_features = (struct cpu_features){ .max_leaf = 0x20,
					      .max_ext_leaf = 0x80000020,
					      .intel = !amd,
					      .amd = amd,
					      .phys_bits = 39,
					      .virt_bits = 48,
					      .xsave = true,
					      .xcr0_mask = 0x602e7 };
	cr4 = 0;
	vcpu.vm = &vm;
	vcpu.xcr0 = 1;
	cpuid_table_init(&vm.cpuid, &limits);
}

static void build(unsigned cpus, bool all)
{
	build_for(cpus, all, false);
}

static struct cpuid_regs ask(u32 leaf, u32 subleaf)
{
	u64 *r = vcpu.regs.r;

	/* Upper halves are to be cleared. */
	r[REG_RAX] = 0xdeadbeef00000000 | leaf;
	r[REG_RCX] = 0xdeadbeef00000000 | subleaf;
	r[REG_RBX] = r[REG_RDX] = UINT64_MAX;
	cpuid_emulate(&vcpu, guest_cr4);
	assert_int_equal((r[REG_RAX] | r[REG_RBX] | r[REG_RCX] | r[REG_RDX]) >> 32, 0);
	return (struct cpuid_regs){ (u32)r[REG_RAX], (u32)r[REG_RBX], (u32)r[REG_RCX],
				    (u32)r[REG_RDX] };
}

static void expect(u32 leaf, u32 subleaf, u32 a, u32 b, u32 c, u32 d)
{
	struct cpuid_regs r = ask(leaf, subleaf);

	assert_int_equal(r.eax, a);
	assert_int_equal(r.ebx, b);
	assert_int_equal(r.ecx, c);
	assert_int_equal(r.edx, d);
}

/* What no guest may believe to have: bit numbers, each register's own list ending in -1. */
static void no_bits(u32 value, const int *bit)
{
	for (; *bit >= 0; bit++)
		assert_int_equal(value >> *bit & 1, 0);
}

static void test_nothing_leaks(void **unused)
{
	struct cpuid_regs r;

	(void)unused;
	build(4, true);
	r = ask(1, 0);
	/* DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, CNXT-ID, SDBG, xTPR, PDCM, DCA, OSXSAVE */
	no_bits(r.ecx, (const int[]){ 2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 18, 27, -1 });
	/* PSN, DS, ACPI, TM, PBE */
	no_bits(r.edx, (const int[]){ 18, 21, 22, 29, 31, -1 });
	r = ask(7, 0);
	/* SGX, HLE, PQM, MPX, PQE, RTM, PT */
	no_bits(r.ebx, (const int[]){ 2, 4, 11, 12, 14, 15, 25, -1 });
	/* PKU, OSPKE, WAITPKG, CET-SS, TME, LA57, KL, ENQCMD, SGX-LC, PKS */
	no_bits(r.ecx, (const int[]){ 3, 4, 5, 7, 13, 16, 23, 29, 30, 31, -1 });
	/* UINTR, hybrid, PCONFIG, LBR, CET-IBT, AMX, SPEC_CTRL and its relatives */
	no_bits(r.edx, (const int[]){ 5, 15, 18, 19, 20, 22, 24, 25, 26, 27, 28, 29, 30, 31, -1 });
	assert_int_equal(r.eax, 0); /* no further subleaves */
	r = ask(0x80000001, 0);
	/* SVM, extended APIC space, IBS, SKINIT, WDT, LWP, topology, perf counters, MWAITX */
	no_bits(r.ecx, (const int[]){ 2, 3, 10, 12, 13, 15, 22, 23, 24, 28, 29, -1 });
	/* XSAVE beyond AVX-512: MPX, PKRU, AMX */
	assert_int_equal(ask(0xd, 0).eax, 0xe7);
	assert_int_equal(ask(0xd, 0).edx, 0);
	expect(0xd, 9, 0, 0, 0, 0);
	expect(0xd, 18, 0, 0, 0, 0);
	/* MONITOR, thermal, PMU, PT, RDT, SGX and SVM leaves are empty. */
	for (unsigned i = 0; i < 8; i++) {
		static const u32 leaf[] = { 5,	  6,	8,    0xa,	  0xf,
					    0x10, 0x12, 0x14, 0x8000000a, 0x8000001f };

		for (unsigned k = 0; k < ARRAY_SIZE(leaf); k++)
			expect(leaf[k], i, 0, 0, 0, 0);
	}
}

/* What we implement is there on the poorest host. */
static void test_always(void **unused)
{
	(void)unused;
	build(1, false);
	assert_int_equal(ask(1, 0).ecx, BIT(21) | BIT(24) | BIT(31));
	assert_int_equal(ask(1, 0).edx, BIT(7) | BIT(9) | BIT(12) | BIT(14));
	assert_int_equal(ask(7, 0).ebx, BIT(1));
	assert_int_equal(ask(7, 0).ecx | ask(7, 0).edx, 0);
	assert_int_equal(ask(0x80000001, 0).edx, 0);
	assert_int_equal(ask(0x80000007, 0).edx, BIT(8));
	assert_true(cpuid_table_has(&vm.cpuid, 1, 0, CPUID_ECX, BIT(21)));
	assert_false(cpuid_table_has(&vm.cpuid, 1, 0, CPUID_ECX, BIT(21) | BIT(0)));
}

/* The backend's limits take bits away that the host has. */
static void test_limits(void **unused)
{
	struct cpuid_limits limits = { .cpus = 1, .tsc_hz = 1000000000 };

	(void)unused;
	build(1, true);
	assert_true(cpuid_table_has(&vm.cpuid, 7, 0, CPUID_EBX, BIT(10)));
	assert_true(cpuid_table_has(&vm.cpuid, 1, 0, CPUID_ECX, BIT(17)));
	assert_true(cpuid_table_has(&vm.cpuid, 0xd, 1, CPUID_EAX, BIT(3)));
	assert_true(cpuid_table_has(&vm.cpuid, 0x80000001, 0, CPUID_EDX, BIT(27)));
	cpuid_table_init(&vm.cpuid, &limits);
	assert_false(cpuid_table_has(&vm.cpuid, 7, 0, CPUID_EBX, BIT(10)));
	assert_false(cpuid_table_has(&vm.cpuid, 1, 0, CPUID_ECX, BIT(17)));
	assert_false(cpuid_table_has(&vm.cpuid, 0xd, 1, CPUID_EAX, BIT(3)));
	assert_false(cpuid_table_has(&vm.cpuid, 0x80000001, 0, CPUID_EDX, BIT(27)));
	cpu_features.xsave = false;
	cpuid_table_init(&vm.cpuid, &limits);
	expect(0xd, 0, 0, 0, 0, 0);
	expect(0xd, 1, 0, 0, 0, 0);
}

static void test_lookup(void **unused)
{
	(void)unused;
	build(2, true);
	assert_int_equal(ask(0, 0).eax, MAX_BASIC);
	assert_int_equal(ask(0x80000000, 0).eax, MAX_EXT);
	assert_int_equal(ask(0x40000000, 0).eax, 0x40000010);
	assert_int_equal(ask(0x40000000, 0).ebx, 0x7061654e); /* Neap */
	/* Leaves without subleaves do not look at ECX. */
	assert_int_equal(ask(0, 77).eax, MAX_BASIC);
	assert_int_equal(ask(1, 5).ecx, ask(1, 0).ecx);
	/* Subleaves: cache levels with the sharing cut off, then the end. */
	expect(4, 2, 0x121, 1, 2, 0);
	expect(4, 3, 0, 0, 0, 0);
	expect(4, UINT32_MAX, 0, 0, 0, 0);
	/* At the edges of the tables and far away. */
	expect(0x1f, 0, 0, 0, 0, 0);
	expect(0x20, 0, 0, 0, 0, 0);
	expect(0x3fffffff, 0, 0, 0, 0, 0);
	expect(0x40000001, 0, 0, 0, 0, 0);
	expect(0x4000000f, 0, 0, 0, 0, 0);
	expect(0x40000010, 0, 2500000, 25000, 0, 0);
	expect(0x40000011, 0, 0, 0, 0, 0);
	expect(0x40000020, 0, 0, 0, 0, 0);
	expect(0x80000009, 0, 0, 0, 0, 0);
	expect(0x80000020, 0, 0, 0, 0, 0);
	expect(UINT32_MAX, UINT32_MAX, 0, 0, 0, 0);
	assert_int_equal(ask(0x80000008, 0).eax, 39 | 48 << 8);
	assert_true(vm.cpuid.count < CPUID_MAX_ENTRIES);
}

/* With Hyper-V's leaves in front Neap's own is behind them. */
static void test_hyperv(void **unused)
{
	(void)unused;
	build(2, true);
	expect(0x40000100, 0, 0, 0, 0, 0);
	cpuid_table_init(&vm.cpuid,
			 &(struct cpuid_limits){ .cpus = 2, .tsc_hz = 2500000000, .hyperv = true });
	expect(0x40000000, 0, 0x40000006, 0x7263694d, 0x666f736f, 0x76482074);
	expect(0x40000001, 0, 0x31237648, 0, 0, 0);
	expect(0x40000002, 0, 0, 0, 0, 0);
	/* No SynIC, no synthetic timers, no statistics, no idle MSR, no partition id; no XMM input.
	 */
	no_bits(ask(0x40000003, 0).eax, (const int[]){ 0, 2, 3, 8, 10, 12, 13, -1 });
	assert_int_equal(ask(0x40000003, 0).ebx, 0);
	no_bits(ask(0x40000003, 0).edx, (const int[]){ 0, 1, 2, 3, 4, 5, 14, 15, 19, -1 });
	/* No hypercalls for address spaces, nor for local flushes. */
	no_bits(ask(0x40000004, 0).eax, (const int[]){ 0, 1, 3, 4, 6, 7, 12, 14, -1 });
	assert_int_equal(ask(0x40000005, 0).eax, VM_MAX_CPUS);
	expect(0x40000007, 0, 0, 0, 0, 0);
	assert_int_equal(ask(0x40000100, 0).eax, 0x40000110);
	assert_int_equal(ask(0x40000100, 0).ebx, 0x7061654e); /* Neap */
	expect(0x40000101, 0, 0, 0, 0, 0);
	expect(0x40000110, 0, 2500000, 25000, 0, 0);
	expect(0x40000120, 0, 0, 0, 0, 0);
	assert_true(vm.cpuid.count < CPUID_MAX_ENTRIES);
}

static void test_topology(void **unused)
{
	static const struct {
		unsigned cpus, bits;
	} row[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 255, 8 }, { 257, 9 }, { 4096, 12 } };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		build(row[i].cpus, true);
		vcpu.lapic.config.apic_id = row[i].cpus - 1;
		assert_int_equal(ask(1, 0).ebx >> 24, (row[i].cpus - 1) & 0xff);
		assert_int_equal(ask(1, 0).ebx >> 16 & 0xff, MIN(row[i].cpus, 255u));
		assert_int_equal(ask(1, 0).edx >> 28 & 1, row[i].cpus > 1);
		expect(0xb, 0, 0, 1, 0x100, row[i].cpus - 1);
		expect(0xb, 1, row[i].bits, row[i].cpus, 0x201, row[i].cpus - 1);
		expect(0xb, 2, 0, 0, 2, row[i].cpus - 1);
		expect(0xb, 0x1ff, 0, 0, 0xff, row[i].cpus - 1);
	}
}

static void test_dynamic(void **unused)
{
	(void)unused;
	build(1, true);
	cr4 = CR4_OSXSAVE | CR4_PKE;
	assert_int_equal(ask(1, 0).ecx >> 27 & 1, 1);
	assert_int_equal(ask(7, 0).ecx >> 4 & 1, 1);
	cr4 = 0;
	assert_int_equal(ask(1, 0).ecx >> 27 & 1, 0);
	assert_int_equal(ask(7, 0).ecx >> 4 & 1, 0);
}

static void test_xsave_size(void **unused)
{
	static const struct {
		u64 xcr0;
		u32 standard, compacted;
	} row[] = {
		{ 0x1, 576, 576 },
		{ 0x3, 576, 576 },
		{ 0x7, 832, 832 },
		{ 0xe7, 2688, 576 + 256 + 64 + 512 + 1024 },
		{ 0x63, 1664, 576 + 64 + 512 },
	};

	(void)unused;
	build(1, true);
	assert_int_equal(ask(0xd, 0).ecx, 2688); /* for all there is, whatever is on */
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		vcpu.xcr0 = row[i].xcr0;
		assert_int_equal(ask(0xd, 0).ebx, row[i].standard);
		assert_int_equal(ask(0xd, 1).ebx, row[i].compacted);
	}
	expect(0xd, 2, 256, 576, 0, 0);
	/* Subleaf 6 is aligned to 64 when compacted: with 5 ending at 1088+64 it already is. */
	expect(0xd, 6, 512, 1152, 2, 0);
	assert_int_equal(ask(0xd, 1).ecx | ask(0xd, 1).edx, 0); /* no supervisor state */
}

static void test_tsc(void **unused)
{
	struct cpuid_regs r;

	(void)unused;
	build(1, true);
	r = ask(0x15, 0);
	assert_int_equal((u64)r.ecx * r.ebx / r.eax, 2500000000);
	assert_int_equal(r.ecx, LAPIC_TIMER_HZ);
	assert_int_equal(ask(0x16, 0).eax, 2500);
}

/* --- AMD --- */

static void test_amd_nothing_leaks(void **unused)
{
	struct cpuid_regs r;

	(void)unused;
	build_for(4, true, true);
	r = ask(0x80000001, 0);
	/* SVM, extended APIC space, OSVW, IBS, SKINIT, WDT, LWP, node id, counters, MWAITX */
	no_bits(r.ecx, (const int[]){ 2, 3, 9, 10, 12, 13, 15, 19, 23, 24, 26, 27, 28, 29, -1 });
	no_bits(r.edx, (const int[]){ 10, 18, 19, 21, 25, 28, -1 });
	assert_int_equal(ask(0x80000007, 0).edx, BIT(8));
	assert_int_equal(ask(0x80000007, 0).eax | ask(0x80000007, 0).ebx, 0);
	assert_int_equal(ask(0x80000008, 0).ebx, BIT(0) | BIT(2)); /* no IBPB, IBRS, SSBD */
	assert_int_equal(ask(0x80000008, 0).edx, 0);
	/* Cache leaves of Intel's; power, counters; SVM, IBS, LWP, encryption. */
	for (unsigned i = 0; i < 8; i++) {
		static const u32 leaf[] = { 2,		4,	    5,		6,
					    0xa,	0x80000009, 0x8000000a, 0x80000019,
					    0x8000001b, 0x8000001c, 0x8000001f };

		for (unsigned k = 0; k < ARRAY_SIZE(leaf); k++)
			expect(leaf[k], i, 0, 0, 0, 0);
	}
}

/* The bits that AMD repeats are those of leaf 1, host or no host. */
static void test_amd_features(void **unused)
{
	u32 shared = 0x0183f3ff;

	(void)unused;
	build_for(1, true, true);
	assert_int_equal(ask(0x80000001, 0).edx & shared, ask(1, 0).edx & shared);
	assert_int_equal(ask(0x80000001, 0).ecx & (BIT(11) | BIT(16) | BIT(21)),
			 BIT(11) | BIT(16) | BIT(21));
	assert_int_equal(ask(0x80000001, 0).edx >> 30, 3);
	assert_int_equal(ask(0x80000000, 0).ebx, UINT32_MAX); /* the host's vendor */
	build_for(1, false, true);
	assert_int_equal(ask(0x80000001, 0).edx, ask(1, 0).edx & shared);
	assert_int_equal(ask(0x80000001, 0).ecx, 0);
	/* On Intel none of them, and the vendor only in leaf 0. */
	build(1, true);
	assert_int_equal(ask(0x80000001, 0).edx & shared, 0);
	no_bits(ask(0x80000001, 0).ecx, (const int[]){ 1, 11, 16, 21, 22, -1 });
	assert_int_equal(ask(0x80000000, 0).ebx, 0);
	assert_int_equal(ask(0x80000008, 0).ebx, BIT(0));
	expect(0x8000001d, 0, 0, 0, 0, 0);
	expect(0x8000001e, 0, 0, 0, 0, 0);
}

static void test_amd_topology(void **unused)
{
	static const struct {
		unsigned cpus, bits;
	} row[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 256, 8 }, { 257, 9 }, { 4096, 12 } };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		unsigned last = row[i].cpus - 1;

		build_for(row[i].cpus, true, true);
		vcpu.lapic.config.apic_id = last;
		assert_int_equal(ask(0x80000001, 0).ecx >> 1 & 1, row[i].cpus > 1);
		assert_int_equal(ask(1, 0).edx >> 28 & 1, row[i].cpus > 1);
		assert_int_equal(ask(0x80000008, 0).ecx, MIN(last, 255u) | row[i].bits << 12);
		expect(0xb, 1, row[i].bits, row[i].cpus, 0x201, last);
		assert_int_equal(ask(0x80000001, 0).ecx >> 22 & 1, 1);
		assert_int_equal(ask(0x80000000, 0).eax, 0x8000001e);
		expect(0x8000001e, 0, last, last & 0xff, 0, 0);
		expect(0x8000001d, 2, 0x121, 1, 2, 0); /* shared with nobody */
		expect(0x8000001d, 3, 0, 0, 0, 0);
	}
	/* A host without those leaves: none for the guest. */
	cpu_features.max_ext_leaf = 0x8000001d;
	cpuid_table_init(&vm.cpuid, &(struct cpuid_limits){ .cpus = 2 });
	assert_int_equal(ask(0x80000000, 0).eax, MAX_EXT);
	assert_int_equal(ask(0x80000001, 0).ecx >> 22 & 1, 0);
	expect(0x8000001e, 0, 0, 0, 0, 0);
	assert_int_equal(ask(0x80000008, 0).ecx, 1 | 1 << 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_leaks), cmocka_unit_test(test_always),
		cmocka_unit_test(test_limits),	      cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_hyperv),	      cmocka_unit_test(test_topology),
		cmocka_unit_test(test_dynamic),	      cmocka_unit_test(test_xsave_size),
		cmocka_unit_test(test_tsc),	      cmocka_unit_test(test_amd_nothing_leaks),
		cmocka_unit_test(test_amd_features),  cmocka_unit_test(test_amd_topology),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
