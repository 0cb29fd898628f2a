/* Control registers, MSRs and single instructions of the processor. */
#ifndef NEAP_ARCH_X86_CPU_H
#define NEAP_ARCH_X86_CPU_H

#include "core/types.h"

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_VME	       BIT(0)
#define CR4_PVI	       BIT(1)
#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_PCE	       BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE	       BIT(22)

#define EFER_SCE   BIT(0)
#define EFER_LME   BIT(8)
#define EFER_LMA   BIT(10)
#define EFER_NXE   BIT(11)
#define EFER_SVME  BIT(12)
#define EFER_FFXSR BIT(14)

#define RFLAGS_CF    BIT(0)
#define RFLAGS_FIXED BIT(1)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_RF    BIT(16)

#define DR6_RESET 0xffff0ff0ull
#define DR6_BS	  BIT(14)
#define DR7_RESET 0x400ull
#define DR7_GD	  BIT(13)
#define PAT_RESET 0x0007040600070406ull

#define MSR_TSC		    0x10
#define MSR_APIC_BASE	    0x1b
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_TSC_ADJUST	    0x3b
#define MSR_SPEC_CTRL	    0x48
#define MSR_PRED_CMD	    0x49
#define MSR_BIOS_SIGN_ID    0x8b
#define MSR_MTRR_CAP	    0xfe
#define MSR_ARCH_CAPS	    0x10a
#define MSR_FLUSH_CMD	    0x10b
#define MSR_SYSENTER_CS	    0x174
#define MSR_SYSENTER_ESP    0x175
#define MSR_SYSENTER_EIP    0x176
#define MSR_MCG_CAP	    0x179
#define MSR_MCG_STATUS	    0x17a
#define MSR_MISC_ENABLE	    0x1a0
#define MSR_DEBUGCTL	    0x1d9
#define MSR_MTRR_PHYS_BASE0 0x200
#define MSR_PAT		    0x277
#define MSR_MTRR_DEF_TYPE   0x2ff
#define MSR_TSC_DEADLINE    0x6e0
#define MSR_X2APIC_BASE	    0x800
#define MSR_XSS		    0xda0
#define MSR_EFER	    0xc0000080
#define MSR_STAR	    0xc0000081
#define MSR_LSTAR	    0xc0000082
#define MSR_CSTAR	    0xc0000083
#define MSR_FMASK	    0xc0000084
#define MSR_FS_BASE	    0xc0000100
#define MSR_GS_BASE	    0xc0000101
#define MSR_KERNEL_GS_BASE  0xc0000102
#define MSR_TSC_AUX	    0xc0000103

/* MSR_FEATURE_CONTROL: locked until reset, and VMX allowed outside of SMX. */
#define FEATURE_LOCKED BIT(0)
#define FEATURE_VMX    BIT(2)

struct cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

/* Instructions, as the manuals have them. An MSR or XCR that is not there faults. */
static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

/* Not ordered with what stands before or behind it: see tsc_read_ordered(). */
static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

#define DEFINE_CR(n)                                                           \
	static inline u64 read_cr##n(void)                                     \
	{                                                                      \
		u64 v;                                                         \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                      \
	}                                                                      \
	static inline void write_cr##n(u64 v)                                  \
	{                                                                      \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");     \
	}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)

#define DEFINE_DR(n)                                              \
	static inline u64 read_dr##n(void)                        \
	{                                                         \
		u64 v;                                            \
		__asm__ volatile("mov %%db" #n ", %0" : "=r"(v)); \
		return v;                                         \
	}                                                         \
	static inline void write_dr##n(u64 v)                     \
	{                                                         \
		__asm__ volatile("mov %0, %%db" #n : : "r"(v));   \
	}
DEFINE_DR(0)
DEFINE_DR(1)
DEFINE_DR(2)
DEFINE_DR(3)
DEFINE_DR(6)
DEFINE_DR(7)

/* XCR0 is index 0. CR4.OSXSAVE has to be set. */
static inline void xsetbv(u32 index, u64 v)
{
	__asm__ volatile("xsetbv" : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 xgetbv(u32 index)
{
	u32 lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
	return (u64)hi << 32 | lo;
}

/* The calling CPU only. */
static inline void invlpg(const void *va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* All of this CPU's translations for its own address space, global ones too (SDM vol. 3 4.10.4.1).
 */
static inline void cpu_flush_tlb(void)
{
	u64 cr4 = read_cr4();

	write_cr4(cr4 ^ CR4_PGE);
	write_cr4(cr4);
}

/* Sleeps until an interrupt, which is taken here: STI delays it by one instruction, so none is
 * lost. */
static inline void cpu_sti_hlt_cli(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* For good, with interrupts off; an NMI is handled and halts again. */
static inline void __noreturn cpu_halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* What the boot processor offers, read once by cpu_detect(). */
struct cpu_features {
	char vendor[13], brand[49];
	u32 max_leaf, max_ext_leaf;
	u32 family, model, stepping;
	u8 phys_bits, virt_bits;
	bool intel, amd;
	bool vmx, svm;
	bool nx, gbpages, pge, pat, smep, smap, umip, fsgsbase;
	bool x2apic, tsc_deadline, tsc_invariant, tsc_adjust;
	bool xsave, xsaves, avx;
	bool monitor, rdtscp, invpcid;
	bool md_clear, flush_l1d, ibpb, arch_caps;
	u32 xsave_size; /* bytes for all features in xcr0_mask */
	u64 xcr0_mask;	/* features XSETBV may switch on */
	u64 arch_caps_value;
};

extern struct cpu_features cpu_features;

/* Fills cpu_features. Boot CPU, once, before anything that reads them. */
void cpu_detect(void);

/* Sets CR0, CR4, EFER and PAT as the hypervisor wants them on the calling CPU. */
void cpu_init_control_registers(void);

/* One line or two about the processor. */
void cpu_print(void);

#endif
