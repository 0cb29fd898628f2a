/* What SVM keeps for a vCPU, shared by the files of this directory. */
#ifndef NEAP_SVM_SVM_VCPU_H
#define NEAP_SVM_SVM_VCPU_H

#include "arch/x86/cpu.h"
#include "arch/x86/guest_live.h"
#include "arch/x86/run_next.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_offsets.h"
#include "arch/x86/svm/vmcb.h"
#include "hv/backend.h"
#include "hv/vm.h"

/* What is stepped over. */
enum svm_step { STEP_NONE, STEP_IRET, STEP_SHADOWED };

/* The vCPU's own thread only. The entry assembly knows the first three. */
struct svm_vcpu {
	struct vmcb *vmcb;
	hpa_t vmcb_pa;
	hpa_t host_vmcb;	    /* of the CPU the vCPU is loaded on */
	const struct svm_cpu *host; /* likewise */
	struct guest_live live;
	u64 tsc_aux;
	u64 asid_generation; /* of the CPU's ASIDs; another one there: a new ASID is needed */
	u32 vectoring;	     /* the event whose delivery the last exit interrupted; 0: none */
	u32 vectoring_error;
	u8 tpr; /* V_TPR as last agreed on with the local APIC */

	/* SVM does not say that NMIs are blocked: it is known from IRETs (svm_nmi.c). */
	bool nmi_blocked, nmi_wanted;
	enum svm_step stepping;
	/* TF and RF, BS and the intercepts as they are without a step. */
	u64 step_flags, step_dr6;
	u32 step_exceptions;
	u64 cr4_allowed, efer_allowed;
};

/* What SVM keeps for a vCPU; from its creation to its end. */
static inline struct svm_vcpu *svm_of(const struct vcpu *vcpu)
{
	return vcpu->backend;
}

_Static_assert(offsetof(struct svm_vcpu, vmcb) == SVM_OFF_VMCB, "entry assembly");
_Static_assert(offsetof(struct svm_vcpu, vmcb_pa) == SVM_OFF_VMCB_PA, "entry assembly");
_Static_assert(offsetof(struct svm_vcpu, host_vmcb) == SVM_OFF_HOST_VMCB, "entry assembly");
_Static_assert(offsetof(struct vmcb, tlb_control) == VMCB_OFF_TLB_CONTROL, "entry assembly");
_Static_assert(offsetof(struct vmcb, event) == VMCB_OFF_EVENT, "entry assembly");
_Static_assert(offsetof(struct vmcb, clean) == VMCB_OFF_CLEAN, "entry assembly");
_Static_assert(offsetof(struct vmcb, save.rax) == VMCB_OFF_RAX, "entry assembly");
_Static_assert(VMCB_TLB_KEEP == TLB_KEEP && VMCB_CLEAN_ALL == CLEAN_ALL, "entry assembly");

/* --- svm_entry.S --- */
/* Runs the guest until something needs the loop. State loaded, interrupts off. */
void svm_enter(struct vcpu *vcpu, struct svm_vcpu *svm);
/* The entry of #DB where single steps of the guest's leak out of it. */
void svm_debug_entry(void);

/* --- svm_exit.c: as their namesakes in arch/x86/vmx --- */
enum run_next svm_exit_handle(struct vcpu *vcpu);
enum run_next svm_exit_pending(struct vcpu *vcpu, enum run_next next);
const char *svm_exit_name(u32 reason);

/* --- svm_state.c --- */
/*
 * The guest's state at power-up and INIT (APM vol. 2 table 14-1). What is under way, a step or an
 * NMI's handler, is dropped and not ended: the controls it has changed the caller writes anew.
 * Loaded, own thread.
 */
void svm_reset(struct vcpu *vcpu);
void svm_set_start(struct vcpu *vcpu, const struct start_state *state);
void svm_set_sipi(struct vcpu *vcpu, u8 vector);
void svm_get_mode(struct vcpu *vcpu, struct guest_state *s);
void svm_get_segment(struct vcpu *vcpu, unsigned seg, struct guest_segment *out);
void svm_get_state(struct vcpu *vcpu, struct guest_state *s);
void svm_set_rip(struct vcpu *vcpu, u64 rip, u64 rflags, u64 rsp, bool executed);

/* --- svm_event.c --- */
void svm_inject_exception(struct vcpu *vcpu, u8 vector, bool has_error, u32 error);
void svm_deliver_irq(struct vcpu *vcpu);
bool svm_deliver_irq_to_halted(struct vcpu *vcpu);
void svm_set_irq_window(struct vmcb *vmcb, bool on);
/* V_TPR follows a TPR that was written other than by the guest's CR8. */
void svm_agree_on_tpr(struct vcpu *vcpu);
/* An exit that interrupted the delivery of an event: notes it; sees to its repetition. */
void svm_save_vectoring(struct vcpu *vcpu);
void svm_requeue_vectoring(struct vcpu *vcpu);
void svm_write_event(struct vmcb *vmcb, u32 vector, u32 type, bool has_error, u32 error);

/* --- svm_nmi.c --- */
bool svm_deliver_nmi(struct vcpu *vcpu);
/* The guest is about to execute IRET while NMIs are blocked. */
enum run_next svm_exit_iret(struct vcpu *vcpu);
/* Posts an NMI that had to wait, if what it waited for is over. */
void svm_retry_nmi(struct vcpu *vcpu);
/* Right before an entry, without a window between: the guest is left right behind the event that
 * goes in now: an NMI waits for it. */
