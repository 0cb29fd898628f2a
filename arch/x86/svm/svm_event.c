/* Events into the guest: exceptions, external interrupts, NMIs, and their repetition after an exit.
 */
#include "arch/x86/apic.h"
#include "arch/x86/desc.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "arch/x86/trap.h"
#include "core/percpu.h"
#include "hv/exception.h"

#define WINDOW_PRIORITY 0xfu

static void write_event(struct vmcb *vmcb, u32 vector, u32 type, bool has_error, u32 error)
{
	vmcb->event = (u64)error << 32 | EVENT_VALID | (has_error ? EVENT_ERROR_CODE : 0) |
		      type << EVENT_TYPE_SHIFT | vector;
}

void svm_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	struct svm_vcpu *x = svm_of(v);
	struct exception e = { vector, has_error, error };
	u32 first = x->vectoring;

	x->vectoring = 0;
	if (!exception_merge(first, &e)) {
		vm_kill(v, "triple fault: exception %u while a double fault was delivered", vector);
		return;
	}
	/* Real mode pushes no error codes. */
	if (!(x->vmcb->save.cr0 & CR0_PE))
		e.has_error = false;
	/* Faults set RF in the image that is pushed (APM vol. 2 13.1.3.2). */
	if (e.vector != VEC_DB)
		x->vmcb->save.rflags |= RFLAGS_RF;
	write_event(x->vmcb, e.vector, EVENT_EXCEPTION, e.has_error, e.has_error ? e.error : 0);
}

void svm_save_vectoring(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	x->vectoring = (u32)x->vmcb->exit_int_info;
	x->vectoring_error = (u32)(x->vmcb->exit_int_info >> 32);
}

/*
 * The event goes in again, but for what the guest's own instruction raised (INT n, INT3, INTO): RIP
 * is on that still, and it is executed once more (APM vol. 2 15.7.2).
 */
void svm_requeue_vectoring(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	u32 info = x->vectoring, type = info >> EVENT_TYPE_SHIFT & 7, vector = info & 0xff;

	x->vectoring = 0;
	if (type == EVENT_SOFTWARE || (type == EVENT_EXCEPTION && (vector == 3 || vector == 4)))
		return;
	x->vmcb->event = (u64)x->vectoring_error << 32 | info;
}

/*
 * Asks for an exit when the guest can take an interrupt: a virtual interrupt is pended, whose
 * delivery is intercepted (APM vol. 2 15.21.4).
 */
void svm_set_irq_window(struct vmcb *vmcb, bool on)
{
	if (on == !!(vmcb->misc1 & MISC1_VINTR))
		return;
	if (on) {
		vmcb->vintr |= VINTR_IRQ | VINTR_IGN_TPR | VINTR_PRIO(WINDOW_PRIORITY);
		vmcb->misc1 |= (u32)MISC1_VINTR;
	} else {
		vmcb->vintr &= ~(VINTR_IRQ | VINTR_IGN_TPR | VINTR_PRIO(WINDOW_PRIORITY));
		vmcb->misc1 &= ~(u32)MISC1_VINTR;
	}
	vmcb_dirty(vmcb, CLEAN_INTERCEPTS | CLEAN_VINTR);
}

/* A guest that lowers its TPR is asked why only when something waits for it. */
static void set_cr8_exit(struct vmcb *vmcb, bool on)
{
	if (on == !!(vmcb->intercept_cr & CR_WRITE(8)))
		return;
	vmcb->intercept_cr ^= (u32)CR_WRITE(8);
	vmcb_dirty(vmcb, CLEAN_INTERCEPTS);
}

static bool can_take_irq(const struct vmcb *vmcb)
{
	return (vmcb->save.rflags & RFLAGS_IF) && !(vmcb->interrupt_shadow & VMCB_SHADOW) &&
	       !(vmcb->event & EVENT_VALID);
}

void svm_deliver_irq(struct vcpu *v)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;
	int pending = lapic_pending_vector(&v->lapic);

	if (pending >= 0 && can_take_irq(vmcb)) {
		write_event(vmcb, lapic_accept(&v->lapic, pending), EVENT_EXTERNAL, false, 0);
		pending = lapic_pending_vector(&v->lapic);
	}
	svm_set_irq_window(vmcb, pending >= 0);
	set_cr8_exit(vmcb, pending < 0 && lapic_tpr_threshold(&v->lapic) != 0);
}

bool svm_irq_deliverable(struct vcpu *v)
{
	return lapic_pending_vector(&v->lapic) >= 0 && (svm_of(v)->vmcb->save.rflags & RFLAGS_IF);
}

/* --- NMIs --- */

/*
 * While the guest handles an NMI its IRET exits before it is executed; it is then stepped over with
 * TF, which IRET replaces by the flags it loads. After that trap NMIs may come again. An interrupt
 * shadow is stepped over likewise.
 */
static void begin_step(struct svm_vcpu *x)
{
	struct vmcb_save *s = &x->vmcb->save;

	if (x->stepping)
		return;
	x->stepping = true;
	x->step_flags = s->rflags & (RFLAGS_TF | RFLAGS_RF);
	s->rflags |= RFLAGS_TF | RFLAGS_RF;
}

enum run_next svm_exit_iret(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	x->vmcb->misc1 &= ~(u32)MISC1_IRET;
	vmcb_dirty(x->vmcb, CLEAN_INTERCEPTS);
	begin_step(x);
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

bool svm_step_done(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb_save *s = &x->vmcb->save;
	bool own = x->step_flags & RFLAGS_TF;

	if (!x->stepping)
		return false;
	x->stepping = false;
	/* Over an IRET: the flags are those it has loaded. */
	if (!x->nmi_blocked && !own)
		s->rflags &= ~RFLAGS_TF;
	x->nmi_blocked = false;
	svm_retry_nmi(v);
	/* A breakpoint's hit, or the guest's own step, is the guest's as well. */
	if (own || (s->dr6 & 0xf))
		return false;
	s->dr6 &= ~DR6_BS;
	vmcb_dirty(x->vmcb, CLEAN_DR);
	return true;
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
		/* That event goes first. The interrupt that is pending from here on ends the
		 * guest's run right behind it; its handler tries again. */
		x->nmi_wanted = true;
		apic_send_ipi(this_cpu()->apic_id, VEC_KICK);
		return false;
	}
	if (vmcb->interrupt_shadow & VMCB_SHADOW) {
		x->nmi_wanted = true;
		begin_step(x);
		return false;
	}
	write_event(vmcb, VEC_NMI, EVENT_NMI, false, 0);
	x->nmi_blocked = true;
	vmcb->misc1 |= (u32)MISC1_IRET;
	vmcb_dirty(vmcb, CLEAN_INTERCEPTS);
	return true;
}
