/*
 * Posted interrupts (SDM vol. 3 30.6): who sends an interrupt to a vCPU that runs its guest sets a
 * bit in its descriptor and sends its processor the notification vector. That takes the bits into
 * the guest's IRR and delivers, without an exit.
 *
 * The notification may also find the processor in the hypervisor. Then it waits until the next
 * entry, where it does its work, or is taken in a window, where its handler tells the vCPU that is
 * loaded there. And if that has made place for another in the meantime, it has looked for itself on
 * the way out: see lapic_park(). So a notification that comes for nothing does no harm, and none is
 * missed.
 */
#include "arch/x86/apic.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "core/percpu.h"
#include "mm/phys.h"

static void posted_irq(void *arg)
{
	struct vcpu *v = this_cpu()->loaded_vcpu;

	(void)arg;
	if (v)
		vcpu_post(v, VCPU_IRQ);
}

int vmx_posted_probe(void)
{
	return vmx_caps.posted ? trap_set_irq_handler(VEC_POSTED, posted_irq, NULL) : 0;
}

void vmx_posted_switch(struct vcpu *v, bool on)
{
	struct vmx_vcpu *x = vmx_of(v);
	u32 pin = vmx_caps.pin.used;

	x->use_posted = on && vmx_caps.posted;
	if (x->use_posted) {
		pin |= (u32)PIN_POSTED_INTR;
		vmcs_write16(VMCS_POSTED_INTR_VECTOR, VEC_POSTED);
		vmcs_write64(VMCS_POSTED_INTR_DESC, virt_to_phys(&x->posted).v);
	}
	vmcs_write32(VMCS_PIN_CONTROLS, pin);
	if (x->use_posted ? lapic_unpark(&v->lapic) : lapic_park(&v->lapic))
		vcpu_post(v, VCPU_IRQ);
}

/* Nobody reads NV and NDST before SN is clear, which a locked instruction does after this. */
void vmx_posted_load(struct vcpu *v)
{
	struct lapic_posted *p = &vmx_of(v)->posted;
	u32 id = this_cpu()->apic_id;

	WRITE_ONCE(p->ndst, apic_is_x2apic() ? id : id << 8);
	atomic_fetch_and(&p->control, ~(0xffu << LAPIC_POSTED_NV_SHIFT));
	atomic_fetch_or(&p->control, (u32)VEC_POSTED << LAPIC_POSTED_NV_SHIFT);
}

void vmx_posted_unload(struct vcpu *v)
{
	if (lapic_park(&v->lapic))
		vcpu_post(v, VCPU_IRQ);
}

bool vmx_posted_enter(struct vcpu *v)
{
	if (!vmx_of(v)->use_posted || !lapic_unpark(&v->lapic))
		return true;
	vcpu_post(v, VCPU_IRQ);
	return false;
}

void vmx_notify_running(struct vcpu *v)
{
	u32 dest = READ_ONCE(vmx_of(v)->posted.ndst), id = apic_is_x2apic() ? dest : dest >> 8;

	/* Here it is not in the guest: it looks before it enters. */
	if (id == this_cpu()->apic_id)
		vcpu_post(v, VCPU_IRQ);
	else
		apic_send_ipi(id, VEC_POSTED);
}
