#include "arch/x86/svm/svm_flush.h"

#include "arch/x86/svm/svm_cpu.h"
#include "arch/x86/svm/svm_vcpu.h"

static void renew_asid(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct svm_cpu *c = svm_this_cpu();

	x->vmcb->asid = svm_asid_next(c);
	x->asid_generation = c->generation;
	vmcb_dirty(x->vmcb, CLEAN_ASID);
	/* flush_all stays set: this vCPU may lose the CPU to another one before its VMRUN. */
	if (c->flush_all)
		x->vmcb->tlb_control = TLB_FLUSH_ALL;
}

void svm_asid_check(struct vcpu *v)
{
	struct svm_cpu *c = svm_this_cpu();

	if (unlikely(svm_of(v)->asid_generation != c->generation))
		renew_asid(v);
	if (unlikely(c->flush_all)) {
		svm_of(v)->vmcb->tlb_control = TLB_FLUSH_ALL;
		c->flush_all = false;
	}
}

void svm_flush_cpu(void)
{
	struct vcpu *loaded = this_cpu()->loaded_vcpu;

	svm_asid_forget();
	/* It may be entered again without svm_asid_check(): the kick comes between an exit and the
	 * entry that follows. */
	if (loaded)
		renew_asid(loaded);
}

void svm_flush_guest(struct vcpu *v)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	if (!svm_caps.flush_by_asid)
		renew_asid(v);
	else if (vmcb->tlb_control == TLB_KEEP)
		vmcb->tlb_control = TLB_FLUSH_ASID;
}
