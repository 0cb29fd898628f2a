/*
 * VMCS fields (SDM vol. 3 appendix B) and checked access to them. A field's id has a type by its
 * width, so an id can neither be mistaken for a value nor be used with the wrong width. Only
 * arch/x86/vmx includes this.
 */
#ifndef NEAP_VMX_VMCS_H
#define NEAP_VMX_VMCS_H

#include "core/types.h"

typedef struct {
	u32 id;
} vmcs16_t;
typedef struct {
	u32 id;
} vmcs32_t;
typedef struct {
	u32 id;
} vmcs64_t;
typedef struct {
	u32 id;
} vmcsn_t;

#define VMCS_VPID		((vmcs16_t){ 0x0000 })
#define VMCS_POSTED_INTR_VECTOR ((vmcs16_t){ 0x0002 })
#define VMCS_GUEST_ES_SEL	((vmcs16_t){ 0x0800 })
#define VMCS_GUEST_CS_SEL	((vmcs16_t){ 0x0802 })
#define VMCS_GUEST_SS_SEL	((vmcs16_t){ 0x0804 })
#define VMCS_GUEST_DS_SEL	((vmcs16_t){ 0x0806 })
#define VMCS_GUEST_FS_SEL	((vmcs16_t){ 0x0808 })
#define VMCS_GUEST_GS_SEL	((vmcs16_t){ 0x080a })
#define VMCS_GUEST_LDTR_SEL	((vmcs16_t){ 0x080c })
#define VMCS_GUEST_TR_SEL	((vmcs16_t){ 0x080e })
#define VMCS_GUEST_INTR_STATUS	((vmcs16_t){ 0x0810 })
#define VMCS_PML_INDEX		((vmcs16_t){ 0x0812 })
#define VMCS_HOST_ES_SEL	((vmcs16_t){ 0x0c00 })
#define VMCS_HOST_CS_SEL	((vmcs16_t){ 0x0c02 })
#define VMCS_HOST_SS_SEL	((vmcs16_t){ 0x0c04 })
#define VMCS_HOST_DS_SEL	((vmcs16_t){ 0x0c06 })
#define VMCS_HOST_FS_SEL	((vmcs16_t){ 0x0c08 })
#define VMCS_HOST_GS_SEL	((vmcs16_t){ 0x0c0a })
#define VMCS_HOST_TR_SEL	((vmcs16_t){ 0x0c0c })

