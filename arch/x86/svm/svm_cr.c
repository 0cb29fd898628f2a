/*
 * The control registers and MSRs that live in the VMCB. CR0, CR2 and CR3 are all the guest's own
 * and need no exit; of CR4 and EFER it may set only what its CPUID offers.
 */
#include <errno.h>

#include "arch/x86/svm/svm_cpu.h"
#include "arch/x86/svm/svm_flush.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "hv/cr.h"

#define INFO1_DECODED BIT(63) /* decode assists: bits 3:0 say which register */
#define INFO1_REG(i)  ((unsigned)(i)&0xf)

static u64 operand(struct vcpu *v, unsigned reg)
{
	return reg == REG_RSP ? svm_of(v)->vmcb->save.rsp : v->regs.r[reg];
}

/* The register that the MOV reads, and where the next instruction is; a negative errno otherwise.
 */
static int decode(struct vcpu *v, u64 *next)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;
	unsigned length = 0;
	int reg;

	if (svm_caps.decode_assists && svm_caps.nrip) {
		*next = vmcb->next_rip;
		return vmcb->exit_info1 & INFO1_DECODED ? (int)INFO1_REG(vmcb->exit_info1)
							: -EINVAL;
	}
	reg = svm_decode_mov_to_cr(v, &length);
	*next = vmcb->save.rip + length;
	return reg;
}

static bool in_64bit_code(const struct vmcb_save *s)
{
	return (s->efer & EFER_LMA) && (s->cs.attrib & BIT(9));
}

static bool set_cr4(struct vcpu *v, u64 value)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb_save *s = &x->vmcb->save;

	if (!cr4_write_valid(value, s->cr4, s->cr3, s->efer, x->cr4_allowed))
		return false;
	s->cr4 = value;
	vmcb_dirty(x->vmcb, CLEAN_CR);
	svm_flush_guest(v);
	return true;
}

static bool set_cr8(struct vcpu *v, u64 value)
{
	if (value >> 4)
		return false;
	lapic_set_cr8(&v->lapic, (u8)value);
	svm_agree_on_tpr(v);
	vcpu_post(v, VCPU_IRQ);
	return true;
}

enum run_next svm_exit_write_cr(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;
	unsigned cr = vmcb->exit_code & 0xf;
	u64 value, next;
	int reg = decode(v, &next);

	if (reg == -EFAULT)
		return RUN_RESUME;
	if (reg < 0) {
		vm_kill(v, "an access to CR%u that cannot be decoded", cr);
		return RUN_LEAVE;
	}
	value = operand(v, (unsigned)reg);
	if (!in_64bit_code(&vmcb->save))
		value = (u32)value;
	if (!(cr == 4 ? set_cr4(v, value) : set_cr8(v, value)))
		return svm_inject_gp(v);
	svm_skip_to(v, next);
	return RUN_RESUME;
}

static int write_efer(struct vcpu *v, u64 value)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb_save *s = &x->vmcb->save;

	if (!efer_write_valid(&value, s->efer & ~EFER_SVME, s->cr0, x->efer_allowed))
		return -EIO;
	s->efer = value | EFER_SVME;
	vmcb_dirty(x->vmcb, CLEAN_CR);
	/* NXE changes what entries mean that may have been read already. */
	svm_flush_guest(v);
	return 0;
}

static int write_pat(struct vcpu *v, u64 value)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	if (!pat_valid(value))
		return -EIO;
	vmcb->save.g_pat = value;
	vmcb_dirty(vmcb, CLEAN_NP);
	svm_flush_guest(v);
	return 0;
}

int svm_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	const struct vmcb_save *s = &svm_of(v)->vmcb->save;

	if (msr == MSR_EFER)
		*value = s->efer & ~EFER_SVME;
	else if (msr == MSR_PAT)
		*value = s->g_pat;
	else
		return -ENOENT;
	return 0;
}

int svm_msr_write(struct vcpu *v, u32 msr, u64 value)
{
	if (msr == MSR_EFER)
		return write_efer(v, value);
	return msr == MSR_PAT ? write_pat(v, value) : -ENOENT;
}
