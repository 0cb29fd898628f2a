/*
 * The virtual machine control block (APM vol. 2 appendix B). Only arch/x86/svm includes this. The
 * processor may keep a copy of parts of it: whoever changes a field clears its clean bit
 * (vmcb_dirty(), APM vol. 2 15.15.3).
 */
#ifndef NEAP_SVM_VMCB_H
#define NEAP_SVM_VMCB_H

#include "core/types.h"

/* intercept_cr: reads of CRn in bit n, writes in bit 16 + n. */
#define CR_WRITE(n) BIT(16 + (n))

#define MISC1_INTR     BIT(0)
#define MISC1_NMI      BIT(1)
#define MISC1_INIT     BIT(3)
#define MISC1_VINTR    BIT(4)
#define MISC1_RDPMC    BIT(15)
#define MISC1_PUSHF    BIT(16)
#define MISC1_POPF     BIT(17)
#define MISC1_CPUID    BIT(18)
#define MISC1_RSM      BIT(19)
#define MISC1_IRET     BIT(20)
#define MISC1_SWINT    BIT(21)
#define MISC1_INVD     BIT(22)
#define MISC1_PAUSE    BIT(23)
#define MISC1_HLT      BIT(24)
#define MISC1_INVLPGA  BIT(26)
#define MISC1_IO       BIT(27)
#define MISC1_MSR      BIT(28)
#define MISC1_FERR     BIT(30)
#define MISC1_SHUTDOWN BIT(31)

#define MISC2_VMRUN   BIT(0)
#define MISC2_VMMCALL BIT(1)
#define MISC2_VMLOAD  BIT(2)
#define MISC2_VMSAVE  BIT(3)
#define MISC2_STGI    BIT(4)
#define MISC2_CLGI    BIT(5)
#define MISC2_SKINIT  BIT(6)
#define MISC2_WBINVD  BIT(9)
#define MISC2_MONITOR BIT(10)
#define MISC2_MWAIT   BIT(11)
#define MISC2_ICEBP   BIT(12)
#define MISC2_XSETBV  BIT(13)
#define MISC2_RDPRU   BIT(14)

#define TLB_KEEP       0u
#define TLB_FLUSH_ALL  1u
#define TLB_FLUSH_ASID 3u

#define VINTR_TPR      0xffu
#define VINTR_IRQ      BIT(8)
#define VINTR_PRIO(p)  ((u64)(p) << 16)
#define VINTR_IGN_TPR  BIT(20)
#define VINTR_MASKING  BIT(24)
#define VMCB_SHADOW    BIT(0) /* in interrupt_shadow */
#define VMCB_NP_ENABLE BIT(0) /* in nested_control */

/* EVENTINJ and EXITINTINFO (15.20). */
#define EVENT_VALID	 BIT(31)
#define EVENT_ERROR_CODE BIT(11)
#define EVENT_TYPE_SHIFT 8
#define EVENT_EXTERNAL	 0u
#define EVENT_NMI	 2u
#define EVENT_EXCEPTION	 3u
#define EVENT_SOFTWARE	 4u

/* Clean bits. */
#define CLEAN_INTERCEPTS BIT(0) /* with the TSC offset and the pause filter */
#define CLEAN_ASID	 BIT(2)
#define CLEAN_VINTR	 BIT(3)
#define CLEAN_CR	 BIT(5) /* CR0, CR3, CR4, EFER */
#define CLEAN_DR	 BIT(6)
#define CLEAN_DT	 BIT(7)
#define CLEAN_SEG	 BIT(8)
#define CLEAN_CR2	 BIT(9)
#define CLEAN_ALL	 0x3ffu
#define CLEAN_NP	 BIT(4) /* nested CR3 and G_PAT */

struct vmcb_segment {
	u16 selector, attrib;
	u32 limit;
	u64 base;
} __packed;

/* The order in which the emulator and reports name segments is another: see svm_state.c. */
struct vmcb_save {
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved0[0xcb - 0xa0];
	u8 cpl;
	u32 reserved1;
	u64 efer;
	u8 reserved2[0x148 - 0xd8];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u8 reserved3[0x1d8 - 0x180];
	u64 rsp;
	u8 reserved4[0x1f8 - 0x1e0];
	u64 rax, star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	u8 reserved5[0x268 - 0x248];
	u64 g_pat, debugctl, br_from, br_to, last_excp_from, last_excp_to;
} __packed;

struct vmcb {
	u32 intercept_cr, intercept_dr, intercept_exceptions;
	u32 misc1, misc2, misc3;
	u8 reserved0[0x3c - 0x18];
	u16 pause_threshold, pause_count;
	u64 iopm, msrpm;
	u64 tsc_offset;
	u32 asid, tlb_control;
	u64 vintr;
	u64 interrupt_shadow;
	u64 exit_code, exit_info1, exit_info2, exit_int_info;
	u64 nested_control;
	u8 reserved1[0xa8 - 0x98];
	u64 event;
	u64 nested_cr3;
	u64 virt_ext;
	u32 clean, reserved2;
	u64 next_rip;
	u8 insn_count, insn[15];
	u8 reserved3[0x400 - 0xe0];
	struct vmcb_save save;
	u8 reserved4[0x1000 - 0x400 - sizeof(struct vmcb_save)];
} __packed __aligned(PAGE_SIZE);

_Static_assert(offsetof(struct vmcb, pause_count) == 0x3e, "APM vol. 2 table B-1");
_Static_assert(offsetof(struct vmcb, asid) == 0x58, "APM vol. 2 table B-1");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "APM vol. 2 table B-1");
_Static_assert(offsetof(struct vmcb, event) == 0xa8, "APM vol. 2 table B-1");
_Static_assert(offsetof(struct vmcb, clean) == 0xc0, "APM vol. 2 table B-1");
_Static_assert(offsetof(struct vmcb, insn_count) == 0xd0, "APM vol. 2 table B-1");
_Static_assert(offsetof(struct vmcb, save.cpl) == 0x4cb, "APM vol. 2 table B-2");
_Static_assert(offsetof(struct vmcb, save.cr4) == 0x548, "APM vol. 2 table B-2");
_Static_assert(offsetof(struct vmcb, save.rsp) == 0x5d8, "APM vol. 2 table B-2");
_Static_assert(offsetof(struct vmcb, save.cr2) == 0x640, "APM vol. 2 table B-2");
_Static_assert(offsetof(struct vmcb, save.g_pat) == 0x668, "APM vol. 2 table B-2");
_Static_assert(sizeof(struct vmcb) == PAGE_SIZE, "one frame");

/* These groups of fields have changed and are to be read at the next VMRUN (APM vol. 2 15.15.3). */
static inline void vmcb_dirty(struct vmcb *vmcb, u64 clean_bits)
{
	vmcb->clean &= ~(u32)clean_bits;
}

#endif