void svm_exit_behind_event(void);

/*
 * The same where it is needed for the event itself: where VMRUN may deliver an external interrupt
 * that it injects once more, the guest is left right behind it, which prevents that.
 */
static inline void svm_guard_event(const struct vmcb *vmcb)
{
	u64 mask = EVENT_VALID | 7ull << EVENT_TYPE_SHIFT;

	if (unlikely(!svm_caps.injects_once) &&
	    (vmcb->event & mask) == (EVENT_VALID | (u64)EVENT_EXTERNAL << EVENT_TYPE_SHIFT))
		svm_exit_behind_event();
}

/* --- svm_step.c --- */
/* Nothing is stepped over yet, and no event goes in now. */
void svm_step_begin(struct svm_vcpu *x, enum svm_step what);
/* What is stepped over is not to be, or has raised an exception. */
enum run_next svm_exit_unsteppable(struct vcpu *vcpu);
enum run_next svm_exit_step_fault(struct vcpu *vcpu);
/* The PUSHF that is stepped over is emulated. */
enum run_next svm_exit_step_pushf(struct vcpu *vcpu);
/* A #DB. True: it was that of a step, and not the guest's own. */
bool svm_step_done(struct vcpu *vcpu);
/* The instruction that is stepped over was done, or given up, without the processor. */
void svm_step_end(struct vcpu *vcpu);
/* svm_keep_shadow()'s longer half. */
void svm_step_over_shadowed(struct vcpu *vcpu);

/*
 * An exit that leaves RIP where it is and may have come in an interrupt shadow, which is to cover
 * the instruction still: between STI and HLT an interrupt would be followed by a HLT that nothing
 * ends.
 */
static inline void svm_keep_shadow(struct vcpu *vcpu)
{
	if (unlikely(svm_of(vcpu)->vmcb->interrupt_shadow & VMCB_SHADOW))
		svm_step_over_shadowed(vcpu);
}

/* --- svm_cr.c --- */
enum run_next svm_exit_write_cr(struct vcpu *vcpu);
/* EFER and PAT, which live in the VMCB. 0; -ENOENT: another register; -EIO: #GP(0). */
int svm_msr_read(struct vcpu *vcpu, u32 msr, u64 *value) __must_check;
int svm_msr_write(struct vcpu *vcpu, u32 msr, u64 value) __must_check;

/* --- svm_check.c --- */
/* Says in words which check of APM vol. 2 15.5.1 the VMCB fails, as far as it can be found. */
void svm_report_invalid(struct vcpu *vcpu);

/* --- svm_skip.c --- */
/* The same for processors that do not save the next RIP: decodes the instruction. */
void svm_skip_decoded(struct vcpu *vcpu);
/* An instruction was executed for the guest with TF set, by the guest or to step over it. */
void svm_step_trap(struct vcpu *vcpu);
/* Outside of 64-bit code RIP has 32 bits. */
u64 svm_wrap_rip(const struct vcpu *vcpu, u64 rip);

/* RIP becomes `next`, past the instruction that exited, and RFLAGS is as the instruction leaves it:
 * ends interrupt shadows, lets a step trap. */
static inline void svm_retire(struct vcpu *vcpu, u64 next)
{
	struct vmcb *vmcb = svm_of(vcpu)->vmcb;

	if (unlikely((next ^ vmcb->save.rip) >> 32))
		next = svm_wrap_rip(vcpu, next);
	vmcb->save.rip = next;
	vmcb->interrupt_shadow &= ~VMCB_SHADOW;
	if (unlikely(vmcb->save.rflags & RFLAGS_TF))
		svm_step_trap(vcpu);
}

/* The same for an instruction that leaves RFLAGS alone: RF ends behind it. */
static inline void svm_skip_to(struct vcpu *vcpu, u64 next)
{
	svm_of(vcpu)->vmcb->save.rflags &= ~RFLAGS_RF;
	svm_retire(vcpu, next);
}

/* The register that the MOV to a control register at RIP reads, and its length; or -EFAULT: a fault
 * was injected, -EINVAL: it is no such instruction. */
int svm_decode_mov_to_cr(struct vcpu *vcpu, unsigned *length) __must_check;

/* How the guest fetches its code: for the vCPU's fetch caches. CS.L has the place of FETCH_CS_L. */
static force_inline u64 svm_fetch_mode(const struct vmcb_save *s)
{
	return fetch_mode(s->cr0, s->cr4, s->efer, s->cs.attrib & FETCH_CS_L, s->cpl);
}

/* Moves RIP past the instruction that exited. */
static inline void svm_skip_instruction(struct vcpu *vcpu)
{
	if (likely(svm_caps.nrip))
		svm_skip_to(vcpu, svm_of(vcpu)->vmcb->next_rip);
	else
		svm_skip_decoded(vcpu);
}

/* #GP(0) at the instruction that exited. */
static inline enum run_next svm_inject_gp(struct vcpu *vcpu)
{
	svm_inject_exception(vcpu, 13, true, 0);
	return RUN_RESUME;
}

#endif
