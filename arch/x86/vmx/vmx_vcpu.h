/* What VMX keeps for a vCPU, shared by the files of this directory. */
#ifndef NEAP_VMX_VMX_VCPU_H
#define NEAP_VMX_VMX_VCPU_H

#include "arch/x86/guest_live.h"
#include "arch/x86/run_next.h"
#include "arch/x86/vmx/caps.h"
#include "arch/x86/vmx/vmcs.h"
#include "hv/backend.h"
#include "hv/vm.h"

/* What an NMI waits for that could not be injected. */
enum vmx_nmi_wait { NMI_WAITS_NOT, NMI_WAITS_FOR_IRET, NMI_WAITS_FOR_IF };

/*
 * In a frame of its own: so the descriptor is page-aligned at no cost. (64 bytes would do for a
 * processor; Bochs 2.7 wants a page. docs/caveats.md.)
 */
struct vmx_vcpu {
	struct lapic_posted posted; /* the processor's, while posted interrupts are used */
	hpa_t vmcs;
	u64 *pml;	 /* the log that vmx_pml.c empties; NULL without PML */
	void *apic_page; /* the virtual-APIC page, the local APIC's registers */
	u8 *msr_bitmap;
	struct guest_live live;
	const struct cpu *host; /* where it was loaded last, as the VMCS's host state says */
	u16 vpid;
	bool launched;
	bool pml_used; /* the VMCS knows of the log */
	bool current;  /* the VMCS is this CPU's current one: VMREAD reads it */
	bool irq_window;
	bool use_posted; /* the processor takes in what is posted while the guest runs */
	enum vmx_nmi_wait nmi_wait;
	bool no_nmi;   /* none was blocked when it was loaded, and none injected since */
	u32 vectoring; /* IDT-vectoring information of the last exit if an event must be repeated */
	u32 secondary; /* secondary controls in force */
	u32 primary;
	u32 tpr_threshold; /* what is in the VMCS */
	s16 rvi;	   /* virtual-interrupt delivery: what RVI was set to last */
	/* Values of registers that the guest owns while it is loaded. */
	u64 passthrough[16];
	u64 cr2, dr6;
};
_Static_assert(sizeof(struct vmx_vcpu) <= PAGE_SIZE && offsetof(struct vmx_vcpu, posted) == 0,
	       "a frame, the descriptor at its beginning");

/* What VMX keeps for a vCPU; from its creation to its end. */
static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu)
{
	return vcpu->backend;
}

/* CR0 bits the guest cannot change without an exit; the same for CR4, from its CPUID. */
#define VMX_CR0_OWNED (CR0_PG | CR0_NE | CR0_CD | CR0_NW)

/*
 * Owner, loaded. Whether NMIs are blocked, as vmx_load_nmi() found it and injections have left it.
 * Bochs's entries begin the blocking, but do not end what another vCPU's handler has left: the VMCS
 * then says at the next exit that this vCPU is in a handler, until it executes an IRET.
 */
void vmx_load_nmi(struct vcpu *vcpu);
void vmx_correct_nmi(struct vcpu *vcpu);

/* Called at each exit, interrupts off, on the vCPU's stack. */
enum run_next vmx_exit_handle(struct vcpu *vcpu);

/*
 * The pending word is not zero after an exit: an interrupt alone is delivered here and now,
 * everything else is for the vCPU's loop. next: what the exit's handler has said, and what is said
 * again. Likewise.
 */
enum run_next vmx_exit_pending(struct vcpu *vcpu, enum run_next next);

/* Runs the guest until something needs the loop. Nonzero: VM entry itself was refused. */
int vmx_enter(struct vcpu *vcpu, bool launched);
extern char vmx_exit_entry[];

/* CR0 and CR4 as the guest sees them. */
static inline u64 vmx_guest_cr0(void)
{
	return (vmcs_readn(VMCS_GUEST_CR0) & ~VMX_CR0_OWNED) |
	       (vmcs_readn(VMCS_CR0_SHADOW) & VMX_CR0_OWNED);
}

