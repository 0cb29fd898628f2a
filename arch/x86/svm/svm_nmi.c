/*
 * NMIs into the guest. The processor does not say whether they are blocked: it is followed here.
 * While the guest handles an NMI its IRET exits before it is executed, and is then stepped over
 * with TF, which it replaces by the flags it loads; behind it NMIs may come again. An instruction
 * in an interrupt shadow, where no NMI may be injected, is stepped over likewise.
 */
#include "arch/x86/apic.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "arch/x86/trap.h"
#include "core/percpu.h"

enum run_next svm_exit_iret(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	if (x->stepping)
		return svm_exit_unsteppable(v);
	x->vmcb->misc1 &= ~(u32)MISC1_IRET;
	vmcb_dirty(x->vmcb, CLEAN_INTERCEPTS);
	svm_step_begin(x, STEP_IRET);
	return RUN_RESUME;
}

void svm_retry_nmi(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	if (!x->nmi_wanted || x->nmi_blocked || x->stepping)
		return;
	x->nmi_wanted = false;
	vcpu_post(v, VCPU_NMI);
}

/* The interrupt that is pending from here on ends the guest's run right behind the event, and its
 * handler tries again. If the event is not delivered, svm_requeue_vectoring() does. */
void svm_exit_behind_event(void)
{
	apic_send_ipi(this_cpu()->apic_id, VEC_KICK);
}

bool svm_deliver_nmi(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb *vmcb = x->vmcb;

	if (x->nmi_blocked || x->stepping) {
		x->nmi_wanted = true;
		return false;
	}
	if (vmcb->event & EVENT_VALID) {
		/* That event goes first: svm_exit_behind_event(). */
		x->nmi_wanted = true;
		return false;
	}
	if (vmcb->interrupt_shadow & VMCB_SHADOW) {
		x->nmi_wanted = true;
		svm_step_begin(x, STEP_SHADOWED);
		return false;
	}
	svm_write_event(vmcb, VEC_NMI, EVENT_NMI, false, 0);
	x->nmi_blocked = true;
	vmcb->misc1 |= (u32)MISC1_IRET;
	vmcb_dirty(vmcb, CLEAN_INTERCEPTS);
	return true;
}
