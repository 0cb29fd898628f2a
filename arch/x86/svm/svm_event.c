/* Events into the guest: exceptions, external interrupts, and their repetition after an exit. NMIs:
 * svm_nmi.c. */
#include "arch/x86/desc.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "hv/exception.h"

#define WINDOW_PRIORITY 0xfu

void svm_write_event(struct vmcb *vmcb, u32 vector, u32 type, bool has_error, u32 error)
{
	vmcb->event = (u64)error << 32 | EVENT_VALID | (has_error ? EVENT_ERROR_CODE : 0) |
		      type << EVENT_TYPE_SHIFT | vector;
}

void svm_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	struct svm_vcpu *x = svm_of(v);
	struct exception e = { vector, has_error, error };
	u32 first = x->vectoring;

	if (unlikely(x->stepping))
		svm_step_end(v);
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
	/* An instruction that is given up has no shadow behind it. */
	x->vmcb->interrupt_shadow &= ~VMCB_SHADOW;
	svm_write_event(x->vmcb, e.vector, EVENT_EXCEPTION, e.has_error, e.has_error ? e.error : 0);
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
	svm_retry_nmi(v);
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

/*
 * A guest that lowers its TPR is asked why only when something waits for it; and any that writes
 * CR8 when TPR has low bits, which CR8 clears and V_TPR does not have.
 */
static void update_cr8_exit(struct vcpu *v, bool waits)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;
	bool on = waits || (lapic_reg(&v->lapic, LAPIC_TPR) & 0xf);

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

/* pending: what lapic_pending_vector() has just said. */
static void deliver_pending(struct vcpu *v, int pending)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	/* Not amidst a step, whose TF it would push on the guest's stack: the step's end posts it.
	 */
	if (unlikely(svm_of(v)->stepping))
		return;
	if (pending >= 0 && can_take_irq(vmcb)) {
		svm_write_event(vmcb, lapic_accept(&v->lapic, pending), EVENT_EXTERNAL, false, 0);
		svm_guard_event(vmcb);
		pending = pending == LAPIC_EXTINT ? lapic_pending_vector(&v->lapic) : -1;
	}
	svm_set_irq_window(vmcb, pending >= 0);
	update_cr8_exit(v, pending < 0 && lapic_tpr_threshold(&v->lapic) != 0);
}

void svm_deliver_irq(struct vcpu *v)
{
	deliver_pending(v, lapic_pending_vector(&v->lapic));
}

bool svm_deliver_irq_to_halted(struct vcpu *v)
{
	int pending = lapic_pending_vector(&v->lapic);

	if (pending < 0 || !(svm_of(v)->vmcb->save.rflags & RFLAGS_IF))
		return false;
	deliver_pending(v, pending);
	return true;
}

void svm_agree_on_tpr(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	u8 tpr = lapic_cr8(&v->lapic);

	if (unlikely(lapic_reg(&v->lapic, LAPIC_TPR) & 0xf))
		vcpu_post(v, VCPU_IRQ); /* sees to exits of CR8, too */
	if (likely(tpr == x->tpr))
		return;
	x->tpr = tpr;
	x->vmcb->vintr = (x->vmcb->vintr & ~(u64)VINTR_TPR) | tpr;
	vmcb_dirty(x->vmcb, CLEAN_VINTR);
}
