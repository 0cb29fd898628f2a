/* The MSR policy, with a local APIC and a backend that only keep what they are told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "hv/backend.h"
#include "hv/msr.h"
#include "hv/vm.h"
#include "shim.h"

struct cpu_features cpu_features = { .phys_bits = 39 };
static struct vm vm;
static struct vcpu vcpu;
static unsigned tsc_updates, mode_updates;
static u64 apic_msr_value, deadline;
static int apic_error;

static void update_tsc(struct vcpu *v)
{
	assert_ptr_equal(v, &vcpu);
	tsc_updates++;
}

static void update_apic_mode(struct vcpu *v)
{
	(void)v;
	mode_updates++;
}

static const struct backend_ops fake = { .update_tsc = update_tsc,
					 .update_apic_mode = update_apic_mode };
const struct backend_ops *backend = &fake;

int lapic_set_base(struct lapic *l, u64 value)
{
	if (apic_error)
		return apic_error;
	l->base = value;
	l->mode = (u8)(value >> 10 & 1 ? LAPIC_MODE_X2APIC : LAPIC_MODE_XAPIC);
	return 0;
}

int lapic_msr_read(struct lapic *l, u32 msr, u64 *value)
{
	(void)l;
	*value = msr;
	return apic_error;
}

int lapic_msr_write(struct lapic *l, u32 msr, u64 value)
{
	(void)l;
	(void)msr;
	apic_msr_value = value;
	return apic_error;
}

u64 lapic_timer_deadline(struct lapic *l)
{
	(void)l;
	return deadline;
}

void lapic_timer_set_deadline(struct lapic *l, u64 value)
{
	(void)l;
	deadline = value;
}

/* test_hyperv_msr.c is about these. */
static unsigned tsc_moves;

int hyperv_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	*value = msr;
	return msr == 0x40000111 ? 0 : -EIO;
}

int hyperv_msr_write(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)value;
	return msr == 0x40000111 ? 0 : -EIO;
}

void hyperv_tsc_moved(struct vcpu *v)
{
	assert_ptr_equal(v, &vcpu);
	tsc_moves++;
}

void lapic_set_tsc_offset(struct lapic *l, u64 offset)
{
	l->timer.tsc_offset = offset;
}

static int set_up(void **unused)
{
	(void)unused;
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	vcpu.lapic.mode = LAPIC_MODE_XAPIC;
	tsc_updates = mode_updates = 0;
	apic_error = 0;
	cpu_features.amd = false;
	apic_msr_value = deadline = 0;
	shim_set_time(0);
	return 0;
}

static u64 get(u32 msr)
{
	u64 v = 0xbad;

	assert_int_equal(msr_read(&vcpu, msr, &v), 0);
	return v;
}

static void expect_write(u32 msr, u64 value, bool fine)
{
	assert_int_equal(msr_write(&vcpu, msr, value), fine ? 0 : -EIO);
}

static void expect_unknown(u32 msr)
{
	u64 v;

	assert_int_equal(msr_read(&vcpu, msr, &v), -EIO);
	expect_write(msr, 0, false);
	expect_write(msr, 1, false);
}

/* Hyper-V's own are asked for there, and moves of the TSC are told. */
static void test_hyperv(void **unused)
{
	unsigned moves = tsc_moves;
	u64 value = 0;

	(void)unused;
	assert_int_equal(msr_read(&vcpu, 0x40000111, &value), 0);
	assert_int_equal(value, 0x40000111);
	assert_int_equal(msr_read(&vcpu, 0x400001ff, &value), -EIO);
	assert_int_equal(msr_read(&vcpu, 0x3fffffff, &value), -EIO);
	assert_int_equal(msr_write(&vcpu, 0x40000111, 1), 0);
	assert_int_equal(msr_write(&vcpu, 0x400001ff, 1), -EIO);
	assert_int_equal(msr_write(&vcpu, 0x3b, 1000), 0);
	assert_int_equal(tsc_moves, moves + 1);
}

