#include "arch/x86/svm/svm_flush.h"

#include "arch/x86/svm/svm_cpu.h"
#include "arch/x86/svm/svm_vcpu.h"

static void renew_asid(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct svm_cpu *c = svm_this_cpu();
	bool flush_all;

	x->vmcb->asid = svm_asid_next(c, &flush_all);
	x->vmcb->tlb_control = flush_all ? TLB_FLUSH_ALL : TLB_KEEP;
	x->asid_generation = c->generation;
	vmcb_dirty(x->vmcb, CLEAN_ASID);
}

void svm_asid_check(struct vcpu *v)
{
	if (unlikely(svm_of(v)->asid_generation != svm_this_cpu()->generation))
		renew_asid(v);
}

void svm_flush_guest(struct vcpu *v)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	if (!svm_caps.flush_by_asid)
		renew_asid(v);
	else if (vmcb->tlb_control == TLB_KEEP)
		vmcb->tlb_control = TLB_FLUSH_ASID;
}
