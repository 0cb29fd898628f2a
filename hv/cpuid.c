#include "hv/cpuid.h"

#include <string.h>

#include "hv/dev/lapic.h"
#include "hv/cpuid_exit.h"
#include "hv/hyperv/hyperv_cpuid.h"

/* --- the policy: which of the host's feature bits a guest sees, and which it gets anyway --- */

#define L1C_OFFERED                                                                              \
	(BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | BIT(12) /* FMA */ |   \
	 BIT(13) /* CMPXCHG16B */ | BIT(17) /* PCID */ | BIT(19) /* SSE4.1 */ |                  \
	 BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ | BIT(25) /* AES */ | \
	 BIT(26) /* XSAVE */ | BIT(28) /* AVX */ | BIT(29) /* F16C */ | BIT(30) /* RDRAND */)
#define L1C_ALWAYS  (BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */ | BIT(31) /* hypervisor */)
#define L1C_OSXSAVE BIT(27)
#define L1D_OFFERED                                                                              \
	(BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ |              \
	 BIT(4) /* TSC */ | BIT(5) /* MSR */ | BIT(6) /* PAE */ | BIT(8) /* CMPXCHG8B */ |       \
	 BIT(11) /* SYSENTER */ | BIT(13) /* PGE */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ |   \
	 BIT(17) /* PSE-36 */ | BIT(19) /* CLFLUSH */ | BIT(23) /* MMX */ | BIT(24) /* FXSR */ | \
	 BIT(25) /* SSE */ | BIT(26) /* SSE2 */ | BIT(27) /* self snoop */)
#define L1D_ALWAYS                                                                      \
	(BIT(7) /* MCE: handled, no banks */ | BIT(9) /* APIC */ | BIT(12) /* MTRR */ | \
	 BIT(14) /* MCA */)
#define L1D_HTT BIT(28)
#define L7B_OFFERED                                                                               \
	(BIT(0) /* FSGSBASE */ | BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ | BIT(7) /* SMEP */ |      \
	 BIT(8) /* BMI2 */ | BIT(9) /* ERMS */ | BIT(10) /* INVPCID */ | BIT(16) /* AVX512F */ |  \
	 BIT(17) /* AVX512DQ */ | BIT(18) /* RDSEED */ | BIT(19) /* ADX */ | BIT(20) /* SMAP */ | \
	 BIT(21) /* AVX512IFMA */ | BIT(23) /* CLFLUSHOPT */ | BIT(24) /* CLWB */ |               \
	 BIT(28) /* AVX512CD */ | BIT(29) /* SHA */ | BIT(30) /* AVX512BW */ |                    \
	 BIT(31) /* AVX512VL */)
#define L7B_ALWAYS  BIT(1) /* TSC_ADJUST */
#define L7B_INVPCID BIT(10)
#define L7C_OFFERED                                                                             \
	(BIT(1) /* AVX512VBMI */ | BIT(2) /* UMIP */ | BIT(6) /* VBMI2 */ | BIT(8) /* GFNI */ | \
	 BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */ | BIT(11) /* VNNI */ |                    \
	 BIT(12) /* BITALG */ | BIT(14) /* VPOPCNTDQ */ | BIT(22) /* RDPID */)
#define L7D_OFFERED   (BIT(4) /* FSRM */ | BIT(10) /* MD_CLEAR */)
#define LDX1A_OFFERED (BIT(0) /* XSAVEOPT */ | BIT(1) /* XSAVEC */ | BIT(2) /* XGETBV 1 */ | BIT(3))
#define LDX1A_XSAVES  BIT(3)
#define E1C_OFFERED                                                    \
	(BIT(0) /* LAHF */ | BIT(5) /* LZCNT */ | BIT(6) /* SSE4A */ | \
	 BIT(7) /* misaligned SSE */ | BIT(8) /* PREFETCHW */)
#define E1D_OFFERED                                                             \
	(BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1 GiB pages */ | \
	 BIT(27) /* RDTSCP */ | BIT(29) /* long mode */)
