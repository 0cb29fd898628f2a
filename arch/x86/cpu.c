#include "arch/x86/cpu.h"

#include <string.h>

#include "core/log.h"

struct cpu_features cpu_features;

static void detect_identity(struct cpu_features *f)
{
	struct cpuid_regs r = cpuid(0, 0);
	u32 ext = cpuid(0x80000000, 0).eax;

	f->max_leaf = r.eax;
	f->max_ext_leaf = ext;
	memcpy(f->vendor, &r.ebx, 4);
	memcpy(f->vendor + 4, &r.edx, 4);
	memcpy(f->vendor + 8, &r.ecx, 4);
	f->intel = !strcmp(f->vendor, "GenuineIntel");
	f->amd = !strcmp(f->vendor, "AuthenticAMD") || !strcmp(f->vendor, "HygonGenuine");
	r = cpuid(1, 0);
	f->stepping = r.eax & 0xf;
	f->family = (r.eax >> 8 & 0xf) + ((r.eax >> 8 & 0xf) == 0xf ? r.eax >> 20 & 0xff : 0);
	f->model = (r.eax >> 4 & 0xf) | (r.eax >> 12 & 0xf0);
	for (u32 i = 0; ext >= 0x80000004 && i < 3; i++) {
		r = cpuid(0x80000002 + i, 0);
		memcpy(f->brand + 16 * i, &r, 16);
	}
}

static void detect_leaf1(struct cpu_features *f)
{
	struct cpuid_regs r = cpuid(1, 0);

	f->monitor = r.ecx & BIT(3);
	f->vmx = r.ecx & BIT(5);
	f->x2apic = r.ecx & BIT(21);
	f->tsc_deadline = r.ecx & BIT(24);
	f->xsave = r.ecx & BIT(26);
	f->avx = r.ecx & BIT(28);
	f->pge = r.edx & BIT(13);
	f->pat = r.edx & BIT(16);
}

static void detect_leaf7(struct cpu_features *f)
{
	struct cpuid_regs r;

	if (f->max_leaf < 7)
		return;
	r = cpuid(7, 0);
	f->fsgsbase = r.ebx & BIT(0);
	f->tsc_adjust = r.ebx & BIT(1);
	f->smep = r.ebx & BIT(7);
	f->invpcid = r.ebx & BIT(10);
	f->smap = r.ebx & BIT(20);
	f->umip = r.ecx & BIT(2);
	f->md_clear = r.edx & BIT(10);
	f->ibpb = r.edx & BIT(26);
	f->flush_l1d = r.edx & BIT(28);
	f->arch_caps = f->intel && (r.edx & BIT(29));
	if (f->arch_caps)
		f->arch_caps_value = rdmsr(MSR_ARCH_CAPS);
}

static void detect_extended(struct cpu_features *f)
{
	struct cpuid_regs r;

	f->phys_bits = 36;
	f->virt_bits = 48;
	if (f->max_ext_leaf >= 0x80000001) {
		r = cpuid(0x80000001, 0);
		f->svm = f->amd && (r.ecx & BIT(2));
		f->nx = r.edx & BIT(20);
		f->gbpages = r.edx & BIT(26);
		f->rdtscp = r.edx & BIT(27);
	}
	if (f->max_ext_leaf >= 0x80000007)
		f->tsc_invariant = cpuid(0x80000007, 0).edx & BIT(8);
	if (f->max_ext_leaf >= 0x80000008) {
		r = cpuid(0x80000008, 0);
		f->phys_bits = r.eax & 0xff;
		f->virt_bits = r.eax >> 8 & 0xff;
		/* Where AMD has it (APM vol. 3 E.4.7). */
		if (f->amd)
			f->ibpb = r.ebx & BIT(12);
	}
}

static void detect_xsave(struct cpu_features *f)
{
	struct cpuid_regs r;

	if (!f->xsave || f->max_leaf < 0xd)
		return;
	r = cpuid(0xd, 0);
	f->xcr0_mask = (u64)r.edx << 32 | r.eax;
	f->xsave_size = r.ecx;
	f->xsaves = cpuid(0xd, 1).eax & BIT(3);
}

void cpu_detect(void)
{
	struct cpu_features *f = &cpu_features;

	detect_identity(f);
	detect_leaf1(f);
	detect_leaf7(f);
	detect_extended(f);
	detect_xsave(f);
}

/* PAT entries: 0 WB, 1 WC (for frame buffers), 2 UC-, 3 UC; 4-7 the same again. */
#define PAT_VALUE 0x0007010600070106ull

void cpu_init_control_registers(void)
{
	const struct cpu_features *f = &cpu_features;
	u64 cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 |= f->pge ? CR4_PGE : 0;
	cr4 |= f->smep ? CR4_SMEP : 0;
	cr4 |= f->smap ? CR4_SMAP : 0;
	cr4 |= f->umip ? CR4_UMIP : 0;
	cr4 |= f->xsave ? CR4_OSXSAVE : 0;
	write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
	write_cr4(cr4);
	wrmsr(MSR_EFER, EFER_LME | EFER_LMA | EFER_SCE | (f->nx ? EFER_NXE : 0));
	if (f->pat)
		wrmsr(MSR_PAT, PAT_VALUE);
}

void cpu_print(void)
{
	const struct cpu_features *f = &cpu_features;
	const char *brand = f->brand;

	while (*brand == ' ')
		brand++;
	log_info("cpu: %s, %s, family %u model 0x%x stepping %u, %u-bit physical addresses", brand,
		 f->vendor, f->family, f->model, f->stepping, f->phys_bits);
	log_info("cpu: host protection:%s%s%s%s%s", f->nx ? " NX" : "", f->smep ? " SMEP" : "",
		 f->smap ? " SMAP" : "", f->umip ? " UMIP" : "", " W^X");
}
