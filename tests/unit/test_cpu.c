/* What cpu_detect() makes of made-up processors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "arch/x86/cpu.h"

/* The instructions are ours. */
static struct cpuid_regs host_cpuid(u32 leaf, u32 subleaf);
static u64 host_rdmsr(u32 msr);
#define cpuid(leaf, subleaf) host_cpuid(leaf, subleaf)
#define rdmsr(msr)	     host_rdmsr(msr)
#include "arch/x86/cpu.c"
#undef rdmsr
#undef cpuid

static const char *vendor;
static u32 signature, max_leaf, max_ext_leaf;
static bool generous; /* every feature bit is set */
static unsigned msr_reads;

static struct cpuid_regs host_cpuid(u32 leaf, u32 subleaf)
{
	u32 all = generous ? UINT32_MAX : 0;
	struct cpuid_regs r = { all, all, all, all };

	(void)subleaf;
	if (leaf == 0) {
		r.eax = max_leaf;
		memcpy(&r.ebx, vendor, 4);
		memcpy(&r.edx, vendor + 4, 4);
		memcpy(&r.ecx, vendor + 8, 4);
	} else if (leaf == 1) {
		r.eax = signature;
	} else if (leaf == 0x80000000) {
		r.eax = max_ext_leaf;
	} else if (leaf == 0x80000008) {
		r.eax = 48 << 8 | 43;
	}
	return r;
}

static u64 host_rdmsr(u32 msr)
{
	assert_int_equal(msr, MSR_ARCH_CAPS);
	msr_reads++;
	return 0x1234;
}

static void detect(const char *by, u32 eax1, bool all)
{
	memset(&cpu_features, 0, sizeof(cpu_features));
	vendor = by;
	signature = eax1;
	generous = all;
	max_leaf = 0x16;
	max_ext_leaf = 0x80000008;
	msr_reads = 0;
	cpu_detect();
}

static void test_intel(void **unused)
{
	(void)unused;
	detect("GenuineIntel", 0x000306c3, true);
	assert_true(cpu_features.intel && !cpu_features.amd);
	assert_true(cpu_features.vmx && !cpu_features.svm);
	assert_int_equal(cpu_features.family, 6);
	assert_int_equal(cpu_features.model, 0x3c);
	assert_int_equal(cpu_features.stepping, 3);
	assert_true(cpu_features.ibpb && cpu_features.arch_caps);
	assert_int_equal(cpu_features.arch_caps_value, 0x1234);
	assert_int_equal(msr_reads, 1);
	assert_int_equal(cpu_features.phys_bits, 43);
}

static void test_amd(void **unused)
{
	static const struct {
		u32 signature, family, model;
	} row[] = { { 0x00000f48, 0xf, 4 },    /* K8 */
		    { 0x00060fb1, 0xf, 0x6b }, /* as QEMU's "max" */
		    { 0x00100f23, 0x10, 2 },   /* Phenom */
		    { 0x00600f12, 0x15, 1 },   /* Zambezi */
		    { 0x00800f12, 0x17, 1 },   /* EPYC */
		    { 0x00a00f11, 0x19, 1 } }; /* EPYC Milan */

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		detect("AuthenticAMD", row[i].signature, true);
		assert_true(cpu_features.amd && !cpu_features.intel && cpu_features.svm);
		assert_int_equal(cpu_features.family, row[i].family);
		assert_int_equal(cpu_features.model, row[i].model);
		assert_true(cpu_features.ibpb);
		/* Intel's MSR is not read, whatever the reserved bit says. */
		assert_false(cpu_features.arch_caps);
		assert_int_equal(msr_reads, 0);
	}
	detect("AuthenticAMD", 0x00600f12, false);
	assert_false(cpu_features.ibpb || cpu_features.svm || cpu_features.nx);
	detect("HygonGenuine", 0x00900f01, true);
	assert_true(cpu_features.amd && cpu_features.svm);
}

static void test_few_leaves(void **unused)
{
	(void)unused;
	detect("AuthenticAMD", 0x00000f48, true);
	max_leaf = 1;
	max_ext_leaf = 0x80000000;
	memset(&cpu_features, 0, sizeof(cpu_features));
	cpu_detect();
	assert_false(cpu_features.smep || cpu_features.svm || cpu_features.ibpb);
	assert_int_equal(cpu_features.phys_bits, 36);
	assert_int_equal(cpu_features.xcr0_mask, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intel),
		cmocka_unit_test(test_amd),
		cmocka_unit_test(test_few_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