#define VMCS_PIN_CONTROLS	    ((vmcs32_t){ 0x4000 })
#define VMCS_PRIMARY_CONTROLS	    ((vmcs32_t){ 0x4002 })
#define VMCS_EXCEPTION_BITMAP	    ((vmcs32_t){ 0x4004 })
#define VMCS_PF_ERROR_MASK	    ((vmcs32_t){ 0x4006 })
#define VMCS_PF_ERROR_MATCH	    ((vmcs32_t){ 0x4008 })
#define VMCS_CR3_TARGET_COUNT	    ((vmcs32_t){ 0x400a })
#define VMCS_EXIT_CONTROLS	    ((vmcs32_t){ 0x400c })
#define VMCS_EXIT_MSR_STORE_COUNT   ((vmcs32_t){ 0x400e })
#define VMCS_EXIT_MSR_LOAD_COUNT    ((vmcs32_t){ 0x4010 })
#define VMCS_ENTRY_CONTROLS	    ((vmcs32_t){ 0x4012 })
#define VMCS_ENTRY_MSR_LOAD_COUNT   ((vmcs32_t){ 0x4014 })
#define VMCS_ENTRY_INTR_INFO	    ((vmcs32_t){ 0x4016 })
#define VMCS_ENTRY_EXCEPTION_ERROR  ((vmcs32_t){ 0x4018 })
#define VMCS_ENTRY_INSTR_LEN	    ((vmcs32_t){ 0x401a })
#define VMCS_TPR_THRESHOLD	    ((vmcs32_t){ 0x401c })
#define VMCS_SECONDARY_CONTROLS	    ((vmcs32_t){ 0x401e })
#define VMCS_PLE_GAP		    ((vmcs32_t){ 0x4020 })
#define VMCS_PLE_WINDOW		    ((vmcs32_t){ 0x4022 })
#define VMCS_INSTRUCTION_ERROR	    ((vmcs32_t){ 0x4400 })
#define VMCS_EXIT_REASON	    ((vmcs32_t){ 0x4402 })
#define VMCS_EXIT_INTR_INFO	    ((vmcs32_t){ 0x4404 })
#define VMCS_EXIT_INTR_ERROR	    ((vmcs32_t){ 0x4406 })
#define VMCS_IDT_VECTORING_INFO	    ((vmcs32_t){ 0x4408 })
#define VMCS_IDT_VECTORING_ERROR    ((vmcs32_t){ 0x440a })
#define VMCS_EXIT_INSTR_LEN	    ((vmcs32_t){ 0x440c })
#define VMCS_EXIT_INSTR_INFO	    ((vmcs32_t){ 0x440e })
#define VMCS_GUEST_ES_LIMIT	    ((vmcs32_t){ 0x4800 })
#define VMCS_GUEST_CS_LIMIT	    ((vmcs32_t){ 0x4802 })
#define VMCS_GUEST_SS_LIMIT	    ((vmcs32_t){ 0x4804 })
#define VMCS_GUEST_DS_LIMIT	    ((vmcs32_t){ 0x4806 })
#define VMCS_GUEST_FS_LIMIT	    ((vmcs32_t){ 0x4808 })
#define VMCS_GUEST_GS_LIMIT	    ((vmcs32_t){ 0x480a })
#define VMCS_GUEST_LDTR_LIMIT	    ((vmcs32_t){ 0x480c })
#define VMCS_GUEST_TR_LIMIT	    ((vmcs32_t){ 0x480e })
#define VMCS_GUEST_GDTR_LIMIT	    ((vmcs32_t){ 0x4810 })
#define VMCS_GUEST_IDTR_LIMIT	    ((vmcs32_t){ 0x4812 })
#define VMCS_GUEST_ES_AR	    ((vmcs32_t){ 0x4814 })
#define VMCS_GUEST_CS_AR	    ((vmcs32_t){ 0x4816 })
#define VMCS_GUEST_SS_AR	    ((vmcs32_t){ 0x4818 })
#define VMCS_GUEST_DS_AR	    ((vmcs32_t){ 0x481a })
#define VMCS_GUEST_FS_AR	    ((vmcs32_t){ 0x481c })
#define VMCS_GUEST_GS_AR	    ((vmcs32_t){ 0x481e })
#define VMCS_GUEST_LDTR_AR	    ((vmcs32_t){ 0x4820 })
#define VMCS_GUEST_TR_AR	    ((vmcs32_t){ 0x4822 })
#define VMCS_GUEST_INTERRUPTIBILITY ((vmcs32_t){ 0x4824 })
#define VMCS_GUEST_ACTIVITY	    ((vmcs32_t){ 0x4826 })
#define VMCS_GUEST_SYSENTER_CS	    ((vmcs32_t){ 0x482a })
#define VMCS_PREEMPTION_TIMER	    ((vmcs32_t){ 0x482e })
#define VMCS_HOST_SYSENTER_CS	    ((vmcs32_t){ 0x4c00 })

