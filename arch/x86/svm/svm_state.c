/* Guest state in the VMCB: at power-up, as loaders want it, and as snapshots for the emulator and
 * reports. */
#include "arch/x86/svm/svm_vcpu.h"

#define ATTR_CODE16   0x09bu
#define ATTR_DATA16   0x093u
#define ATTR_LDTR     0x082u
#define ATTR_TSS_BUSY 0x08bu
#define ATTR_CODE32   0xc9bu
#define ATTR_CODE64   0xa9bu
#define ATTR_DATA32   0xc93u
#define CR0_RESET     0x60000010ull

static struct vmcb_segment *segment(struct vmcb_save *s, unsigned seg)
{
	switch (seg) {
	case SEG_ES:
		return &s->es;
	case SEG_CS:
		return &s->cs;
	case SEG_SS:
		return &s->ss;
	case SEG_DS:
		return &s->ds;
	case SEG_FS:
		return &s->fs;
	case SEG_GS:
		return &s->gs;
	case SEG_LDTR:
		return &s->ldtr;
	default:
		return &s->tr;
	}
}

/* The VMCB's twelve bits of attributes as the descriptor's, with a bit for "unusable". */
static u32 attrib_to_ar(u16 attrib)
{
	u32 ar = (attrib & 0xffu) | (attrib & 0xf00u) << 4;

	return attrib & BIT(7) ? ar : (u32)(ar | SEG_AR_UNUSABLE);
}

static void set_flat_segments(struct vmcb_save *s, const struct vmcb_segment *code,
			      const struct vmcb_segment *data)
{
	s->cs = *code;
	s->es = s->ss = s->ds = s->fs = s->gs = *data;
	s->ldtr = (struct vmcb_segment){ 0, ATTR_LDTR, 0xffff, 0 };
	s->tr = (struct vmcb_segment){ 0, ATTR_TSS_BUSY, 0xffff, 0 };
	s->cpl = 0;
}

static void reset_save_area(struct vmcb_save *s)
{
	const struct vmcb_segment code = { 0xf000, ATTR_CODE16, 0xffff, 0xffff0000 };
	const struct vmcb_segment data = { 0, ATTR_DATA16, 0xffff, 0 };

	*s = (struct vmcb_save){
		.gdtr = { .limit = 0xffff },
		.idtr = { .limit = 0xffff },
		.cr0 = CR0_RESET,
		.efer = EFER_SVME, /* VMRUN wants it; the guest does not see it */
		.rip = 0xfff0,
		.rflags = RFLAGS_FIXED,
		.dr6 = DR6_RESET,
		.dr7 = DR7_RESET,
		.g_pat = PAT_RESET,
	};
	set_flat_segments(s, &code, &data);
}

void svm_reset(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	reset_save_area(&x->vmcb->save);
	x->vmcb->event = 0;
	x->vmcb->interrupt_shadow = 0;
	x->vmcb->clean = 0;
	x->vectoring = 0;
	x->nmi_blocked = x->nmi_wanted = false;
	x->stepping = STEP_NONE;
	guest_live_reset(&x->live);
	for (unsigned i = 0; i < REG_COUNT; i++)
		v->regs.r[i] = 0;
	v->regs.r[REG_RDX] = cpuid(1, 0).eax;
}

void svm_set_start(struct vcpu *v, const struct start_state *s)
{
	struct vmcb_save *save = &svm_of(v)->vmcb->save;
	bool long64 = s->mode == START_LONG64;
	const struct vmcb_segment code = { START_CS, long64 ? ATTR_CODE64 : ATTR_CODE32, 0xffffffff,
					   0 };
	const struct vmcb_segment data = { START_DS, ATTR_DATA32, 0xffffffff, 0 };

	set_flat_segments(save, &code, &data);
	save->cr0 = CR0_PE | CR0_ET | CR0_NE | (long64 ? CR0_PG : 0);
	save->cr3 = s->cr3;
	save->cr4 = long64 ? CR4_PAE : 0;
	save->efer = EFER_SVME | (long64 ? EFER_LME | EFER_LMA : 0);
	save->rip = s->rip;
	save->rsp = s->regs.r[REG_RSP];
	save->gdtr.base = s->gdt_base;
	save->gdtr.limit = s->gdt_limit;
	v->regs = s->regs;
}

void svm_set_sipi(struct vcpu *v, u8 vector)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	vmcb->save.cs =
		(struct vmcb_segment){ (u16)(vector << 8), ATTR_CODE16, 0xffff, (u64)vector << 12 };
	vmcb->save.rip = 0;
	vmcb_dirty(vmcb, CLEAN_SEG);
}

void svm_get_segment(struct vcpu *v, unsigned seg, struct guest_segment *out)
{
	const struct vmcb_segment *s = segment(&svm_of(v)->vmcb->save, seg);

	*out = (struct guest_segment){ .selector = s->selector,
				       .ar = attrib_to_ar(s->attrib),
				       .limit = s->limit,
				       .base = s->base };
}

void svm_get_mode(struct vcpu *v, struct guest_state *s)
{
	const struct vmcb_save *save = &svm_of(v)->vmcb->save;

	s->rip = save->rip;
	s->rsp = save->rsp;
	s->rflags = save->rflags;
	s->cr0 = save->cr0;
	s->cr4 = save->cr4;
	s->cr3 = save->cr3;
	s->efer = save->efer & ~EFER_SVME;
	s->seg[SEG_CS].ar = attrib_to_ar(save->cs.attrib);
	s->seg[SEG_CS].base = save->cs.base;
	s->cpl = save->cpl;
}

void svm_get_state(struct vcpu *v, struct guest_state *s)
{
	const struct vmcb_save *save = &svm_of(v)->vmcb->save;

	svm_get_mode(v, s);
	s->cr2 = save->cr2;
	for (unsigned i = 0; i < SEG_COUNT; i++)
		svm_get_segment(v, i, &s->seg[i]);
	s->gdt_base = save->gdtr.base;
	s->gdt_limit = save->gdtr.limit;
	s->idt_base = save->idtr.base;
	s->idt_limit = save->idtr.limit;
}

void svm_set_rip(struct vcpu *v, u64 rip, u64 rflags, u64 rsp, bool executed)
{
	struct vmcb_save *s = &svm_of(v)->vmcb->save;

	s->rflags = rflags;
	s->rsp = rsp;
	if (executed)
		svm_retire(v, rip);
}
