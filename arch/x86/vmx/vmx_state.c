/* Guest state in the VMCS: at power-up, as loaders want it, and as snapshots for the emulator and
 * reports. */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmx_vcpu.h"

#define AR_CODE16   0x9bu
#define AR_DATA16   0x93u
#define AR_LDTR	    0x82u
#define AR_TSS_BUSY 0x8bu
#define AR_CODE32   (SEG_AR_TYPE_CODE | SEG_AR_DB | SEG_AR_G)
#define AR_CODE64   (SEG_AR_TYPE_CODE | SEG_AR_L | SEG_AR_G)
#define AR_DATA32   (SEG_AR_TYPE_DATA | SEG_AR_DB | SEG_AR_G)
#define CR0_RESET   0x60000010ull

static void write_segment(unsigned seg, const struct guest_segment *s)
{
	u32 step = seg * VMCS_SEG_STEP;

	vmcs_write16((vmcs16_t){ VMCS_GUEST_ES_SEL.id + step }, s->selector);
	vmcs_writen((vmcsn_t){ VMCS_GUEST_ES_BASE.id + step }, s->base);
	vmcs_write32((vmcs32_t){ VMCS_GUEST_ES_LIMIT.id + step }, s->limit);
	vmcs_write32((vmcs32_t){ VMCS_GUEST_ES_AR.id + step }, s->ar);
}

static void read_segment(unsigned seg, struct guest_segment *s)
{
	u32 step = seg * VMCS_SEG_STEP;

	s->selector = vmcs_read16((vmcs16_t){ VMCS_GUEST_ES_SEL.id + step });
	s->base = vmcs_readn((vmcsn_t){ VMCS_GUEST_ES_BASE.id + step });
	s->limit = vmcs_read32((vmcs32_t){ VMCS_GUEST_ES_LIMIT.id + step });
	s->ar = vmcs_read32((vmcs32_t){ VMCS_GUEST_ES_AR.id + step });
}

static void write_all_segments(u16 cs, u64 cs_base, u32 cs_limit, u32 cs_ar, u16 ds, u32 ds_limit,
			       u32 ds_ar)
{
	struct guest_segment s = { .selector = ds, .ar = ds_ar, .limit = ds_limit };

	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		write_segment(i, &s);
	s = (struct guest_segment){ cs, cs_ar, cs_limit, cs_base };
	write_segment(SEG_CS, &s);
	s = (struct guest_segment){ 0, AR_LDTR, 0xffff, 0 };
	write_segment(SEG_LDTR, &s);
	s = (struct guest_segment){ 0, AR_TSS_BUSY, 0xffff, 0 };
	write_segment(SEG_TR, &s);
}

void vmx_write_cr0(u64 cr0)
{
	/* Unrestricted guest: of the fixed bits, PE and PG need not be set (SDM vol. 3 24.8). */
	u64 must = vmx_caps.cr0_fixed0 & ~(CR0_PE | CR0_PG);

	vmcs_writen(VMCS_GUEST_CR0, (cr0 | must) & ~(CR0_CD | CR0_NW));
	vmcs_writen(VMCS_CR0_SHADOW, cr0);
}

void vmx_write_cr4(u64 cr4)
{
	vmcs_writen(VMCS_GUEST_CR4, cr4 | vmx_caps.cr4_fixed0);
	vmcs_writen(VMCS_CR4_SHADOW, cr4);
}

static void set_efer(u64 efer)
{
	u32 entry = vmx_caps.entry.used & ~(u32)ENTRY_IA32E;

	vmcs_write64(VMCS_GUEST_EFER, efer);
	vmcs_write32(VMCS_ENTRY_CONTROLS, entry | (efer & EFER_LMA ? (u32)ENTRY_IA32E : 0));
}