static void test_unknown(void **unused)
{
	/* SPEC_CTRL, PMU, VMX capabilities, RAPL, AMD's HWCR and VM_CR, our neighbours, the end. */
	static const u32 msr[] = { 0,	  0x11,	 0x48,	     0x49,	 0xc1,	     0x10a,
				   0x186, 0x480, 0x48f,	     0x606,	 0x7ff,	     0x900,
				   0x6df, 0x6e1, 0xc0010015, 0xc0010114, 0x40000000, 0xd00,
				   0x210, 0x251, 0x25a,	     0x267,	 0x270,	     0xffffffff };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(msr); i++)
		expect_unknown(msr[i]);
}

/* Those with a fixed value: it is what is read, and the list of writes that fault. */
static void test_constants(void **unused)
{
	(void)unused;
	assert_int_equal(get(MSR_FEATURE_CONTROL), 1); /* locked, no VMX */
	expect_write(MSR_FEATURE_CONTROL, 5, false);
	assert_int_equal(get(MSR_MTRR_CAP), 0x508);
	expect_write(MSR_MTRR_CAP, 0x508, false);
	assert_int_equal(get(MSR_MCG_CAP), 0);
	expect_write(MSR_MCG_STATUS, 0, true);
	expect_write(MSR_MCG_STATUS, 1, false);
	expect_write(MSR_DEBUGCTL, 0, true);
	expect_write(MSR_DEBUGCTL, 1, false);
	expect_write(MSR_XSS, 0, true);
	expect_write(MSR_XSS, BIT(11), false);
	assert_int_equal(get(MSR_MISC_ENABLE), 0x1801);
	expect_write(MSR_MISC_ENABLE, 0, true);
	assert_int_equal(get(MSR_MISC_ENABLE), 0x1801);
	assert_int_equal(get(MSR_BIOS_SIGN_ID), 0);
	expect_write(MSR_BIOS_SIGN_ID, 0, true);
}

static void test_mtrr_variable(void **unused)
{
	(void)unused;
	for (u32 i = 0; i < 8; i++) {
		u32 base = 0x200 + 2 * i, mask = base + 1;

		assert_int_equal(get(base) | get(mask), 0);
		expect_write(base, 0x7fc0000006 + i * 0x1000, true);
		expect_write(mask, 0x7fc0000800, true);
		expect_write(mask, 0, true);
		expect_write(mask, 0x7ffffff800, true);
		/* Beyond the 39 address bits, in reserved bits, and types that do not exist. */
		expect_write(base, 0x8000000006, false);
		expect_write(base, BIT(63), false);
		expect_write(mask, 0x8000000800, false);
		expect_write(mask, 0x801, false);
		expect_write(mask, 0x400, false);
		expect_write(base, 0x106, false);
		expect_write(base, 0x802, false);
		for (u64 t = 0; t < 256; t++) {
			if (t != 0 && t != 1 && t != 4 && t != 5 && t != 6)
				expect_write(base, t, false);
		}
		assert_int_equal(get(base), 0x7fc0000006 + i * 0x1000);
		assert_int_equal(get(mask), 0x7ffffff800);
	}
	expect_unknown(0x210);
}

static void test_mtrr_fixed(void **unused)
{
	static const u32 msr[] = { 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
				   0x26b, 0x26c, 0x26d, 0x26e, 0x26f };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(msr); i++)
		expect_write(msr[i], 0x0606060505040100 + (i % 2), true);
	for (unsigned i = 0; i < ARRAY_SIZE(msr); i++) {
		assert_int_equal(get(msr[i]), 0x0606060505040100 + (i % 2));
		for (unsigned byte = 0; byte < 8; byte++) {
			expect_write(msr[i], 2ull << 8 * byte, false);
			expect_write(msr[i], 7ull << 8 * byte, false);
		}
		assert_int_equal(get(msr[i]), 0x0606060505040100 + (i % 2));
	}
	expect_write(MSR_MTRR_DEF_TYPE, 0xc06, true);
	assert_int_equal(get(MSR_MTRR_DEF_TYPE), 0xc06);
	expect_write(MSR_MTRR_DEF_TYPE, 0xc02, false);
	expect_write(MSR_MTRR_DEF_TYPE, 0x1006, false);
	expect_write(MSR_MTRR_DEF_TYPE, 0x106, false);
	assert_int_equal(get(MSR_MTRR_DEF_TYPE), 0xc06);
}

