/*
 * MSRs of AMD's processors that guests read or write without being ready for a fault, because every
 * such machine has them: the values that a machine's firmware would have left there. The names are
 * those of AMD's BIOS and kernel developer's guides and processor programming references.
 */
#include "hv/msr_policy.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

#define MSR_PATCH_LEVEL	 0x8b
#define MSR_PERF_EVT_SEL 0xc0010000 /* four of them, then four counters */
#define MSR_SYS_CFG	 0xc0010010
#define MSR_HWCR	 0xc0010015
#define MSR_TOP_MEM	 0xc001001a
#define MSR_TOP_MEM2	 0xc001001d
#define MSR_NB_CFG	 0xc001001f
#define MSR_PATCH_LOADER 0xc0010020
#define MSR_INT_PENDING	 0xc0010055
#define MSR_MMIO_CFG	 0xc0010058
#define MSR_PSTATE_FIRST 0xc0010061 /* limit, control, status, then eight definitions */
#define MSR_PSTATE_LAST	 0xc001006b
#define MSR_VM_CR	 0xc0010114
#define MSR_OSVW_LENGTH	 0xc0010140 /* then the status */
#define MSR_DC_CFG	 0xc0011022 /* then BU_CFG */
#define MSR_DE_CFG	 0xc0011029
#define MSR_BU_CFG2	 0xc001102a
_Static_assert(MSR_AMD_FIRST <= MSR_PERF_EVT_SEL && MSR_AMD_LAST >= MSR_BU_CFG2,
	       "all are looked for");

/* Newer than any update a guest might want to load; 8 hexadecimal digits say nothing else. */
#define PATCH_LEVEL_VALUE 0x01000065

#define SYS_CFG_VAR_DRAM BIT(20) /* variable MTRRs and TOP_MEM are in force */
#define SYS_CFG_TOM2	 BIT(21) /* so is TOP_MEM2 */
#define SYS_CFG_TOM2_WB	 BIT(22) /* memory from 4 GiB to TOP_MEM2 is write-back by default */
#define HWCR_TSC_FREQ	 BIT(24) /* the TSC counts at the frequency of P-state 0 */
#define NB_CFG_EXT_CF8	 BIT(46) /* configuration space beyond 256 bytes through 0xcf8 */
#define NB_CFG_APIC_CORE BIT(54) /* the APIC id's low bits number the core */
#define VM_CR_LOCK	 BIT(3)
#define VM_CR_SVM_OFF	 BIT(4)
#define DE_CFG_LFENCE	 BIT(1) /* LFENCE waits for everything before it */
#define TOP_MEM_ALIGN	 (8 * MIB)

static u64 high_end(const struct vcpu *v)
{
	const struct guest_memmap *map = &v->vm->memmap;
	const struct memmap_area *last = &map->ram[map->ram_count - 1];

	if (!map->ram_count || last->base.v < MEMMAP_HIGH_BASE)
		return 0;
	return ALIGN_UP(last->base.v + last->size, TOP_MEM_ALIGN);
}

static u64 read_top_mem(struct vcpu *v)
{
	return ALIGN_UP(v->vm->memmap.low_end, TOP_MEM_ALIGN);
}

static u64 read_top_mem2(struct vcpu *v)
{
	return high_end(v);
}

static u64 read_sys_cfg(struct vcpu *v)
{
	return SYS_CFG_VAR_DRAM | (high_end(v) ? SYS_CFG_TOM2 | SYS_CFG_TOM2_WB : 0);
}

static const struct msr_policy policy[] = {
	{ MSR_PATCH_LEVEL, PATCH_LEVEL_VALUE, NULL, NULL, 0 },
	/* Counters that never count: there is no CPUID bit to deny them by. */
	{ MSR_PERF_EVT_SEL, 0, NULL, msr_ignore_write, 7 },
	{ MSR_SYS_CFG, 0, read_sys_cfg, msr_ignore_write, 0 },
	{ MSR_HWCR, HWCR_TSC_FREQ, NULL, msr_ignore_write, 0 },
	{ MSR_TOP_MEM, 0, read_top_mem, msr_ignore_write, 0 },
	{ MSR_TOP_MEM2, 0, read_top_mem2, msr_ignore_write, 0 },
	{ MSR_NB_CFG, NB_CFG_EXT_CF8 | NB_CFG_APIC_CORE, NULL, msr_ignore_write, 0 },
	{ MSR_PATCH_LOADER, 0, NULL, msr_ignore_write, 0 },
	{ MSR_INT_PENDING, 0, NULL, msr_ignore_write, 0 },
	{ MSR_MMIO_CFG, 0 /* off */, NULL, msr_ignore_write, 0 },
	/* No P-state is defined, so the TSC's frequency cannot be had from here. */
	{ MSR_PSTATE_FIRST, 0, NULL, msr_ignore_write, MSR_PSTATE_LAST - MSR_PSTATE_FIRST },
	{ MSR_VM_CR, VM_CR_LOCK | VM_CR_SVM_OFF, NULL, msr_ignore_write, 0 },
	{ MSR_OSVW_LENGTH, 0, NULL, msr_ignore_write, 1 },
	{ MSR_DC_CFG, 0, NULL, msr_ignore_write, 1 },
	{ MSR_DE_CFG, DE_CFG_LFENCE, NULL, msr_ignore_write, 0 },
	{ MSR_BU_CFG2, 0, NULL, msr_ignore_write, 0 },
};

const struct msr_policy *msr_amd_find(u32 msr)
{
	if (msr != MSR_PATCH_LEVEL && msr - MSR_AMD_FIRST > MSR_AMD_LAST - MSR_AMD_FIRST)
		return NULL;
	return msr_policy_find(policy, ARRAY_SIZE(policy), msr);
}