/* AMD's own: instructions without state but XMM's, YMM's and the FPU's. */
#define E1C_AMD_OFFERED (BIT(11) /* XOP */ | BIT(16) /* FMA4 */ | BIT(21) /* TBM */)
#define E1C_CMP_LEGACY	BIT(1) /* HTT means cores */
#define E1C_TOPOEXT	BIT(22)
/* MMX extensions, 3DNow! extensions, 3DNow! */
#define E1D_AMD_OFFERED (BIT(22) | BIT(30) | BIT(31))
#define E1D_AMD_SHARED	0x0183f3ffu /* AMD repeats these bits of leaf 1 EDX */
#define E1D_RDTSCP	BIT(27)
#define E8B_OFFERED	BIT(0)	/* CLZERO */
#define E8B_AMD_OFFERED BIT(2)	/* FXRSTOR restores the error pointers */
#define XCR0_OFFERED	0xe7ull /* x87, SSE, AVX, AVX-512 */

#define MAX_BASIC	     0x16u
#define MAX_EXT		     0x80000008u
#define MAX_EXT_AMD_TOPOLOGY 0x8000001eu

static struct cpuid_entry *add(struct cpuid_table *t, u32 leaf, u32 subleaf, struct cpuid_regs r)
{
	u8 *index = (leaf >= CPUID_EXT_BASE	 ? t->ext
		     : leaf >= CPUID_NEAP_BEHIND ? t->behind
		     : leaf >= CPUID_HV_BASE	 ? t->hv
						 : t->basic) +
		    leaf % CPUID_BASIC_LEAVES;
	struct cpuid_entry *e = &t->entry[t->count];

	if (t->count == CPUID_MAX_ENTRIES)
		return &t->entry[CPUID_MAX_ENTRIES - 1];
	*e = (struct cpuid_entry){ .r = r, .subleaf = subleaf };
	if (*index)
		t->entry[*index].more++;
	else
		*index = (u8)t->count;
	t->count++;
	return e;
}

static void leaf_0(struct cpuid_table *t)
{
	struct cpuid_regs r = cpuid(0, 0);

	r.eax = t->max_basic;
	add(t, 0, 0, r);
}

static void leaf_1(struct cpuid_table *t, const struct cpuid_limits *l)
{
	struct cpuid_regs r = cpuid(1, 0);

	r.ebx = (r.ebx & 0xff00) | MIN(l->cpus, 255u) << 16;
	r.ecx = (u32)((r.ecx & L1C_OFFERED) | L1C_ALWAYS);
	r.edx = (u32)((r.edx & L1D_OFFERED) | L1D_ALWAYS | (l->cpus > 1 ? L1D_HTT : 0));
	if (!l->invpcid)
		r.ecx &= ~(u32)BIT(17);
	add(t, 1, 0, r)->dynamic = CPUID_LEAF1;
}

/* Cache parameters of the host, with the sharing cut down to one thread: a vCPU stands alone. */
static void leaf_caches(struct cpuid_table *t, u32 leaf)
{
	for (u32 i = 0; i < 8; i++) {
		struct cpuid_regs r = cpuid(leaf, i);

		if (!(r.eax & 0x1f))
			break;
		r.eax &= 0x3fff;
		add(t, leaf, i, r);
	}
}

static void leaf_7(struct cpuid_table *t, const struct cpuid_limits *l)
{
	struct cpuid_regs r = cpuid(7, 0);

	if (cpu_features.max_leaf < 7)
		r = (struct cpuid_regs){ 0, 0, 0, 0 };
	r.eax = 0;
	r.ebx = (u32)((r.ebx & L7B_OFFERED) | L7B_ALWAYS);
	if (!l->invpcid)
		r.ebx &= ~(u32)L7B_INVPCID;
	r.ecx &= (u32)L7C_OFFERED;
	r.edx &= (u32)L7D_OFFERED;
	add(t, 7, 0, r)->dynamic = CPUID_LEAF7;
}