static void expect_offset(u64 offset)
{
	assert_int_equal(vcpu.tsc_offset, offset);
	assert_int_equal(vcpu.lapic.timer.tsc_offset, offset);
}

/* Either register moves both (SDM vol. 3 18.17.3). */
static void test_tsc(void **unused)
{
	(void)unused;
	shim_set_time(5000);
	assert_int_equal(get(MSR_TSC), 5000);
	assert_int_equal(get(MSR_TSC_ADJUST), 0);
	expect_write(MSR_TSC, 6000, true);
	assert_int_equal(get(MSR_TSC), 6000);
	assert_int_equal(get(MSR_TSC_ADJUST), 1000);
	expect_offset(1000);
	assert_int_equal(tsc_updates, 1);
	shim_set_time(5100);
	assert_int_equal(get(MSR_TSC), 6100);
	expect_write(MSR_TSC_ADJUST, 300, true);
	assert_int_equal(get(MSR_TSC), 5400);
	expect_offset(300);
	assert_int_equal(tsc_updates, 2);
	/* The same value again changes nothing. */
	expect_write(MSR_TSC_ADJUST, 300, true);
	assert_int_equal(tsc_updates, 2);
	/* Backwards past zero wraps and comes back. */
	expect_write(MSR_TSC_ADJUST, (u64)-6000, true);
	assert_int_equal(get(MSR_TSC), (u64)-900);
	expect_write(MSR_TSC, 0, true);
	assert_int_equal(get(MSR_TSC), 0);
	assert_int_equal(get(MSR_TSC_ADJUST), (u64)-5100);
	expect_write(MSR_TSC_ADJUST, 0, true);
	assert_int_equal(get(MSR_TSC), 5100);
	expect_offset(0);
}

/* The same where the guest's ticks are shorter than the host's. */
static void test_tsc_scaled(void **unused)
{
	(void)unused;
	assert_true(guest_tsc_init(&vm.tsc, 3000, 1000, (struct tsc_scaling){ 16, 48 }));
	shim_set_time(5000);
	assert_int_equal(get(MSR_TSC), 15000);
	expect_write(MSR_TSC, 600, true);
	assert_int_equal(get(MSR_TSC), 600);
	assert_int_equal(get(MSR_TSC_ADJUST), (u64)-14400);
	shim_set_time(5100);
	assert_int_equal(get(MSR_TSC), 900);
	expect_write(MSR_TSC_ADJUST, 0, true);
	assert_int_equal(get(MSR_TSC), 15300);
	expect_offset(0);
	vm.tsc.mult = 0;
}

static void test_apic(void **unused)
{
	u64 v;

	(void)unused;
	vcpu.lapic.base = 0xfee00900;
	assert_int_equal(get(MSR_APIC_BASE), 0xfee00900);
	expect_write(MSR_APIC_BASE, 0xfee00800, true);
	assert_int_equal(mode_updates, 0);
	expect_write(MSR_APIC_BASE, 0xfee00c00, true);
	assert_int_equal(mode_updates, 1);
	apic_error = -EINVAL;
	expect_write(MSR_APIC_BASE, 0xfee00800, false);
	assert_int_equal(mode_updates, 1);
	/* All of 800H to 8FFH is the APIC's to judge. */
	assert_int_equal(msr_read(&vcpu, 0x800, &v), -EIO);
	expect_write(0x8ff, 1, false);
	apic_error = 0;
	assert_int_equal(get(0x800), 0x800);
	assert_int_equal(get(0x8ff), 0x8ff);
	expect_write(0x830, 0x1234, true);
	assert_int_equal(apic_msr_value, 0x1234);
	expect_write(MSR_TSC_DEADLINE, 777, true);
	assert_int_equal(get(MSR_TSC_DEADLINE), 777);
}

/* What the hardware may let through must be state that is switched with the vCPU, nothing else. */
static void test_passthrough(void **unused)
{
	unsigned n = 0;

	(void)unused;
	for (const u32 *m = msr_passthrough; *m; m++, n++) {
		u64 v;

		assert_true(*m <= 0x1fff || (*m >= 0xc0000000 && *m <= 0xc0001fff));
		/* An access that exits all the same is not this table's. */
		assert_int_equal(msr_read(&vcpu, *m, &v), -EIO);
	}
	assert_true(n > 0 && n < 32);
}

