/* Control-register exits: the guest changes a bit that is not its own. */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmx_cpu.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "hv/guest_mem.h"

#define QUAL_CR(q)   ((unsigned)(q)&0xf)
#define QUAL_TYPE(q) ((unsigned)(q) >> 4 & 3)
#define QUAL_REG(q)  ((unsigned)(q) >> 8 & 0xf)
#define MOV_TO_CR    0u
#define MOV_FROM_CR  1u

static const struct {
	u64 cr4;
	u32 leaf;
	unsigned reg;
	u32 bit;
} cr4_features[] = {
	{ CR4_VME | CR4_PVI, 1, CPUID_EDX, BIT(1) }, { CR4_DE, 1, CPUID_EDX, BIT(2) },
	{ CR4_PSE, 1, CPUID_EDX, BIT(3) },	     { CR4_PAE, 1, CPUID_EDX, BIT(6) },
	{ CR4_MCE, 1, CPUID_EDX, BIT(7) },	     { CR4_PGE, 1, CPUID_EDX, BIT(13) },
	{ CR4_OSFXSR, 1, CPUID_EDX, BIT(24) },	     { CR4_OSXMMEXCPT, 1, CPUID_EDX, BIT(25) },
	{ CR4_PCIDE, 1, CPUID_ECX, BIT(17) },	     { CR4_OSXSAVE, 1, CPUID_ECX, BIT(26) },
	{ CR4_FSGSBASE, 7, CPUID_EBX, BIT(0) },	     { CR4_SMEP, 7, CPUID_EBX, BIT(7) },
	{ CR4_SMAP, 7, CPUID_EBX, BIT(20) },	     { CR4_UMIP, 7, CPUID_ECX, BIT(2) },
	{ CR4_PKE, 7, CPUID_ECX, BIT(3) },
};

u64 vmx_guest_cr4_allowed(const struct vcpu *v)
{
	u64 allowed = CR4_TSD | CR4_PCE;

	for (unsigned i = 0; i < ARRAY_SIZE(cr4_features); i++) {
		if (cpuid_table_has(&v->vm->cpuid, cr4_features[i].leaf, 0, cr4_features[i].reg,
				    cr4_features[i].bit))
			allowed |= cr4_features[i].cr4;
	}
	return allowed & vmx_caps.cr4_fixed1 & ~CR4_VMXE;
}

/* PAE paging keeps its four top entries in registers, which a load of CR0 or CR4 reads (SDM vol.
 * 3 4.4.1). */
static bool load_pdptes(struct vcpu *v)
{
	u64 e[4], cr3 = vmcs_readn(VMCS_GUEST_CR3) & 0xffffffe0;
	u64 reserved = ~(BIT(cpu_features.phys_bits) - 1) | 0x1e6;

	if (guest_mem_read(v->vm, GPA(cr3), e, sizeof(e)))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		if ((e[i] & 1) && (e[i] & reserved))
			return false;
	}
	vmcs_write64(VMCS_GUEST_PDPTE0, e[0]);
	vmcs_write64(VMCS_GUEST_PDPTE1, e[1]);
	vmcs_write64(VMCS_GUEST_PDPTE2, e[2]);
	vmcs_write64(VMCS_GUEST_PDPTE3, e[3]);
	return true;
}

static bool in_64bit_code(void)
{
	return vmcs_read32(VMCS_GUEST_CS_AR) & SEG_AR_L;
}

/* SDM vol. 2, MOV to CR0: the combinations that fault. */
static bool cr0_valid(u64 cr0, u64 efer)
{
	u64 cr4 = vmx_guest_cr4();

	if (cr0 >> 32)
		return false;
	if ((cr0 & CR0_PG) && !(cr0 & CR0_PE))
		return false;
	if ((cr0 & CR0_NW) && !(cr0 & CR0_CD))
		return false;
	if ((cr0 & CR0_PG) && (efer & EFER_LME) && !(vmx_guest_cr0() & CR0_PG))
		return (cr4 & CR4_PAE) && !in_64bit_code();
	if (!(cr0 & CR0_PG) && (efer & EFER_LMA))
		return !in_64bit_code() && !(cr4 & CR4_PCIDE);
	return true;
}

static void set_long_mode(u64 efer, bool on)
{
	u32 entry = vmcs_read32(VMCS_ENTRY_CONTROLS);

	vmcs_write64(VMCS_GUEST_EFER, on ? efer | EFER_LMA : efer & ~EFER_LMA);
	vmcs_write32(VMCS_ENTRY_CONTROLS,
		     on ? entry | (u32)ENTRY_IA32E : entry & ~(u32)ENTRY_IA32E);
}

static bool write_cr0_checked(struct vcpu *v, u64 cr0)
{
	u64 efer = vmcs_read64(VMCS_GUEST_EFER), old = vmx_guest_cr0();

	cr0 |= CR0_ET;
	if (!cr0_valid(cr0, efer))
		return false;
	if ((cr0 & CR0_PG) && !(efer & EFER_LME) && (vmx_guest_cr4() & CR4_PAE) && !load_pdptes(v))
		return false;
	vmx_write_cr0(cr0);
	if ((cr0 ^ old) & CR0_PG) {
		if (efer & EFER_LME)
			set_long_mode(efer, cr0 & CR0_PG);
		if (vmx_caps.vpid)
			vmx_invvpid(vmx_of(v)->vpid);
	}
	return true;
}

static bool write_cr4_checked(struct vcpu *v, u64 cr4)
{
	u64 efer = vmcs_read64(VMCS_GUEST_EFER), cr0 = vmx_guest_cr0();

	if (cr4 & ~vmx_guest_cr4_allowed(v))
		return false;
	if ((efer & EFER_LMA) && !(cr4 & CR4_PAE))
		return false;
	if ((cr4 & CR4_PCIDE) && !(vmx_guest_cr4() & CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || (vmcs_readn(VMCS_GUEST_CR3) & 0xfff)))
		return false;
	if ((cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA) && !load_pdptes(v))
		return false;
	vmx_write_cr4(cr4);
	if (vmx_caps.vpid)
		vmx_invvpid(vmx_of(v)->vpid);
	return true;
}

static u64 read_operand(struct vcpu *v, unsigned reg)
{
	return reg == REG_RSP ? vmcs_readn(VMCS_GUEST_RSP) : v->regs.r[reg];
}

static void write_operand(struct vcpu *v, unsigned reg, u64 value)
{
	if (reg == REG_RSP)
		vmcs_writen(VMCS_GUEST_RSP, value);
	else
		v->regs.r[reg] = value;
}

static bool mov_to_cr(struct vcpu *v, unsigned cr, u64 value)
{
	if (!in_64bit_code())
		value = (u32)value;
	switch (cr) {
	case 0:
		return write_cr0_checked(v, value);
	case 4:
		return write_cr4_checked(v, value);
	case 8:
		if (value >> 4)
			return false;
		lapic_set_cr8(&v->lapic, (u8)value);
		vcpu_post(v, VCPU_IRQ);
		return true;
	default:
		return false;
	}
}

enum vmx_resume vmx_exit_cr(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);
	unsigned reg = QUAL_REG(qual);

	if (QUAL_TYPE(qual) == MOV_FROM_CR && QUAL_CR(qual) == 8)
		write_operand(v, reg, lapic_cr8(&v->lapic));
	else if (QUAL_TYPE(qual) != MOV_TO_CR || !mov_to_cr(v, QUAL_CR(qual), read_operand(v, reg)))
		return vmx_inject_gp(v);
	vmx_skip_instruction(v);
	return VMX_RESUME_ALL;
}