/* How many bits of the APIC id number the cores of the one package. */
static unsigned core_id_bits(const struct cpuid_limits *l)
{
	unsigned bits = 0;

	while ((1u << bits) < l->cpus)
		bits++;
	return bits;
}

static void leaf_b(struct cpuid_table *t, const struct cpuid_limits *l)
{
	/* One thread a core, all cores in one package (SDM vol. 2, CPUID leaf 0BH). */
	unsigned bits = core_id_bits(l);

	add(t, 0xb, 0, (struct cpuid_regs){ 0, 1, 0x100, 0 })->dynamic = CPUID_TOPOLOGY;
	add(t, 0xb, 1, (struct cpuid_regs){ bits, l->cpus, 0x201, 0 })->dynamic = CPUID_TOPOLOGY;
}

static void leaf_d(struct cpuid_table *t, const struct cpuid_limits *l)
{
	struct cpuid_regs r = cpuid(0xd, 0);
	u64 mask = cpu_features.xcr0_mask & XCR0_OFFERED;

	if (!cpu_features.xsave)
		return;
	r.eax = (u32)mask;
	r.edx = 0;
	r.ecx = 576;
	for (u32 i = 2; i < 32; i++) {
		struct cpuid_regs s = cpuid(0xd, i);

		if (mask & BIT(i))
			r.ecx = MAX(r.ecx, s.eax + s.ebx);
	}
	add(t, 0xd, 0, r)->dynamic = CPUID_XSTATE;
	r = cpuid(0xd, 1);
	r.eax &= (u32)LDX1A_OFFERED;
	if (!l->xsaves)
		r.eax &= ~(u32)LDX1A_XSAVES;
	add(t, 0xd, 1, (struct cpuid_regs){ r.eax, r.ebx, 0, 0 })->dynamic = CPUID_XSTATE;
	for (u32 i = 2; i < 32; i++) {
		if (mask & BIT(i))
			add(t, 0xd, i, cpuid(0xd, i));
	}
}

/* The TSC's frequency, stated: the guest need not measure it (SDM vol. 2, leaves 15H and 16H). */
static void leaf_15_16(struct cpuid_table *t, const struct cpuid_limits *l)
{
	u32 mhz = (u32)MIN(l->tsc_hz / 1000000, 0xffffull); /* 16 bits */

	/* Crystal = the local APIC timer's clock; ratio in units that keep the TSC exact to 1 kHz.
	 */
	add(t, 0x15, 0,
	    (struct cpuid_regs){ LAPIC_TIMER_HZ / 1000, (u32)(l->tsc_hz / 1000), LAPIC_TIMER_HZ,
				 0 });
	add(t, 0x16, 0, (struct cpuid_regs){ mhz, mhz, 100, 0 });
}

static void leaves_hyperv(struct cpuid_table *t)
{
	struct cpuid_regs leaf[HYPERV_CPUID_LEAVES];

	hyperv_cpuid_fill(leaf);
	for (u32 i = 0; i < HYPERV_CPUID_LEAVES; i++)
		add(t, CPUID_HV_BASE + i, 0, leaf[i]);
}

/* The leaf 10H behind Neap's first: the TSC's frequency and the local APIC timer's in kHz, as other
 * hypervisors tell them. For AMD's processors there is no other place. */
static void leaves_hypervisor(struct cpuid_table *t, const struct cpuid_limits *l)
{
	u32 base = l->hyperv ? CPUID_NEAP_BEHIND : CPUID_HV_BASE;
	struct cpuid_regs r = { base + CPUID_TIMING, 0, 0, 0 };

	if (l->hyperv)
		leaves_hyperv(t);
	memcpy(&r.ebx, "Neap", 4);
	memcpy(&r.ecx, "Neap", 4);
	memcpy(&r.edx, "Neap", 4);
	add(t, base, 0, r);
	add(t, base + CPUID_TIMING, 0,
	    (struct cpuid_regs){ (u32)(l->tsc_hz / 1000), LAPIC_TIMER_HZ / 1000, 0, 0 });
}

