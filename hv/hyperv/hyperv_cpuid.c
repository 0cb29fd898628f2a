/* TLFS, "Feature and interface discovery". Only what is there is offered; hyperv_msr.c and
 * hypercall.c have it. */
#include "hv/hyperv/hyperv_cpuid.h"

#include <string.h>

#include "core/percpu.h"
#include "hv/config.h"

#define LEAF_BASE      0x40000000u
#define INTERFACE_HV_1 0x31237648u /* "Hv#1" */

/* Leaf 3, EAX: low half of the partition's privileges. */
#define MAY_REFERENCE_COUNTER BIT(1)
#define MAY_APIC_MSRS	      BIT(4) /* EOI, ICR, TPR and the VP assist page */
#define MAY_HYPERCALL_MSRS    BIT(5)
#define MAY_VP_INDEX	      BIT(6)
#define MAY_RESET	      BIT(7)
#define MAY_REFERENCE_TSC     BIT(9)
#define MAY_FREQUENCY_MSRS    BIT(11)
#define MAY_TSC_INVARIANT     BIT(15)
/* Leaf 3, EDX: features. */
#define HAS_FREQUENCY_MSRS BIT(8)
#define HAS_CRASH_MSRS	   BIT(10)
#define HAS_HYPERCALL_LOCK BIT(18)
/* Leaf 4, EAX: recommendations. */
#define USE_REMOTE_FLUSH   BIT(2)
#define USE_RELAXED_TIMING BIT(5)
#define USE_NO_AUTO_EOI	   BIT(9)
#define USE_CLUSTER_IPI	   BIT(10)
#define USE_EX_MASKS	   BIT(11)
#define NEVER_NOTIFY_SPIN  UINT32_MAX
/* Leaf 6, EAX: the hardware's features in use. */
#define HW_MSR_BITMAPS	BIT(1)
#define HW_NESTED_PAGES BIT(3)

void hyperv_cpuid_fill(struct cpuid_regs leaf[HYPERV_CPUID_LEAVES])
{
	memset(leaf, 0, HYPERV_CPUID_LEAVES * sizeof(*leaf));
	leaf[0].eax = LEAF_BASE + HYPERV_CPUID_LEAVES - 1;
	memcpy(&leaf[0].ebx, "Micr", 4);
	memcpy(&leaf[0].ecx, "osof", 4);
	memcpy(&leaf[0].edx, "t Hv", 4);
	leaf[1].eax = INTERFACE_HV_1;
	/* Leaf 2, the version of Microsoft's hypervisor: it is none. */
	leaf[3].eax =
		(u32)(MAY_REFERENCE_COUNTER | MAY_APIC_MSRS | MAY_HYPERCALL_MSRS | MAY_VP_INDEX |
		      MAY_RESET | MAY_REFERENCE_TSC | MAY_FREQUENCY_MSRS | MAY_TSC_INVARIANT);
	leaf[3].edx = (u32)(HAS_FREQUENCY_MSRS | HAS_CRASH_MSRS | HAS_HYPERCALL_LOCK);
	leaf[4].eax = (u32)(USE_REMOTE_FLUSH | USE_RELAXED_TIMING | USE_NO_AUTO_EOI |
			    USE_CLUSTER_IPI | USE_EX_MASKS);
	leaf[4].ebx = NEVER_NOTIFY_SPIN;
	leaf[5].eax = VM_MAX_CPUS;
	leaf[5].ebx = CPU_MAX;
	leaf[6].eax = (u32)(HW_MSR_BITMAPS | HW_NESTED_PAGES);
}
