/*
 * Stepping over one instruction of the guest's with TF: over an IRET, which replaces it by the
 * flags it loads, and over one in an interrupt shadow that VMRUN cannot be trusted with (svm_nmi.c,
 * svm_keep_shadow()).
 */
#include "arch/x86/desc.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "hv/mmio.h"

/*
 * What ends a step before the instruction is done: all exceptions but #DF, and so TF is not in the
 * flags that these push. In a shadow also the instructions that could show TF to the guest or load
 * another, and the traps: they are not executed under it at all.
 */
#define STEP_FAULTS                                                                          \
	(BIT(VEC_DE) | BIT(VEC_DB) | BIT(VEC_BP) | BIT(VEC_OF) | BIT(VEC_BR) | BIT(VEC_UD) | \
	 BIT(VEC_NM) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | \
	 BIT(VEC_MF) | BIT(VEC_AC) | BIT(VEC_XM))
#define STEP_MISC1 (MISC1_PUSHF | MISC1_POPF | MISC1_IRET | MISC1_SWINT)
#define STEP_MISC2 MISC2_ICEBP

#define DR6_HITS   0xfull
#define DR6_STATUS (DR6_HITS | DR6_BS)

void svm_step_begin(struct svm_vcpu *x, enum svm_step what)
{
	struct vmcb *vmcb = x->vmcb;
	struct vmcb_save *s = &vmcb->save;

	x->stepping = what;
	x->step_flags = s->rflags & (RFLAGS_TF | RFLAGS_RF);
	x->step_dr6 = s->dr6 & DR6_STATUS;
	s->dr6 &= ~DR6_STATUS;
	x->step_exceptions = vmcb->intercept_exceptions;
	s->rflags |= RFLAGS_TF | RFLAGS_RF;
	vmcb->intercept_exceptions |= STEP_FAULTS;
	if (what == STEP_SHADOWED) {
		vmcb->misc1 |= (u32)STEP_MISC1;
		vmcb->misc2 |= (u32)STEP_MISC2;
	}
	vmcb_dirty(vmcb, CLEAN_INTERCEPTS | CLEAN_DR);
}

/* Everything but the flags and DR6. Behind an IRET NMIs are not blocked, whatever became of the
 * step. */
static void leave_step(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb *vmcb = x->vmcb;

	if (x->stepping == STEP_IRET)
		x->nmi_blocked = false;
	x->stepping = STEP_NONE;
	vmcb->intercept_exceptions = x->step_exceptions;
	vmcb->misc1 &= ~(u32)STEP_MISC1;
	if (x->nmi_blocked)
		vmcb->misc1 |= (u32)MISC1_IRET;
	vmcb->misc2 &= ~(u32)STEP_MISC2;
	vmcb_dirty(vmcb, CLEAN_INTERCEPTS);
	svm_retry_nmi(v);
	vcpu_post(v, VCPU_IRQ);
}

void svm_step_end(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb_save *s = &x->vmcb->save;

	s->rflags = (s->rflags & ~RFLAGS_TF) | (x->step_flags & RFLAGS_TF);
	s->dr6 |= x->step_dr6;
	vmcb_dirty(x->vmcb, CLEAN_DR);
	leave_step(v);
}

/* What is stepped over has not begun, and TF and RF are the guest's again. */
static void give_up_step(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb_save *s = &x->vmcb->save;

	s->rflags = (s->rflags & ~RFLAGS_RF) | (x->step_flags & RFLAGS_RF);
	x->vmcb->interrupt_shadow &= ~VMCB_SHADOW;
	svm_step_end(v);
}

/* In a shadow: what waits comes in front of it, as if there were none. */
enum run_next svm_exit_unsteppable(struct vcpu *v)
{
	give_up_step(v);
	return RUN_RESUME;
}

/* Nothing that waits is looked at before the PUSHF is done: it comes behind it. */
enum run_next svm_exit_step_pushf(struct vcpu *v)
{
	give_up_step(v);
	mmio_emulate(v, &(struct mmio_hint){ .valid = false });
	return RUN_RESUME_ALL;
}

static bool pushes_error_code(u32 vector)
{
	return vector == VEC_AC || (vector >= VEC_TS && vector <= VEC_PF);
}

enum run_next svm_exit_step_fault(struct vcpu *v)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;
	u32 vector = (u32)vmcb->exit_code & 0x1f;

	/* APM vol. 2 15.12.15: the address has not gone to CR2. */
	if (vector == VEC_PF)
		backend->set_cr2(v, vmcb->exit_info2);
	svm_inject_exception(v, (u8)vector, pushes_error_code(vector), (u32)vmcb->exit_info1);
	return RUN_RESUME;
}

bool svm_step_done(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb_save *s = &x->vmcb->save;
	bool own = x->step_flags & RFLAGS_TF, hit;

	if (!x->stepping)
		return false;
	/* Over an IRET: the flags are those it has loaded. */
	if (x->stepping == STEP_SHADOWED && !own)
		s->rflags &= ~RFLAGS_TF;
	leave_step(v);
	vmcb_dirty(x->vmcb, CLEAN_DR);
	hit = s->dr6 & DR6_HITS;
	s->dr6 = (s->dr6 & ~DR6_BS) | (x->step_dr6 & (hit ? DR6_BS : DR6_STATUS));
	/* A breakpoint's hit, or the guest's own step, is the guest's as well. */
	if (own)
		s->dr6 |= DR6_BS;
	return !own && !hit;
}

void svm_step_over_shadowed(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	if (!svm_caps.loads_shadow && !x->stepping && !x->vectoring)
		svm_step_begin(x, STEP_SHADOWED);
}
