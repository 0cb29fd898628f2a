/* What is said of a processor whose SVM is missing, switched off or too little. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/cpu.h"

/* The processor's registers are ours, and what is logged is kept. */
static u64 vm_cr_value;
static struct cpuid_regs leaf;
static char said[512];

static u64 fake_rdmsr(u32 msr)
{
	assert_int_equal(msr, 0xc0010114);
	return vm_cr_value;
}

static struct cpuid_regs fake_cpuid(u32 number, u32 subleaf)
{
	assert_int_equal(number, 0x8000000a);
	assert_int_equal(subleaf, 0);
	return leaf;
}
#define rdmsr(msr)    fake_rdmsr(msr)
#define cpuid(n, sub) fake_cpuid(n, sub)
#include "core/log.h"
#undef log_error
#define log_error(...) snprintf(said, sizeof(said), __VA_ARGS__)
#include "arch/x86/svm/svm_caps.c"

#define ALL_USED 0x14f9u /* NPT, NRIP, TSC ratio, clean bits, flush, decode, pause, threshold */

static int set_up(void **unused)
{
	(void)unused;
	memset(&svm_caps, 0, sizeof(svm_caps));
	cpu_features.svm = true;
	cpu_features.max_ext_leaf = 0x8000000a;
	leaf = (struct cpuid_regs){ .eax = 1, .ebx = 64, .edx = ALL_USED };
	vm_cr_value = 0;
	said[0] = '\0';
	return 0;
}

static void test_all(void **unused)
{
	(void)unused;
	assert_int_equal(svm_caps_read(), 0);
	assert_string_equal(said, "");
	assert_int_equal(svm_caps.asids, 64);
	assert_true(svm_caps.nrip && svm_caps.flush_by_asid && svm_caps.decode_assists);
	assert_true(svm_caps.clean_bits && svm_caps.pause_filter && svm_caps.pause_threshold);
	assert_true(svm_caps.tsc_ratio);
}

static void test_least(void **unused)
{
	(void)unused;
	leaf.edx = 1;
	leaf.ebx = 2;
	assert_int_equal(svm_caps_read(), 0);
	assert_false(svm_caps.nrip || svm_caps.flush_by_asid || svm_caps.decode_assists);
	assert_false(svm_caps.clean_bits || svm_caps.pause_filter || svm_caps.pause_threshold);
	/* A threshold without a filter is nothing. */
	leaf.edx = 1 | 1u << 12;
	assert_int_equal(svm_caps_read(), 0);
	assert_false(svm_caps.pause_threshold);
}

static void test_missing(void **unused)
{
	(void)unused;
	cpu_features.svm = false;
	assert_int_equal(svm_caps_read(), -ENODEV);
	assert_non_null(strstr(said, "this processor has no SVM (AMD-V)"));
}

static void test_locked_off(void **unused)
{
	(void)unused;
	vm_cr_value = VM_CR_SVMDIS | VM_CR_LOCK;
	assert_int_equal(svm_caps_read(), -ENODEV);
	assert_string_equal(said, "svm: firmware has locked SVM off: switch on \"SVM Mode\" "
				  "(AMD-V) in the firmware's set-up");
	/* Off and not locked: Neap switches it on. Locked and not off: it is on. */
	vm_cr_value = VM_CR_SVMDIS;
	assert_int_equal(svm_caps_read(), 0);
	vm_cr_value = VM_CR_LOCK;
	assert_int_equal(svm_caps_read(), 0);
}

static void test_too_little(void **unused)
{
	(void)unused;
	leaf.edx = ALL_USED & ~1u;
	assert_int_equal(svm_caps_read(), -ENOTSUP);
	assert_non_null(strstr(said, "SVM without nested paging (NPT)"));
	set_up(NULL);
	leaf.ebx = 1;
	assert_int_equal(svm_caps_read(), -ENOTSUP);
	assert_non_null(strstr(said, "address-space identifiers"));
	/* A processor that does not have the leaf has none of what it tells. */
	set_up(NULL);
	cpu_features.max_ext_leaf = 0x80000008;
	assert_int_equal(svm_caps_read(), -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all, set_up),
		cmocka_unit_test_setup(test_least, set_up),
		cmocka_unit_test_setup(test_missing, set_up),
		cmocka_unit_test_setup(test_locked_off, set_up),
		cmocka_unit_test_setup(test_too_little, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