/* AMD's way to tell APIC ids beyond 255, and caches as Intel's leaf 4 does (APM vol. 3 E.4.15). */
static bool has_amd_topology(void)
{
	return cpu_features.amd && cpu_features.max_ext_leaf >= MAX_EXT_AMD_TOPOLOGY &&
	       (cpuid(0x80000001, 0).ecx & E1C_TOPOEXT);
}

/* What AMD adds to a leaf that the guest otherwise sees as on Intel. */
static void add_amd_features(const struct cpuid_table *t, const struct cpuid_limits *l,
			     const struct cpuid_regs *host, struct cpuid_regs *r)
{
	u32 leaf1_edx = cpuid_table_find(t, 1)->r.edx;

	r->ecx |= host->ecx & (u32)E1C_AMD_OFFERED;
	r->ecx |= l->cpus > 1 ? (u32)E1C_CMP_LEGACY : 0;
	r->ecx |= has_amd_topology() ? (u32)E1C_TOPOEXT : 0;
	r->edx |= (host->edx & (u32)E1D_AMD_OFFERED) | (leaf1_edx & E1D_AMD_SHARED);
}

static void leaf_ext_1(struct cpuid_table *t, const struct cpuid_limits *l)
{
	struct cpuid_regs host = cpuid(0x80000001, 0);
	struct cpuid_regs r = { host.eax, 0, host.ecx & (u32)E1C_OFFERED,
				host.edx & (u32)E1D_OFFERED };

	if (!l->rdtscp)
		r.edx &= ~(u32)E1D_RDTSCP;
	if (cpu_features.amd)
		add_amd_features(t, l, &host, &r);
	add(t, 0x80000001, 0, r);
}

static void leaf_ext_8(struct cpuid_table *t, const struct cpuid_limits *l)
{
	struct cpuid_regs r = cpuid(0x80000008, 0);

	r.eax = cpu_features.phys_bits | (u32)cpu_features.virt_bits << 8;
	r.ebx &= (u32)(E8B_OFFERED | (cpu_features.amd ? E8B_AMD_OFFERED : 0));
	/* The number of cores less one, and how many bits of the APIC id tell them apart. */
	r.ecx = cpu_features.amd ? (MIN(l->cpus, 256u) - 1) | core_id_bits(l) << 12 : 0;
	r.edx = 0;
	add(t, 0x80000008, 0, r);
}

static void leaves_extended(struct cpuid_table *t, const struct cpuid_limits *l)
{
	struct cpuid_regs r = cpuid(CPUID_EXT_BASE, 0);

	if (!cpu_features.amd)
		r = (struct cpuid_regs){ 0, 0, 0, 0 }; /* AMD repeats the vendor */
	r.eax = t->max_ext;
	add(t, CPUID_EXT_BASE, 0, r);
	leaf_ext_1(t, l);
	for (u32 leaf = 0x80000002; leaf <= 0x80000006; leaf++) {
		if (leaf <= cpu_features.max_ext_leaf)
			add(t, leaf, 0, cpuid(leaf, 0));
	}
	/* Invariant TSC: vCPUs do not lose ticks, offsets are fixed. */
	add(t, 0x80000007, 0, (struct cpuid_regs){ 0, 0, 0, BIT(8) });
	leaf_ext_8(t, l);
	/* No SVM, no performance counters, no encryption: the leaves between answer zero. */
	if (!has_amd_topology())
		return;
	leaf_caches(t, 0x8000001d);
	add(t, 0x8000001e, 0, (struct cpuid_regs){ 0, 0, 0, 0 })->dynamic = CPUID_AMD_NODE;
}

void cpuid_table_init(struct cpuid_table *t, const struct cpuid_limits *l)
{
	memset(t, 0, sizeof(*t));
	t->count = 1;
	t->max_basic = MAX_BASIC;
	t->max_ext = has_amd_topology() ? MAX_EXT_AMD_TOPOLOGY : MAX_EXT;
	leaf_0(t);
	leaf_1(t, l);
	/* AMD tells of caches in leaves 80000005H, 80000006H and 8000001DH. */
	if (cpu_features.max_leaf >= 2 && !cpu_features.amd)
		add(t, 2, 0, cpuid(2, 0));
	if (cpu_features.max_leaf >= 4 && cpu_features.intel)
		leaf_caches(t, 4);
	/* No power states, no performance counters: leaves 5, 6, 0xa and the gaps answer zero. */
	leaf_7(t, l);
	leaf_b(t, l);
	leaf_d(t, l);
	leaf_15_16(t, l);
	leaves_hypervisor(t, l);
	leaves_extended(t, l);
}

