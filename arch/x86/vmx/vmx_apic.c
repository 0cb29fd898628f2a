/* Which of the APIC virtualizations is on, by the mode the guest has its local APIC in (SDM vol. 3
 * 30). */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmx_cpu.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "mm/phys.h"

#define MSR_X2APIC(reg) (MSR_X2APIC_BASE + (reg))
#define BITMAP_READ	0
#define BITMAP_WRITE	2048
#define X2APIC_REG_LAST 0x3f

static u32 secondary_for(const struct vcpu *v, enum lapic_mode mode)
{
	const struct vmx_caps *c = &vmx_caps;
	u32 s = vmx_secondary(v);

	if (mode == LAPIC_MODE_XAPIC && c->apic_access)
		s |= SEC_APIC_ACCESS | (c->apic_regs ? (u32)SEC_APIC_REGS : 0) |
		     (c->vid ? (u32)SEC_VID : 0);
	if (mode == LAPIC_MODE_X2APIC && c->x2apic_mode)
		s |= SEC_X2APIC_MODE | (c->apic_regs ? (u32)SEC_APIC_REGS : 0) |
		     (c->vid ? (u32)SEC_VID : 0);
	return s;
}

void vmx_update_eoi_bitmap(struct vcpu *v)
{
	v->lapic.tmr_changed = false;
	vmcs_write64(VMCS_EOI_EXIT_BITMAP0, lapic_tmr_word(&v->lapic, 0));
	vmcs_write64(VMCS_EOI_EXIT_BITMAP1, lapic_tmr_word(&v->lapic, 1));
	vmcs_write64(VMCS_EOI_EXIT_BITMAP2, lapic_tmr_word(&v->lapic, 2));
	vmcs_write64(VMCS_EOI_EXIT_BITMAP3, lapic_tmr_word(&v->lapic, 3));
}

static void set_intercept(u8 *bitmap, unsigned half, u32 msr, bool on)
{
	u8 *byte = &bitmap[half + (msr & 0x1fff) / 8];

	*byte = (u8)(on ? *byte | BIT(msr % 8) : *byte & ~BIT(msr % 8));
}

/*
 * In x2APIC mode with the registers virtualized, reads of what is kept in the page need no exit,
 * nor does a write of TPR; with delivery, EOI and self-IPI neither. Registers that the page does
 * not hold keep their exits.
 */
static void update_msr_bitmap(struct vcpu *v, bool x2apic)
{
	u8 *bitmap = vmx_of(v)->msr_bitmap;
	bool regs = x2apic && vmx_caps.apic_regs && vmx_caps.x2apic_mode,
	     vid = regs && vmx_caps.vid;

	for (u32 r = 0; r <= X2APIC_REG_LAST; r++) {
		bool in_page =
			r == LAPIC_ID || r == LAPIC_VERSION || r == LAPIC_LDR || r == LAPIC_SVR ||
			r == LAPIC_TPR || (r >= LAPIC_ISR && r < LAPIC_IRR + 8) ||
			(r >= LAPIC_LVT_TIMER && r <= LAPIC_TIMER_INIT) || r == LAPIC_TIMER_DIVIDE;

		set_intercept(bitmap, BITMAP_READ, MSR_X2APIC(r), !(regs && in_page));
	}
	set_intercept(bitmap, BITMAP_WRITE, MSR_X2APIC(LAPIC_TPR), !regs);
	set_intercept(bitmap, BITMAP_WRITE, MSR_X2APIC(LAPIC_EOI), !vid);
	set_intercept(bitmap, BITMAP_WRITE, MSR_X2APIC(LAPIC_SELF_IPI), !vid);
}

void vmx_update_apic_mode(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	enum lapic_mode mode = lapic_mode(&v->lapic);
	bool vid;

	x->secondary = secondary_for(v, mode);
	vid = x->secondary & SEC_VID;
	vmcs_write32(VMCS_SECONDARY_CONTROLS, x->secondary);
	update_msr_bitmap(v, mode == LAPIC_MODE_X2APIC);
	lapic_set_hw_delivery(&v->lapic, vid);
	x->rvi = -2;
	vmx_posted_switch(v, vid);
	if (vid) {
		int isr = lapic_highest_isr(&v->lapic);

		vmcs_write16(VMCS_GUEST_INTR_STATUS, (u16)(isr < 0 ? 0 : isr << 8));
		vmx_update_eoi_bitmap(v);
		vmx_set_irq_window(v, false);
	}
	if (vmx_caps.tpr_shadow)
		vmcs_write32(VMCS_TPR_THRESHOLD, 0);
	x->tpr_threshold = 0;
	if (vmx_caps.vpid)
		vmx_invvpid(x->vpid);
	vcpu_post(v, VCPU_IRQ);
}
