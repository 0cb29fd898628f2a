/* Events into the guest: exceptions, external interrupts, NMIs, and their repetition after an exit.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/vmx/vmx_exit.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "hv/exception.h"

#define INTR_ERROR_CODE BIT(11)
#define INTR_TYPE_SHIFT 8
#define TYPE_EXTERNAL	0u
#define TYPE_NMI	2u
#define TYPE_HARDWARE	3u
#define TYPE_SOFT_INT	4u
#define TYPE_PRIV_SOFT	5u
#define TYPE_SOFT_EXC	6u
#define BLOCK_STI	BIT(0)
#define BLOCK_MOV_SS	BIT(1)
#define BLOCK_NMI	BIT(3)

static void write_event(u32 vector, u32 type, bool has_error, u32 error)
{
	if (has_error)
		vmcs_write32(VMCS_ENTRY_EXCEPTION_ERROR, error);
	vmcs_write32(VMCS_ENTRY_INTR_INFO, (u32)(INTR_VALID | (has_error ? INTR_ERROR_CODE : 0)) |
						   type << INTR_TYPE_SHIFT | vector);
}

void vmx_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	struct vmx_vcpu *x = vmx_of(v);
	struct exception e = { vector, has_error, error };
	u32 first = x->vectoring;

	x->vectoring = 0;
	if (!exception_merge(first, &e)) {
		vm_kill(v, "triple fault: exception %u while a double fault was delivered", vector);
		return;
	}
	/* Real mode pushes no error codes. */
	if (!(vmcs_readn(VMCS_GUEST_CR0) & CR0_PE))
		e.has_error = false;
	/* Faults set RF in the image that is pushed (SDM vol. 3 18.3.1.1). */
	if (e.vector != VEC_DB)
		vmcs_writen(VMCS_GUEST_RFLAGS, vmcs_readn(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
	write_event(e.vector, TYPE_HARDWARE, e.has_error, e.error);
}

void vmx_inject_int1(struct vcpu *v, u32 length)
{
	(void)v;
	vmcs_write32(VMCS_ENTRY_INSTR_LEN, length);
	write_event(VEC_DB, TYPE_PRIV_SOFT, false, 0);
}

void vmx_save_vectoring(struct vcpu *v)
{
	vmx_of(v)->vectoring = vmcs_read32(VMCS_IDT_VECTORING_INFO);
	if (!(vmx_of(v)->vectoring & INTR_VALID))
		vmx_of(v)->vectoring = 0;
}

void vmx_requeue_vectoring(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	u32 info = x->vectoring, type = info >> INTR_TYPE_SHIFT & 7;

	x->vectoring = 0;
	if (type == TYPE_SOFT_INT || type == TYPE_PRIV_SOFT || type == TYPE_SOFT_EXC)
		vmcs_write32(VMCS_ENTRY_INSTR_LEN, vmcs_read32(VMCS_EXIT_INSTR_LEN));
	/* SDM vol. 3 28.2.4: an interrupted NMI is repeated with blocking by NMI cleared. */
	if (type == TYPE_NMI)
		vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
			     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) & ~(u32)BLOCK_NMI);
	if (info & INTR_ERROR_CODE)
		vmcs_write32(VMCS_ENTRY_EXCEPTION_ERROR, vmcs_read32(VMCS_IDT_VECTORING_ERROR));
	/* Bit 12 is undefined in the vectoring information and must be 0 at entry. */
	vmcs_write32(VMCS_ENTRY_INTR_INFO, info & ~(u32)BIT(12));
}

/* The controls follow what is waited for. */
static void update_windows(struct vmx_vcpu *x)
{
	u32 bits = x->primary & ~(u32)(PRI_INTR_WINDOW | PRI_NMI_WINDOW);

	if (x->irq_window || x->nmi_wait == NMI_WAITS_FOR_IF)
		bits |= (u32)PRI_INTR_WINDOW;
	if (x->nmi_wait == NMI_WAITS_FOR_IRET)
		bits |= (u32)PRI_NMI_WINDOW;
	if (bits == x->primary)
		return;
	x->primary = bits;
	vmcs_write32(VMCS_PRIMARY_CONTROLS, bits);
}

void vmx_set_irq_window(struct vcpu *v, bool on)
{
	struct vmx_vcpu *x = vmx_of(v);

	if (likely(x->irq_window == on))
		return;
	x->irq_window = on;
	if (unlikely(x->nmi_wait != NMI_WAITS_NOT)) {
		update_windows(x);
		return;
	}
	x->primary ^= (u32)PRI_INTR_WINDOW;
	vmcs_write32(VMCS_PRIMARY_CONTROLS, x->primary);
}

bool vmx_end_nmi_wait(struct vcpu *v, enum vmx_nmi_wait what)
{
	struct vmx_vcpu *x = vmx_of(v);

	if (x->nmi_wait != what)
		return false;
	x->no_nmi = false;
	x->nmi_wait = NMI_WAITS_NOT;
	update_windows(x);
	return true;
}

/*
 * In the shadow of an STI a window for NMIs may open at once, so that nothing would be won (SDM
 * vol. 3 26.2); that for interrupts opens behind it, as IF is set.
 */
static void wait_for_nmi(struct vmx_vcpu *x, u32 shadow)
{
	x->nmi_wait = vmx_caps.virtual_nmi && !(shadow & BLOCK_STI) ? NMI_WAITS_FOR_IRET
								    : NMI_WAITS_FOR_IF;
	update_windows(x);
}