/* A leaf with several entries; a subleaf it does not have answers zero. */
static const struct cpuid_entry *find_subleaf(const struct cpuid_table *t,
					      const struct cpuid_entry *e, u32 subleaf)
{
	for (const struct cpuid_entry *s = e; s <= e + e->more; s++) {
		if (s->subleaf == subleaf)
			return s;
	}
	return &t->entry[0];
}

/* What XSAVE needs for the features switched on (SDM vol. 1 13.2), compacted or not. */
static u32 xsave_size(const struct cpuid_table *t, u64 features, bool compacted)
{
	u32 size = 576;

	for (u32 i = 2; i < 32; i++) {
		const struct cpuid_entry *s;

		if (!(features & BIT(i)))
			continue;
		s = find_subleaf(t, &t->entry[t->basic[0xd]], i);
		if (compacted)
			size = ((s->r.ecx & 2) ? ALIGN_UP(size, 64u) : size) + s->r.eax;
		else
			size = MAX(size, s->r.ebx + s->r.eax);
	}
	return size;
}

static void fix_dynamic(struct vcpu *vcpu, const struct cpuid_entry *e, u32 subleaf,
			u64 (*guest_cr4)(void))
{
	const struct cpuid_table *t = &vcpu->vm->cpuid;
	u64 *r = vcpu->regs.r;
	u32 id = vcpu->lapic.config.apic_id;

	switch (e->dynamic) {
	case CPUID_LEAF1:
		r[REG_RBX] |= (u64)(id & 0xff) << 24;
		r[REG_RCX] |= (guest_cr4() & CR4_OSXSAVE) ? L1C_OSXSAVE : 0;
		break;
	case CPUID_LEAF7:
		r[REG_RCX] |= (guest_cr4() & CR4_PKE) ? BIT(4) : 0;
		break;
	case CPUID_TOPOLOGY:
		r[REG_RDX] = id;
		break;
	case CPUID_XSTATE:
		r[REG_RBX] = xsave_size(t, vcpu->xcr0 | (subleaf ? vcpu->xss : 0), subleaf == 1);
		break;
	case CPUID_AMD_NODE:
		r[REG_RAX] = id;
		r[REG_RBX] = id & 0xff;
		break;
	default:
		break;
	}
}

void cpuid_give_special(struct vcpu *vcpu, const struct cpuid_entry *e, u64 (*guest_cr4)(void))
{
	const struct cpuid_table *t = &vcpu->vm->cpuid;
	u32 leaf = (u32)vcpu->regs.r[REG_RAX], subleaf = (u32)vcpu->regs.r[REG_RCX];

	if (e->more)
		e = find_subleaf(t, e, subleaf);
	cpuid_give(vcpu, e);
	if (e->dynamic)
		fix_dynamic(vcpu, e, subleaf, guest_cr4);
	/* Leaf 0BH beyond its levels returns the level asked for and the id (SDM vol. 2). */
	if (leaf == 0xb && e == &t->entry[0]) {
		vcpu->regs.r[REG_RCX] = subleaf & 0xff;
		vcpu->regs.r[REG_RDX] = vcpu->lapic.config.apic_id;
	}
}

bool cpuid_table_has(const struct cpuid_table *t, u32 leaf, u32 subleaf, unsigned reg, u32 bits)
{
	const struct cpuid_entry *e = cpuid_table_find(t, leaf);
	const u32 *v;

	if (e->more)
		e = find_subleaf(t, e, subleaf);
	v = &e->r.eax;
	return (v[reg] & bits) == bits;
}
