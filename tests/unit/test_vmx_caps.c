/* What is said of a processor whose VMX is missing, or locked off by firmware. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/cpu.h"

/* The processor's registers are ours, and the last error that is logged is kept. */
static u64 feature_control;
static char said[512];

/* Every control may be 1 and none must be; the rest offers nothing. */
static u64 fake_rdmsr(u32 msr)
{
	if (msr == MSR_FEATURE_CONTROL)
		return feature_control;
	return msr >= 0x481 && msr <= 0x48b ? 0xffffffff00000000ull : 0;
}
#define rdmsr(msr) fake_rdmsr(msr)
#include "core/log.h"
#undef log_error
#define log_error(...) snprintf(said, sizeof(said), __VA_ARGS__)
#include "arch/x86/vmx/caps.c"

static int set_up(void **unused)
{
	(void)unused;
	memset(&vmx_caps, 0, sizeof(vmx_caps));
	cpu_features.vmx = true;
	feature_control = FEATURE_LOCKED | FEATURE_VMX;
	said[0] = '\0';
	return 0;
}

static void test_missing(void **unused)
{
	(void)unused;
	cpu_features.vmx = false;
	assert_int_equal(vmx_caps_read(), -ENODEV);
	assert_non_null(strstr(said, "this processor has no VMX (Intel VT-x)"));
}

static void test_locked_off(void **unused)
{
	(void)unused;
	feature_control = FEATURE_LOCKED;
	assert_int_equal(vmx_caps_read(), -ENODEV);
	assert_string_equal(said, "vmx: firmware has locked VMX off: switch on \"Intel "
				  "Virtualization Technology\" in the firmware's set-up");
}

/* Not locked: it can be switched on. What is then missing is EPT's capabilities. */
static void test_not_locked(void **unused)
{
	static const u64 values[] = { 0, FEATURE_VMX, FEATURE_LOCKED | FEATURE_VMX };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		feature_control = values[i];
		assert_int_equal(vmx_caps_read(), -ENOTSUP);
		assert_non_null(strstr(said, "EPT lacks four-level walks"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_missing, set_up),
		cmocka_unit_test_setup(test_locked_off, set_up),
		cmocka_unit_test_setup(test_not_locked, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
