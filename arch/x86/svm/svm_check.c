/*
 * A refused VMRUN, in words: the checks of APM vol. 2 15.5.1 on the VMCB, each with what is wrong.
 * What it prints is found by looking, not told by the processor.
 */
#include "arch/x86/svm/svm_vcpu.h"
#include "core/log.h"

#define CR4_RESERVED  (~0x3ff7ffull & ~CR4_PKE)
#define EFER_RESERVED (~0x1ffd01ull)

static bool check(bool wrong, const char *rule, u64 value)
{
	if (wrong)
		log_error("  check: %s (0x%lx)", rule, value);
	return wrong;
}

static bool check_save_area(const struct vmcb_save *s)
{
	bool long_mode = (s->efer & EFER_LME) && (s->cr0 & CR0_PG), found = false;

	found |= check(!(s->efer & EFER_SVME), "EFER.SVME is clear", s->efer);
	found |= check(s->efer & EFER_RESERVED, "EFER has reserved bits set", s->efer);
	found |= check((s->cr0 & CR0_NW) && !(s->cr0 & CR0_CD), "CR0.NW without CR0.CD", s->cr0);
	found |= check(s->cr0 >> 32, "CR0 has upper bits set", s->cr0);
	found |= check(s->cr4 & CR4_RESERVED, "CR4 has reserved bits set", s->cr4);
	found |= check(s->cr3 >> 52, "CR3 beyond the physical-address width", s->cr3);
	found |= check(s->dr6 >> 32, "DR6 has upper bits set", s->dr6);
	found |= check(s->dr7 >> 32, "DR7 has upper bits set", s->dr7);
	found |= check(long_mode && !(s->cr4 & CR4_PAE), "long mode without CR4.PAE", s->cr4);
	found |= check(long_mode && !(s->cr0 & CR0_PE), "long mode without CR0.PE", s->cr0);
	found |= check(long_mode && (s->cs.attrib & BIT(9)) && (s->cs.attrib & BIT(10)),
		       "CS has both L and D in long mode", s->cs.attrib);
	return found;
}

void svm_report_invalid(struct vcpu *v)
{
	const struct vmcb *m = svm_of(v)->vmcb;
	bool found;

	log_error("svm: vm %s, vCPU %u: VMRUN was refused", v->vm->config->name, v->index);
	found = check_save_area(&m->save);
	found |= check(!(m->misc2 & MISC2_VMRUN), "VMRUN is not intercepted", m->misc2);
	found |= check(!m->asid || m->asid >= svm_caps.asids, "no valid ASID", m->asid);
	found |= check(m->nested_cr3 & (PAGE_SIZE - 1), "the nested CR3 is not aligned",
		       m->nested_cr3);
	if (!found)
		log_error("  check: none of the rules looked at here is broken");
}