/* SDM vol. 3 table 10-1. */
void vmx_reset(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);

	write_all_segments(0xf000, 0xffff0000, 0xffff, AR_CODE16, 0, 0xffff, AR_DATA16);
	vmx_write_cr0(CR0_RESET);
	vmcs_writen(VMCS_GUEST_CR3, 0);
	vmx_write_cr4(0);
	set_efer(0);
	if (vmx_caps.pat)
		vmcs_write64(VMCS_GUEST_PAT, PAT_RESET);
	vmcs_writen(VMCS_GUEST_RIP, 0xfff0);
	vmcs_writen(VMCS_GUEST_RSP, 0);
	vmcs_writen(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	vmcs_writen(VMCS_GUEST_DR7, DR7_RESET);
	vmcs_write64(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_writen(VMCS_GUEST_GDTR_BASE, 0);
	vmcs_write32(VMCS_GUEST_GDTR_LIMIT, 0xffff);
	vmcs_writen(VMCS_GUEST_IDTR_BASE, 0);
	vmcs_write32(VMCS_GUEST_IDTR_LIMIT, 0xffff);
	vmcs_write32(VMCS_GUEST_SYSENTER_CS, 0);
	vmcs_writen(VMCS_GUEST_SYSENTER_ESP, 0);
	vmcs_writen(VMCS_GUEST_SYSENTER_EIP, 0);
	vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmcs_write32(VMCS_GUEST_ACTIVITY, 0);
	vmcs_writen(VMCS_GUEST_PENDING_DEBUG, 0);
	vmcs_write32(VMCS_ENTRY_INTR_INFO, 0);
	x->vectoring = 0;
	x->irq_window = false;
	x->nmi_wait = NMI_WAITS_NOT;
	x->no_nmi = true;
	write_cr2(0);
	write_dr6(DR6_RESET);
	guest_live_reset(&x->live);
	for (unsigned i = 0; i < REG_COUNT; i++)
		v->regs.r[i] = 0;
	v->regs.r[REG_RDX] = cpuid(1, 0).eax;
}

void vmx_set_start(struct vcpu *v, const struct start_state *s)
{
	bool long64 = s->mode == START_LONG64;

	write_all_segments(START_CS, 0, 0xffffffff, long64 ? AR_CODE64 : AR_CODE32, START_DS,
			   0xffffffff, AR_DATA32);
	vmx_write_cr0(CR0_PE | CR0_ET | CR0_NE | (long64 ? CR0_PG : 0));
	vmcs_writen(VMCS_GUEST_CR3, s->cr3);
	vmx_write_cr4(long64 ? CR4_PAE : 0);
	set_efer(long64 ? EFER_LME | EFER_LMA : 0);
	vmcs_writen(VMCS_GUEST_RIP, s->rip);
	vmcs_writen(VMCS_GUEST_RSP, s->regs.r[REG_RSP]);
	vmcs_writen(VMCS_GUEST_GDTR_BASE, s->gdt_base);
	vmcs_write32(VMCS_GUEST_GDTR_LIMIT, s->gdt_limit);
	v->regs = s->regs;
}

void vmx_set_sipi(struct vcpu *v, u8 vector)
{
	struct guest_segment cs = { (u16)(vector << 8), AR_CODE16, 0xffff, (u64)vector << 12 };

	(void)v;
	write_segment(SEG_CS, &cs);
	vmcs_writen(VMCS_GUEST_RIP, 0);
}

void vmx_get_mode(struct vcpu *v, struct guest_state *s)
{
	s->rip = v->rip;
	s->rsp = vmcs_readn(VMCS_GUEST_RSP);
	s->rflags = vmcs_readn(VMCS_GUEST_RFLAGS);
	s->cr0 = vmx_guest_cr0();
	s->cr4 = vmx_guest_cr4();
	s->cr3 = vmcs_readn(VMCS_GUEST_CR3);
	s->efer = vmcs_read64(VMCS_GUEST_EFER);
	s->seg[SEG_CS].ar = vmcs_read32(VMCS_GUEST_CS_AR);
	s->seg[SEG_CS].base = vmcs_readn(VMCS_GUEST_CS_BASE);
	s->cpl = vmcs_read32(VMCS_GUEST_SS_AR) >> 5 & 3;
}

void vmx_get_segment(struct vcpu *v, unsigned seg, struct guest_segment *out)
{
	(void)v;
	read_segment(seg, out);
}

void vmx_get_state(struct vcpu *v, struct guest_state *s)
{
	vmx_get_mode(v, s);
	s->cr2 = read_cr2();
	for (unsigned i = 0; i < SEG_COUNT; i++)
		read_segment(i, &s->seg[i]);
	s->gdt_base = vmcs_readn(VMCS_GUEST_GDTR_BASE);
	s->gdt_limit = vmcs_read32(VMCS_GUEST_GDTR_LIMIT);
	s->idt_base = vmcs_readn(VMCS_GUEST_IDTR_BASE);
	s->idt_limit = vmcs_read32(VMCS_GUEST_IDTR_LIMIT);
}

void vmx_set_rip(struct vcpu *v, u64 rip, u64 rflags, u64 rsp, bool executed)
{
	vmcs_writen(VMCS_GUEST_RFLAGS, rflags);
	vmcs_writen(VMCS_GUEST_RSP, rsp);
	if (executed)
		(void)vmx_retire(v, rip);
}
