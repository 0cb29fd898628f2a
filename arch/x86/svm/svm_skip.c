/* Moving on behind an instruction that exited. */
#include <errno.h>

#include "arch/x86/desc.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "hv/mmio.h"

void svm_skip_to(struct vcpu *v, u64 next)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	vmcb->save.rip = next;
	vmcb->interrupt_shadow &= ~VMCB_SHADOW;
	/* SVM has no field for a pending single-step trap: it is injected here. */
	if (unlikely(vmcb->save.rflags & RFLAGS_TF)) {
		vmcb->save.dr6 |= DR6_BS;
		vmcb_dirty(vmcb, CLEAN_DR);
		svm_inject_exception(v, VEC_DB, false, 0);
	}
}

/* Outside of 64-bit code RIP has 32 bits, in 16-bit code IP wraps at 64 KiB. */
static u64 wrap(const struct vmcb_save *s, u64 rip)
{
	u16 attrib = s->cs.attrib;

	if ((s->efer & EFER_LMA) && (attrib & BIT(9)))
		return rip;
	return attrib & BIT(10) ? (u32)rip : (u16)rip;
}

void svm_skip_decoded(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;
	int length = mmio_instruction_length(v, NULL, 0);

	/* What cannot be read or decoded any more the guest has changed since: it is executed anew.
	 */
	if (length > 0)
		svm_skip_to(v, wrap(&vmcb->save, vmcb->save.rip + (unsigned)length));
}
