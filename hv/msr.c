#include "hv/msr.h"

#include <errno.h>

#include "arch/x86/cpu.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/msr_policy.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

#define MSR_PLATFORM_ID	      0x17
#define MSR_PLATFORM_INFO     0xce
#define MSR_MTRR_FIX64K	      0x250
#define MSR_MTRR_FIX16K_80000 0x258
#define MSR_MTRR_FIX16K_A0000 0x259
#define MSR_MTRR_FIX4K_FIRST  0x268
#define MSR_MTRR_FIX4K_LAST   0x26f
#define MSR_MCG_CTL	      0x17b
#define MTRR_CAP_VALUE	      (VCPU_MTRR_VARIABLE | BIT(8) /* fixed */ | BIT(10) /* WC */)
#define MTRR_DEF_WRITABLE     (BIT(11) | BIT(10) | 0xff)
#define MISC_ENABLE_FAST_STR  BIT(0)
#define MISC_ENABLE_NO_BTS    BIT(11)
#define MISC_ENABLE_NO_PEBS   BIT(12)

const u32 msr_passthrough[] = {
	MSR_SYSENTER_CS, MSR_SYSENTER_ESP,   MSR_SYSENTER_EIP, MSR_PAT,	  MSR_EFER,
	MSR_STAR,	 MSR_LSTAR,	     MSR_CSTAR,	       MSR_FMASK, MSR_FS_BASE,
	MSR_GS_BASE,	 MSR_KERNEL_GS_BASE, MSR_TSC_AUX,      0,
};

/* --- memory-type range registers: kept for the guest; guest RAM is write-back whatever they say
 * --- */

static u64 *mtrr_slot(struct vcpu *v, u32 msr)
{
	struct vcpu_msrs *m = &v->msrs;

	if (msr >= MSR_MTRR_PHYS_BASE0 && msr < MSR_MTRR_PHYS_BASE0 + 2 * VCPU_MTRR_VARIABLE)
		return &m->mtrr_variable[msr - MSR_MTRR_PHYS_BASE0];
	if (msr == MSR_MTRR_FIX64K)
		return &m->mtrr_fixed[0];
	if (msr == MSR_MTRR_FIX16K_80000 || msr == MSR_MTRR_FIX16K_A0000)
		return &m->mtrr_fixed[1 + msr - MSR_MTRR_FIX16K_80000];
	if (msr >= MSR_MTRR_FIX4K_FIRST && msr <= MSR_MTRR_FIX4K_LAST)
		return &m->mtrr_fixed[3 + msr - MSR_MTRR_FIX4K_FIRST];
	return NULL;
}