#define VMCS_IO_BITMAP_A	    ((vmcs64_t){ 0x2000 })
#define VMCS_IO_BITMAP_B	    ((vmcs64_t){ 0x2002 })
#define VMCS_MSR_BITMAP		    ((vmcs64_t){ 0x2004 })
#define VMCS_EXIT_MSR_STORE	    ((vmcs64_t){ 0x2006 })
#define VMCS_EXIT_MSR_LOAD	    ((vmcs64_t){ 0x2008 })
#define VMCS_ENTRY_MSR_LOAD	    ((vmcs64_t){ 0x200a })
#define VMCS_PML_ADDRESS	    ((vmcs64_t){ 0x200e })
#define VMCS_TSC_OFFSET		    ((vmcs64_t){ 0x2010 })
#define VMCS_VIRTUAL_APIC_PAGE	    ((vmcs64_t){ 0x2012 })
#define VMCS_APIC_ACCESS_PAGE	    ((vmcs64_t){ 0x2014 })
#define VMCS_POSTED_INTR_DESC	    ((vmcs64_t){ 0x2016 })
#define VMCS_EPT_POINTER	    ((vmcs64_t){ 0x201a })
#define VMCS_EOI_EXIT_BITMAP0	    ((vmcs64_t){ 0x201c })
#define VMCS_EOI_EXIT_BITMAP1	    ((vmcs64_t){ 0x201e })
#define VMCS_EOI_EXIT_BITMAP2	    ((vmcs64_t){ 0x2020 })
#define VMCS_EOI_EXIT_BITMAP3	    ((vmcs64_t){ 0x2022 })
#define VMCS_XSS_EXIT_BITMAP	    ((vmcs64_t){ 0x202c })
#define VMCS_TSC_MULTIPLIER	    ((vmcs64_t){ 0x2032 })
#define VMCS_GUEST_PHYSICAL_ADDRESS ((vmcs64_t){ 0x2400 })
#define VMCS_LINK		    ((vmcs64_t){ 0x2800 })
#define VMCS_GUEST_DEBUGCTL	    ((vmcs64_t){ 0x2802 })
#define VMCS_GUEST_PAT		    ((vmcs64_t){ 0x2804 })
#define VMCS_GUEST_EFER		    ((vmcs64_t){ 0x2806 })
#define VMCS_GUEST_PDPTE0	    ((vmcs64_t){ 0x280a })
#define VMCS_GUEST_PDPTE1	    ((vmcs64_t){ 0x280c })
#define VMCS_GUEST_PDPTE2	    ((vmcs64_t){ 0x280e })
#define VMCS_GUEST_PDPTE3	    ((vmcs64_t){ 0x2810 })
#define VMCS_HOST_PAT		    ((vmcs64_t){ 0x2c00 })
#define VMCS_HOST_EFER		    ((vmcs64_t){ 0x2c02 })

#define VMCS_CR0_MASK		  ((vmcsn_t){ 0x6000 })
#define VMCS_CR4_MASK		  ((vmcsn_t){ 0x6002 })
#define VMCS_CR0_SHADOW		  ((vmcsn_t){ 0x6004 })
#define VMCS_CR4_SHADOW		  ((vmcsn_t){ 0x6006 })
#define VMCS_EXIT_QUALIFICATION	  ((vmcsn_t){ 0x6400 })
#define VMCS_GUEST_LINEAR_ADDRESS ((vmcsn_t){ 0x640a })
#define VMCS_GUEST_CR0		  ((vmcsn_t){ 0x6800 })
#define VMCS_GUEST_CR3		  ((vmcsn_t){ 0x6802 })
#define VMCS_GUEST_CR4		  ((vmcsn_t){ 0x6804 })
#define VMCS_GUEST_ES_BASE	  ((vmcsn_t){ 0x6806 })
#define VMCS_GUEST_CS_BASE	  ((vmcsn_t){ 0x6808 })
#define VMCS_GUEST_SS_BASE	  ((vmcsn_t){ 0x680a })
#define VMCS_GUEST_DS_BASE	  ((vmcsn_t){ 0x680c })
#define VMCS_GUEST_FS_BASE	  ((vmcsn_t){ 0x680e })
#define VMCS_GUEST_GS_BASE	  ((vmcsn_t){ 0x6810 })
#define VMCS_GUEST_LDTR_BASE	  ((vmcsn_t){ 0x6812 })
#define VMCS_GUEST_TR_BASE	  ((vmcsn_t){ 0x6814 })
#define VMCS_GUEST_GDTR_BASE	  ((vmcsn_t){ 0x6816 })
#define VMCS_GUEST_IDTR_BASE	  ((vmcsn_t){ 0x6818 })
#define VMCS_GUEST_DR7		  ((vmcsn_t){ 0x681a })
#define VMCS_GUEST_RSP		  ((vmcsn_t){ 0x681c })
#define VMCS_GUEST_RIP		  ((vmcsn_t){ 0x681e })
#define VMCS_GUEST_RFLAGS	  ((vmcsn_t){ 0x6820 })
#define VMCS_GUEST_PENDING_DEBUG  ((vmcsn_t){ 0x6822 })
#define VMCS_GUEST_SYSENTER_ESP	  ((vmcsn_t){ 0x6824 })
#define VMCS_GUEST_SYSENTER_EIP	  ((vmcsn_t){ 0x6826 })
#define VMCS_HOST_CR0		  ((vmcsn_t){ 0x6c00 })
#define VMCS_HOST_CR3		  ((vmcsn_t){ 0x6c02 })
#define VMCS_HOST_CR4		  ((vmcsn_t){ 0x6c04 })
#define VMCS_HOST_FS_BASE	  ((vmcsn_t){ 0x6c06 })
#define VMCS_HOST_GS_BASE	  ((vmcsn_t){ 0x6c08 })
#define VMCS_HOST_TR_BASE	  ((vmcsn_t){ 0x6c0a })
#define VMCS_HOST_GDTR_BASE	  ((vmcsn_t){ 0x6c0c })
#define VMCS_HOST_IDTR_BASE	  ((vmcsn_t){ 0x6c0e })
#define VMCS_HOST_SYSENTER_ESP	  ((vmcsn_t){ 0x6c10 })
#define VMCS_HOST_SYSENTER_EIP	  ((vmcsn_t){ 0x6c12 })
#define VMCS_HOST_RSP		  ((vmcsn_t){ 0x6c14 })
#define VMCS_HOST_RIP		  ((vmcsn_t){ 0x6c16 })

