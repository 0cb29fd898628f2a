#include "hv/cr.h"

#include "arch/x86/cpu.h"
#include "hv/cpuid.h"

struct feature_bits {
	u64 bits;
	u32 leaf;
	unsigned reg;
	u32 feature;
};

static const struct feature_bits cr4_features[] = {
	{ CR4_VME | CR4_PVI, 1, CPUID_EDX, BIT(1) }, { CR4_DE, 1, CPUID_EDX, BIT(2) },
	{ CR4_PSE, 1, CPUID_EDX, BIT(3) },	     { CR4_PAE, 1, CPUID_EDX, BIT(6) },
	{ CR4_MCE, 1, CPUID_EDX, BIT(7) },	     { CR4_PGE, 1, CPUID_EDX, BIT(13) },
	{ CR4_OSFXSR, 1, CPUID_EDX, BIT(24) },	     { CR4_OSXMMEXCPT, 1, CPUID_EDX, BIT(25) },
	{ CR4_PCIDE, 1, CPUID_ECX, BIT(17) },	     { CR4_OSXSAVE, 1, CPUID_ECX, BIT(26) },
	{ CR4_FSGSBASE, 7, CPUID_EBX, BIT(0) },	     { CR4_SMEP, 7, CPUID_EBX, BIT(7) },
	{ CR4_SMAP, 7, CPUID_EBX, BIT(20) },	     { CR4_UMIP, 7, CPUID_ECX, BIT(2) },
	{ CR4_PKE, 7, CPUID_ECX, BIT(3) },
};

static const struct feature_bits efer_features[] = {
	{ EFER_SCE, 0x80000001, CPUID_EDX, BIT(11) },
	{ EFER_LME, 0x80000001, CPUID_EDX, BIT(29) },
	{ EFER_NXE, 0x80000001, CPUID_EDX, BIT(20) },
	{ EFER_FFXSR, 0x80000001, CPUID_EDX, BIT(25) },
};

static u64 offered(const struct cpuid_table *t, const struct feature_bits *f, size_t n)
{
	u64 bits = 0;

	for (size_t i = 0; i < n; i++) {
		if (cpuid_table_has(t, f[i].leaf, 0, f[i].reg, f[i].feature))
			bits |= f[i].bits;
	}
	return bits;
}

u64 cr4_offered(const struct cpuid_table *t)
{
	return CR4_TSD | CR4_PCE | offered(t, cr4_features, ARRAY_SIZE(cr4_features));
}

u64 efer_offered(const struct cpuid_table *t)
{
	return offered(t, efer_features, ARRAY_SIZE(efer_features));
}

bool cr0_write_valid(u64 cr0, u64 old, u64 cr4, u64 efer, bool code64)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & CR0_PG) && !(cr0 & CR0_PE))
		return false;
	if ((cr0 & CR0_NW) && !(cr0 & CR0_CD))
		return false;
	if ((cr0 & CR0_PG) && (efer & EFER_LME) && !(old & CR0_PG))
		return (cr4 & CR4_PAE) && !code64;
	if (!(cr0 & CR0_PG) && (efer & EFER_LMA))
		return !code64 && !(cr4 & CR4_PCIDE);
	return true;
}

bool cr4_write_valid(u64 cr4, u64 old, u64 cr3, u64 efer, u64 allowed)
{
	if (cr4 & ~allowed)
		return false;
	if ((efer & EFER_LMA) && !(cr4 & CR4_PAE))
		return false;
	/* PCIDs can be switched on in long mode only, and from PCID 0. */
	return !(cr4 & CR4_PCIDE) || (old & CR4_PCIDE) || ((efer & EFER_LMA) && !(cr3 & 0xfff));
}

bool efer_write_valid(u64 *value, u64 old, u64 cr0, u64 allowed)
{
	u64 efer = *value & ~EFER_LMA;

	if (efer & ~allowed)
		return false;
	if ((cr0 & CR0_PG) && ((efer ^ old) & EFER_LME))
		return false;
	*value = efer | (old & EFER_LMA);
	return true;
}

bool pat_valid(u64 value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		u64 type = value >> i & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}