static bool mtrr_type_valid(u64 type)
{
	/* UC, WC, WT, WP, WB (SDM vol. 3 12.11.2.1). */
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool mtrr_value_valid(u32 msr, u64 value)
{
	u64 reserved = ~(BIT(cpu_features.phys_bits) - 1);

	if (msr < MSR_MTRR_FIX64K) {
		if (msr & 1) /* mask: valid bit and address bits */
			return !(value & (reserved | 0x7ff));
		return !(value & (reserved | 0xf00)) && mtrr_type_valid(value & 0xff);
	}
	for (unsigned i = 0; i < 64; i += 8) {
		if (!mtrr_type_valid(value >> i & 0xff))
			return false;
	}
	return true;
}

static int mtrr_write(struct vcpu *v, u32 msr, u64 value)
{
	u64 *slot = mtrr_slot(v, msr);

	if (!slot || !mtrr_value_valid(msr, value))
		return -EIO;
	*slot = value;
	return 0;
}

/* --- time --- */

static u64 guest_tsc(const struct vcpu *v)
{
	return guest_tsc_scale(&v->vm->tsc, time_now()) + v->tsc_offset;
}

static __attribute__((noinline)) void set_tsc_offset(struct vcpu *v, u64 offset)
{
	v->tsc_offset = offset;
	lapic_set_tsc_offset(&v->lapic, offset);
	backend->update_tsc(v);
	hyperv_tsc_moved(v);
}

/* Both move the TSC and the adjustment together (SDM vol. 3 18.17.3). */
static int tsc_write(struct vcpu *v, u64 value)
{
	u64 delta = value - guest_tsc(v);

	v->tsc_adjust += delta;
	set_tsc_offset(v, v->tsc_offset + delta);
	return 0;
}

static int tsc_adjust_write(struct vcpu *v, u64 value)
{
	u64 delta = value - v->tsc_adjust;

	v->tsc_adjust = value;
	if (delta)
		set_tsc_offset(v, v->tsc_offset + delta);
	return 0;
}

/* --- the table --- */

static int apic_base_write(struct vcpu *v, u64 value)
{
	enum lapic_mode before = lapic_mode(&v->lapic);

	if (lapic_set_base(&v->lapic, value) < 0)
		return -EIO;
	if (lapic_mode(&v->lapic) != before)
		backend->update_apic_mode(v);
	return 0;
}

static int mtrr_def_write(struct vcpu *v, u64 value)
{
	if ((value & ~MTRR_DEF_WRITABLE) || !mtrr_type_valid(value & 0xff))
		return -EIO;
	v->msrs.mtrr_def_type = value;
	return 0;
}

static int xss_write(struct vcpu *v, u64 value)
{
	/* No supervisor state is offered in CPUID leaf 0DH. */
	(void)v;
	return value ? -EIO : 0;
}

int msr_zero_write(struct vcpu *v, u64 value)
{
	(void)v;
	return value ? -EIO : 0;
}

int msr_ignore_write(struct vcpu *v, u64 value)
{
	(void)v;
	(void)value;
	return 0;
}

static u64 apic_base_read(struct vcpu *v)
{
	return lapic_base(&v->lapic);
}
static u64 tsc_read_guest(struct vcpu *v)
{
	return guest_tsc(v);
}
static u64 mtrr_def_read(struct vcpu *v)
{
	return v->msrs.mtrr_def_type;
}

static const struct msr_policy policy[] = {
	{ MSR_TSC, 0, tsc_read_guest, tsc_write, 0 },
	{ MSR_APIC_BASE, 0, apic_base_read, apic_base_write, 0 },
	{ MSR_MTRR_CAP, MTRR_CAP_VALUE, NULL, NULL, 0 },
	{ MSR_MCG_CAP, 0 /* no banks */, NULL, NULL, 0 },
	{ MSR_MCG_STATUS, 0, NULL, msr_zero_write, 0 },
	{ MSR_DEBUGCTL, 0, NULL, msr_zero_write, 0 },
	{ MSR_MTRR_DEF_TYPE, 0, mtrr_def_read, mtrr_def_write, 0 },
	{ MSR_XSS, 0, NULL, xss_write, 0 },
};

/* What Intel's processors have and AMD's do not, or differently. */
static const struct msr_policy intel_policy[] = {
	{ MSR_PLATFORM_ID, 0, NULL, NULL, 0 },
	{ MSR_FEATURE_CONTROL, BIT(0) /* locked, VMX off */, NULL, NULL, 0 },
	{ MSR_BIOS_SIGN_ID, 0, NULL, msr_ignore_write, 0 },
	{ MSR_PLATFORM_INFO, 0, NULL, NULL, 0 },
	{ MSR_MISC_ENABLE, MISC_ENABLE_FAST_STR | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS, NULL,
	  msr_ignore_write, 0 },
};
#define MSR_POLICY_LAST MSR_XSS /* above it: only AMD's, and most of what guests try in vain */

static const struct msr_policy *find(u32 msr)
{
	const struct msr_policy *p;

	if (msr > MSR_POLICY_LAST)
		return cpu_features.amd ? msr_amd_find(msr) : NULL;
	p = msr_policy_find(policy, ARRAY_SIZE(policy), msr);
	if (p)
		return p;
	return cpu_features.amd ? msr_amd_find(msr)
				: msr_policy_find(intel_policy, ARRAY_SIZE(intel_policy), msr);
}

/* Where the registers are that guests try in vain: no table has such numbers. */
static force_inline bool is_nobodys(u32 msr)
{
	if (likely(msr <= MSR_POLICY_LAST))
		return false;
	return !cpu_features.amd || msr - MSR_AMD_FIRST > MSR_AMD_LAST - MSR_AMD_FIRST;
}

static __attribute__((noinline)) int slow_read(struct vcpu *v, u32 msr, u64 *value)
{
	const struct msr_policy *p = find(msr);
	const u64 *mtrr = mtrr_slot(v, msr);

	if (mtrr)
		*value = *mtrr;
	else if (p)
		*value = p->read ? p->read(v) : p->value;
	else
		return -EIO;
	return 0;
}

static __attribute__((noinline)) int slow_write(struct vcpu *v, u32 msr, u64 value)
{
	const struct msr_policy *p;

	if (hyperv_is_msr(msr))
		return hyperv_msr_write(v, msr, value);
	p = find(msr);
	if (p)
		return p->write ? p->write(v, value) : -EIO;
	return mtrr_write(v, msr, value);
}

/* The ones that guests use at every tick come first, without a search. */
int msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	if (msr == MSR_TSC_ADJUST) {
		*value = v->tsc_adjust;
		return 0;
	}
	if (msr - LAPIC_X2APIC_MSR < LAPIC_X2APIC_MSR_END - LAPIC_X2APIC_MSR)
		return lapic_msr_read(&v->lapic, msr, value) < 0 ? -EIO : 0;
	if (msr == MSR_TSC_DEADLINE) {
		*value = lapic_timer_deadline(&v->lapic);
		return 0;
	}
	if (hyperv_is_msr(msr))
		return hyperv_msr_read(v, msr, value);
	if (is_nobodys(msr))
		return -EIO;
	return slow_read(v, msr, value);
}

int msr_write(struct vcpu *v, u32 msr, u64 value)
{
	if (msr == MSR_TSC_DEADLINE) {
		lapic_timer_set_deadline(&v->lapic, value);
		return 0;
	}
	if (msr == MSR_TSC_ADJUST)
		return tsc_adjust_write(v, value);
	if (msr - LAPIC_X2APIC_MSR < LAPIC_X2APIC_MSR_END - LAPIC_X2APIC_MSR)
		return lapic_msr_write(&v->lapic, msr, value) < 0 ? -EIO : 0;
	return slow_write(v, msr, value);
}
