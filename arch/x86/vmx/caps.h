/* What this processor's VMX offers (SDM vol. 3 appendix A), read once, and the controls chosen from
 * it. */
#ifndef NEAP_VMX_CAPS_H
#define NEAP_VMX_CAPS_H

#include "core/types.h"

#define PIN_EXT_INTR	  BIT(0)
#define PIN_NMI		  BIT(3)
#define PIN_VIRTUAL_NMI	  BIT(5)
#define PIN_PREEMPT_TIMER BIT(6)
#define PIN_POSTED_INTR	  BIT(7)

#define PRI_INTR_WINDOW BIT(2)
#define PRI_TSC_OFFSET	BIT(3)
#define PRI_HLT		BIT(7)
#define PRI_INVLPG	BIT(9)
#define PRI_MWAIT	BIT(10)
#define PRI_RDPMC	BIT(11)
#define PRI_RDTSC	BIT(12)
#define PRI_CR3_LOAD	BIT(15)
#define PRI_CR3_STORE	BIT(16)
#define PRI_CR8_LOAD	BIT(19)
#define PRI_CR8_STORE	BIT(20)
#define PRI_TPR_SHADOW	BIT(21)
#define PRI_NMI_WINDOW	BIT(22)
#define PRI_MOV_DR	BIT(23)
#define PRI_IO_ALL	BIT(24)
#define PRI_IO_BITMAPS	BIT(25)
#define PRI_MSR_BITMAPS BIT(28)
#define PRI_MONITOR	BIT(29)
#define PRI_PAUSE	BIT(30)
#define PRI_SECONDARY	BIT(31)

#define SEC_APIC_ACCESS	 BIT(0)
#define SEC_EPT		 BIT(1)
#define SEC_DESC_TABLE	 BIT(2)
#define SEC_RDTSCP	 BIT(3)
#define SEC_X2APIC_MODE	 BIT(4)
#define SEC_VPID	 BIT(5)
#define SEC_WBINVD	 BIT(6)
#define SEC_UNRESTRICTED BIT(7)
#define SEC_APIC_REGS	 BIT(8)
#define SEC_VID		 BIT(9)
#define SEC_PAUSE_LOOP	 BIT(10)
#define SEC_INVPCID	 BIT(12)
#define SEC_VMFUNC	 BIT(13)
#define SEC_VMCS_SHADOW	 BIT(14)
#define SEC_PML		 BIT(17)
#define SEC_EPT_VE	 BIT(18)
#define SEC_XSAVES	 BIT(20)
#define SEC_MODE_EXEC	 BIT(22)
#define SEC_TSC_SCALING	 BIT(25)

#define EXIT_SAVE_DEBUG	  BIT(2)
#define EXIT_HOST_64	  BIT(9)
#define EXIT_ACK_INTR	  BIT(15)
#define EXIT_SAVE_PAT	  BIT(18)
#define EXIT_LOAD_PAT	  BIT(19)
#define EXIT_SAVE_EFER	  BIT(20)
#define EXIT_LOAD_EFER	  BIT(21)
#define EXIT_SAVE_PREEMPT BIT(22)

#define ENTRY_LOAD_DEBUG BIT(2)
#define ENTRY_IA32E	 BIT(9)
#define ENTRY_LOAD_PAT	 BIT(14)
#define ENTRY_LOAD_EFER	 BIT(15)

#define EPT_CAP_WALK_4	   BIT(6)
#define EPT_CAP_WB	   BIT(14)
#define EPT_CAP_2M	   BIT(16)
#define EPT_CAP_1G	   BIT(17)
#define EPT_CAP_INVEPT	   BIT(20)
#define EPT_CAP_AD	   BIT(21)
#define EPT_CAP_INV_SINGLE BIT(25)
#define EPT_CAP_INV_ALL	   BIT(26)
#define VPID_CAP_INVVPID   BIT(32)
#define VPID_CAP_SINGLE	   BIT(41)
#define VPID_CAP_ALL	   BIT(42)

/* One control word: which bits must be 1 and which may be. */
struct vmx_control {
	const char *name;
	u32 must, may; /* `may` includes `must` */
	u32 used;      /* what Neap chose */
};

struct vmx_caps {
	u32 revision;
	u32 vmcs_size;
	bool true_controls;
	struct vmx_control pin, primary, secondary, exit, entry;
	u64 ept_vpid;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u64 misc;
	unsigned preempt_shift; /* the preemption timer counts TSC >> shift */
	/* What is in use, in words of its own. */
	bool ept_1g, ept_2m, vpid, tpr_shadow, apic_access, apic_regs, vid, x2apic_mode;
	bool posted, pause_loop, tsc_scaling, pml;
	bool preempt_timer, virtual_nmi, xsaves, invpcid, rdtscp, pat, ept_ad;
};

extern struct vmx_caps vmx_caps;

/*
 * Reads the capability MSRs and chooses the controls. 0; -ENODEV with a sentence logged when the
 * processor has no VMX or firmware has locked it off; -ENOTSUP when something Neap cannot do
 * without is missing. Boot CPU, once.
 */
int vmx_caps_read(void) __must_check;

/* The whole table, for the boot report. */
void vmx_caps_print(void);

#endif