/* CR4 as the guest reads it. Its VMCS is current. */
static inline u64 vmx_guest_cr4(void)
{
	u64 mask = vmcs_readn(VMCS_CR4_MASK);

	return (vmcs_readn(VMCS_GUEST_CR4) & ~mask) | (vmcs_readn(VMCS_CR4_SHADOW) & mask);
}

/* --- vmx_state.c --- */
/* The guest's CR0 and CR4 become these, beside what VMX wants of them; checked by the caller. */
void vmx_write_cr0(u64 cr0);
void vmx_write_cr4(u64 cr4);
void vmx_reset(struct vcpu *vcpu);
void vmx_set_start(struct vcpu *vcpu, const struct start_state *state);
void vmx_set_sipi(struct vcpu *vcpu, u8 vector);
void vmx_get_mode(struct vcpu *vcpu, struct guest_state *s);
void vmx_get_segment(struct vcpu *vcpu, unsigned seg, struct guest_segment *out);
void vmx_get_state(struct vcpu *vcpu, struct guest_state *s);
void vmx_set_rip(struct vcpu *vcpu, u64 rip, u64 rflags, u64 rsp, bool executed);

/* --- vmx_event.c --- */
void vmx_inject_exception(struct vcpu *vcpu, u8 vector, bool has_error, u32 error);
/* The #DB of an INT1 (0xf1) at RIP, of that length. */
void vmx_inject_int1(struct vcpu *vcpu, u32 length);
void vmx_deliver_irq(struct vcpu *vcpu);
bool vmx_deliver_nmi(struct vcpu *vcpu);
bool vmx_deliver_irq_to_halted(struct vcpu *vcpu);
void vmx_set_irq_window(struct vcpu *vcpu, bool on);
/* True if an NMI has waited for this, which is over. */
bool vmx_end_nmi_wait(struct vcpu *vcpu, enum vmx_nmi_wait what);
/* The same for one that waits for whatever, unless the vCPU is in an NMI's handler. */
bool vmx_nmi_may_come(struct vcpu *vcpu);
/* After an exit during event delivery: sees to it that the event is repeated at the next entry. */
void vmx_save_vectoring(struct vcpu *vcpu);
void vmx_requeue_vectoring(struct vcpu *vcpu);

/* --- vmx_posted.c --- */
/* Boot CPU, once: the notification vector's handler. -EBUSY, -EINVAL. */
int vmx_posted_probe(void) __must_check;
/* Uses posted interrupts from the next entry on, or no longer; virtual-interrupt delivery is as
 * wanted for it. */
void vmx_posted_switch(struct vcpu *vcpu, bool on);
/* The vCPU comes to this CPU, or leaves it; and is about to run its guest: false if something is
 * to be done before. */
void vmx_posted_load(struct vcpu *vcpu);
void vmx_posted_unload(struct vcpu *vcpu);
bool vmx_posted_enter(struct vcpu *vcpu);
void vmx_notify_running(struct vcpu *vcpu);

/* The secondary controls of this vCPU, but for those that depend on its APIC's mode. */
static inline u32 vmx_secondary(const struct vcpu *v)
{
	return vmx_caps.secondary.used | (v->vm->tsc.mult ? (u32)SEC_TSC_SCALING : 0);
}

/* --- vmx_apic.c --- */
void vmx_update_apic_mode(struct vcpu *vcpu);
void vmx_update_eoi_bitmap(struct vcpu *vcpu);

/* --- vmx_pml.c --- */
/* The log's page. -ENOMEM. And frees it. */
int vmx_pml_init(struct vcpu *vcpu) __must_check;
void vmx_pml_fini(struct vcpu *vcpu);
/* Points the VMCS, which is current, to it, the first time. */
void vmx_pml_reset(struct vcpu *vcpu);
/* Owner's CPU, between an exit and an entry, or when it is not entered: what the processor has
 * logged goes into the slots' bitmaps. Nothing while the VMCS is not current. A reader of RCU's. */