/* --- AMD --- */

static void test_amd_unknown(void **unused)
{
	/* Intel's own; LS_CFG and CPUID overrides, which Linux tries; counters that CPUID denies.
	 */
	static const u32 msr[] = { 0x17,       0x3a,	   0xce,       0x1a0,	   0x48,
				   0x49,       0x10a,	   0xc000ffff, 0xc0010008, 0xc001000f,
				   0xc0010011, 0xc0010060, 0xc001006c, 0xc0010117, 0xc001013f,
				   0xc0010142, 0xc0010200, 0xc0011004, 0xc0011005, 0xc0011020,
				   0xc0011021, 0xc0011024, 0xc001102b, 0xffffffff };

	(void)unused;
	cpu_features.amd = true;
	for (unsigned i = 0; i < ARRAY_SIZE(msr); i++)
		expect_unknown(msr[i]);
}

/* What a guest on AMD finds, and may write in vain; on Intel it faults. */
static void test_amd_constants(void **unused)
{
	static const struct {
		u32 msr;
		u64 value;
	} row[] = {
		{ 0xc0010000, 0 },
		{ 0xc0010003, 0 },
		{ 0xc0010004, 0 },
		{ 0xc0010007, 0 },
		{ 0xc0010015, BIT(24) },
		{ 0xc001001f, BIT(46) | BIT(54) },
		{ 0xc0010020, 0 },
		{ 0xc0010055, 0 },
		{ 0xc0010058, 0 },
		{ 0xc0010061, 0 },
		{ 0xc0010064, 0 },
		{ 0xc001006b, 0 },
		{ 0xc0010114, BIT(3) | BIT(4) },
		{ 0xc0010140, 0 },
		{ 0xc0010141, 0 },
		{ 0xc0011022, 0 },
		{ 0xc0011023, 0 },
		{ 0xc0011029, 2 },
		{ 0xc001102a, 0 },
	};

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		expect_unknown(row[i].msr);
		cpu_features.amd = true;
		assert_int_equal(get(row[i].msr), row[i].value);
		expect_write(row[i].msr, ~row[i].value, true);
		assert_int_equal(get(row[i].msr), row[i].value);
		cpu_features.amd = false;
	}
	cpu_features.amd = true;
	assert_int_equal(get(0x8b), 0x01000065);
	expect_write(0x8b, 0, false);
	/* What both have stays as it is. */
	assert_int_equal(get(MSR_MTRR_CAP), 0x508);
	assert_int_equal(get(MSR_MCG_CAP), 0);
	expect_write(MSR_MTRR_DEF_TYPE, 0xc06, true);
	shim_set_time(5000);
	assert_int_equal(get(MSR_TSC), 5000);
}

/* The tops of memory are where the map has them, in steps of 8 MiB. */
static void test_amd_top_of_memory(void **unused)
{
	static const struct {
		u64 memory, low, high;
	} row[] = { { 1 * MIB, 8 * MIB, 0 },
		    { 64 * MIB, 64 * MIB, 0 },
		    { 65 * MIB, 72 * MIB, 0 },
		    { 3 * GIB, 3 * GIB, 0 },
		    { 3 * GIB + MIB, 3 * GIB, 4 * GIB + 8 * MIB },
		    { 8 * GIB, 3 * GIB, 9 * GIB } };

	(void)unused;
	cpu_features.amd = true;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		assert_int_equal(guest_memmap_init(&vm.memmap, row[i].memory), 0);
		assert_int_equal(get(0xc001001a), row[i].low);
		assert_int_equal(get(0xc001001d), row[i].high);
		assert_int_equal(get(0xc0010010), BIT(20) | (row[i].high ? BIT(21) | BIT(22) : 0));
		expect_write(0xc001001a, 0, true);
		assert_int_equal(get(0xc001001a), row[i].low);
	}
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_hyperv),	       T(test_unknown),	      T(test_constants),
		T(test_mtrr_variable), T(test_mtrr_fixed),    T(test_tsc),
		T(test_tsc_scaled),    T(test_apic),	      T(test_passthrough),
		T(test_amd_unknown),   T(test_amd_constants), T(test_amd_top_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