/* The processor is told what is highest. */
static void deliver_by_hardware(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	int irr;

	lapic_sync_pir(&v->lapic);
	if (v->lapic.tmr_changed)
		vmx_update_eoi_bitmap(v);
	irr = lapic_highest_irr(&v->lapic);
	if (irr != x->rvi || irr >= 0) {
		u16 status = vmcs_read16(VMCS_GUEST_INTR_STATUS);

		vmcs_write16(VMCS_GUEST_INTR_STATUS,
			     (u16)((status & 0xff00) | (irr < 0 ? 0 : irr)));
		x->rvi = (s16)irr;
	}
}

static void inject_external(struct vcpu *v, int pending)
{
	write_event(lapic_accept(&v->lapic, pending), TYPE_EXTERNAL, false, 0);
}

static void set_tpr_threshold(struct vcpu *v, u32 threshold)
{
	struct vmx_vcpu *x = vmx_of(v);

	if (likely(threshold == x->tpr_threshold) || !vmx_caps.tpr_shadow)
		return;
	x->tpr_threshold = threshold;
	vmcs_write32(VMCS_TPR_THRESHOLD, threshold);
}

/* Nothing is deliverable, but something may be when the guest lowers its TPR. */
static never_inline void wait_for_tpr(struct vcpu *v)
{
	vmx_set_irq_window(v, false);
	set_tpr_threshold(v, lapic_tpr_threshold(&v->lapic));
}

/* The PIC's interrupt, which takes no place in the APIC: there may be another behind it. */
static never_inline void inject_extint(struct vcpu *v)
{
	int pending = LAPIC_EXTINT;

	if (vmx_can_take_irq()) {
		inject_external(v, LAPIC_EXTINT);
		pending = lapic_pending_vector(&v->lapic);
	}
	vmx_set_irq_window(v, pending >= 0);
	set_tpr_threshold(v, 0);
}

/* pending: what lapic_pending_vector() has just said, and that is something. */
static void inject_pending(struct vcpu *v, int pending)
{
	bool now;

	if (unlikely(pending == LAPIC_EXTINT)) {
		inject_extint(v);
		return;
	}
	now = vmx_can_take_irq();
	if (now)
		inject_external(v, pending);
	vmx_set_irq_window(v, !now);
	set_tpr_threshold(v, 0);
}

/* With virtual-interrupt delivery the processor delivers; but the PIC's interrupts do not go
 * through IRR. */
static never_inline void deliver_with_hardware(struct vcpu *v)
{
	bool extint;

	deliver_by_hardware(v);
	extint = lapic_extint_pending(&v->lapic);
	if (extint && vmx_can_take_irq()) {
		inject_external(v, LAPIC_EXTINT);
		extint = lapic_extint_pending(&v->lapic);
	}
	vmx_set_irq_window(v, extint);
}

void vmx_deliver_irq(struct vcpu *v)
{
	int pending;

	if (v->lapic.hw_delivery) {
		deliver_with_hardware(v);
		return;
	}
	pending = lapic_pending_vector(&v->lapic);
	if (pending >= 0)
		inject_pending(v, pending);
	else
		wait_for_tpr(v);
}

/* Under virtual-interrupt delivery IRR is the processor's while the guest runs, ours here. */
static bool hardware_has_pending(struct vcpu *v)
{
	int irr;

	lapic_sync_pir(&v->lapic);
	irr = lapic_highest_irr(&v->lapic);
	return (irr >= 0 && (irr & 0xf0) > (lapic_ppr(&v->lapic) & 0xf0)) ||
	       lapic_extint_pending(&v->lapic);
}

bool vmx_deliver_irq_to_halted(struct vcpu *v)
{
	int pending;

	if (v->lapic.hw_delivery) {
		if (!hardware_has_pending(v) || !vmx_irqs_enabled())
			return false;
		deliver_with_hardware(v);
		return true;
	}
	pending = lapic_pending_vector(&v->lapic);
	if (pending < 0 || !vmx_irqs_enabled())
		return false;
	inject_pending(v, pending);
	return true;
}

void vmx_load_nmi(struct vcpu *v)
{
	u32 event = vmcs_read32(VMCS_ENTRY_INTR_INFO);
	bool enters = (event & INTR_VALID) && (event >> INTR_TYPE_SHIFT & 7) == TYPE_NMI;

	vmx_of(v)->no_nmi = !enters && !(vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) & BLOCK_NMI);
}

void vmx_correct_nmi(struct vcpu *v)
{
	u32 shadow = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY);

	if (vmx_of(v)->no_nmi && (shadow & BLOCK_NMI))
		vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, shadow & ~(u32)BLOCK_NMI);
}

bool vmx_nmi_may_come(struct vcpu *v)
{
	enum vmx_nmi_wait wait = vmx_of(v)->nmi_wait;

	if (wait == NMI_WAITS_NOT)
		return false;
	vmx_correct_nmi(v);
	return !(vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) & BLOCK_NMI) && vmx_end_nmi_wait(v, wait);
}

bool vmx_deliver_nmi(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	u32 shadow;

	vmx_correct_nmi(v);
	shadow = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY);
	/* SDM vol. 3 27.3.1.5: no NMI may be injected in a shadow, nor while one is blocked. */
	if ((shadow & (BLOCK_STI | BLOCK_MOV_SS | BLOCK_NMI)) ||
	    (vmcs_read32(VMCS_ENTRY_INTR_INFO) & INTR_VALID) || vmx_trap_pending()) {
		wait_for_nmi(x, shadow);
		return false;
	}
	write_event(VEC_NMI, TYPE_NMI, false, 0);
	x->no_nmi = false;
	x->nmi_wait = NMI_WAITS_NOT;
	update_windows(x);
	return true;
}