void vmx_pml_drain(struct vcpu *vcpu);

/* --- vmx_cr.c --- */
enum run_next vmx_exit_cr(struct vcpu *vcpu);
/* CR4 bits this guest may set. */
u64 vmx_guest_cr4_allowed(const struct vcpu *vcpu);

/* --- vmx_check.c --- */
/* Says in words which check of SDM vol. 3 chapter 27 the current VMCS fails, as far as it can be
 * found. */
void vmx_report_entry_failure(struct vcpu *vcpu, const char *what);

/*
 * How long a guest with interrupts off keeps host events waiting, where interrupts do not end its
 * run: 1 ms of it, in one piece or, as the timer's rest is saved at every exit, in many.
 */
#define PREEMPT_PERIOD_HZ 1000

/* The full period again. Loaded vCPU. */
void vmx_arm_preemption_timer(void);

/* --- vmx_exit.c --- */
const char *vmx_exit_name(u32 reason);

/*
 * A debug trap is to be delivered after the next entry. Nothing may be injected there but an
 * exception: that would take the trap away (SDM vol. 3 27.7.3).
 */
static inline bool vmx_trap_pending(void)
{
	return vmcs_quick_readn(VMCS_GUEST_PENDING_DEBUG) != 0;
}

/* RFLAGS.IF of the guest. Its VMCS is current. */
static force_inline bool vmx_irqs_enabled(void)
{
	return vmcs_quick_readn(VMCS_GUEST_RFLAGS) & RFLAGS_IF;
}

/* Flags: RFLAGS.IF and no interrupt shadow, no event waiting to be injected. */
static force_inline bool vmx_can_take_irq(void)
{
	return vmx_irqs_enabled() && !(vmcs_quick_read32(VMCS_GUEST_INTERRUPTIBILITY) & 3) &&
	       !(vmcs_quick_read32(VMCS_ENTRY_INTR_INFO) & BIT(31)) && !vmx_trap_pending();
}

/* RIP becomes `next`, behind the instruction that exited: ends interrupt shadows, and lets a single
 * step trap. Returns RFLAGS. */
static inline u64 vmx_retire(struct vcpu *vcpu, u64 next)
{
	u32 shadow;
	u64 rflags;

	/* Outside of 64-bit code RIP has 32 bits. */
	if (unlikely((next ^ vcpu->rip) >> 32) && !(vmcs_read32(VMCS_GUEST_CS_AR) & SEG_AR_L))
		next = (u32)next;
	vmcs_quick_writen(VMCS_GUEST_RIP, next);
	shadow = vmcs_quick_read32(VMCS_GUEST_INTERRUPTIBILITY);
	if (unlikely(shadow & 3))
		vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, shadow & ~3u);
	rflags = vmcs_quick_readn(VMCS_GUEST_RFLAGS);
	/* SDM vol. 3 27.3.1.5: the trap of a single step is ours to leave pending (bit 14, BS). */
	if (unlikely(rflags & RFLAGS_TF))
		vmcs_writen(VMCS_GUEST_PENDING_DEBUG,
			    vmcs_readn(VMCS_GUEST_PENDING_DEBUG) | BIT(14));
	return rflags;
}

/* The same behind that instruction, as it has no jump; RF has ended at the exit (SDM vol. 3
 * 28.3.3). */
static inline void vmx_skip_instruction(struct vcpu *vcpu)
{
	(void)vmx_retire(vcpu, vcpu->rip + vmcs_quick_read32(VMCS_EXIT_INSTR_LEN));
}

/* #GP(0) at the instruction that exited. */
static inline enum run_next vmx_inject_gp(struct vcpu *vcpu)
{
	vmx_inject_exception(vcpu, 13, true, 0);
	return RUN_RESUME;
}

#endif
