/* Control-register exits: the guest changes a bit that is not its own. */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmx_cpu.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "hv/cr.h"
#include "hv/guest_mem.h"

#define QUAL_CR(q)   ((unsigned)(q)&0xf)
#define QUAL_TYPE(q) ((unsigned)(q) >> 4 & 3)
#define QUAL_REG(q)  ((unsigned)(q) >> 8 & 0xf)
#define MOV_TO_CR    0u
#define MOV_FROM_CR  1u

u64 vmx_guest_cr4_allowed(const struct vcpu *v)
{
	return cr4_offered(&v->vm->cpuid) & vmx_caps.cr4_fixed1 & ~CR4_VMXE;
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
	if (!cr0_write_valid(cr0, old, vmx_guest_cr4(), efer, in_64bit_code()))
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

	if (!cr4_write_valid(cr4, vmx_guest_cr4(), vmcs_readn(VMCS_GUEST_CR3), efer,
			     vmx_guest_cr4_allowed(v)))
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

enum run_next vmx_exit_cr(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);
	unsigned reg = QUAL_REG(qual);

	if (QUAL_TYPE(qual) == MOV_FROM_CR && QUAL_CR(qual) == 8)
		write_operand(v, reg, lapic_cr8(&v->lapic));
	else if (QUAL_TYPE(qual) != MOV_TO_CR || !mov_to_cr(v, QUAL_CR(qual), read_operand(v, reg)))
		return vmx_inject_gp(v);
	vmx_skip_instruction(v);
	return RUN_RESUME_ALL;
}