/* The distance between the fields of one segment register and the next, in each group. */
#define VMCS_SEG_STEP 2

/*
 * A refused access is a broken invariant: says which field. Called from the out-of-line part of the
 * accessors below, which C does not see: so checking costs one untaken jump, and the function
 * around it needs no frame for the call.
 */
void vmcs_access_failed(u32 field, u32 write) __noreturn __cold;

#define VMCS_CHECKED(instruction, field, write)         \
	instruction "\n\t"                              \
		    "jbe 1f\n\t"                        \
		    ".subsection 1\n"                   \
		    "1:\tmovl %k[" field "], %%edi\n\t" \
		    "movl $" write ", %%esi\n\t"        \
		    "call vmcs_access_failed\n\t"       \
		    ".previous"

/* Of the current VMCS, without the types of the fields; see the macros. A failure panics. */
static force_inline u64 vmcs_read_raw(u32 field)
{
	u64 v;

	__asm__ volatile(VMCS_CHECKED("vmread %[field], %[value]", "field", "0")
			 : [value] "=&r"(v)
			 : [field] "r"((u64)field)
			 : "cc");
	return v;
}

/* The same, written. */
static force_inline void vmcs_write_raw(u32 field, u64 v)
{
	__asm__ volatile(VMCS_CHECKED("vmwrite %[value], %[field]", "field", "1")
			 :
			 : [value] "r"(v), [field] "r"((u64)field)
			 : "cc", "memory");
}

/*
 * The same unchecked, on the way of every exit: for fields that each processor with VMX has, where
 * a checked access of the same VMCS is before or after it, before the guest is entered again. They
 * fail only for another field, or without a current VMCS (SDM vol. 3 31.3), which that one tells.
 */
static force_inline u64 vmcs_read_raw_quick(u32 field)
{
	u64 v;

	__asm__ volatile("vmread %[field], %[value]"
			 : [value] "=r"(v)
			 : [field] "r"((u64)field)
			 : "cc");
	return v;
}

/* As vmcs_write_raw(), where a failure cannot be. */
static force_inline void vmcs_write_raw_quick(u32 field, u64 v)
{
	__asm__ volatile("vmwrite %[value], %[field]"
			 :
			 : [value] "r"(v), [field] "r"((u64)field)
			 : "cc", "memory");
}

#define VMCS_ACCESSORS(suffix, field_t, value_t)                                \
	static force_inline value_t vmcs_read##suffix(field_t f)                \
	{                                                                       \
		return (value_t)vmcs_read_raw(f.id);                            \
	}                                                                       \
	static force_inline void vmcs_write##suffix(field_t f, value_t v)       \
	{                                                                       \
		vmcs_write_raw(f.id, v);                                        \
	}                                                                       \
	static force_inline value_t vmcs_quick_read##suffix(field_t f)          \
	{                                                                       \
		return (value_t)vmcs_read_raw_quick(f.id);                      \
	}                                                                       \
	static force_inline void vmcs_quick_write##suffix(field_t f, value_t v) \
	{                                                                       \
		vmcs_write_raw_quick(f.id, v);                                  \
	}
VMCS_ACCESSORS(16, vmcs16_t, u16)
VMCS_ACCESSORS(32, vmcs32_t, u32)
VMCS_ACCESSORS(64, vmcs64_t, u64)
VMCS_ACCESSORS(n, vmcsn_t, u64)

#endif
