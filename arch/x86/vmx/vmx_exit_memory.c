/* VM-exits for accesses to memory: by EPT, and to the local APIC's page. */
#include "arch/x86/vmx/vmx_exit.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "hv/mmio.h"
#include "hv/mmu/tdp.h"

#define ACCESS_TYPE(q)	((unsigned)((q) >> 12) & 0xf)
#define APIC_PAGE	0xfee00000ull
#define EPT_QUAL_WRITE	BIT(1)
#define EPT_QUAL_LINEAR (BIT(7) | BIT(8)) /* address valid, and not a page walk's */
#define EPT_QUAL_NMI	BIT(12)

/* The access itself went to gpa: the short way, if the instruction is one for it. */
static force_inline bool emulate_move(struct vcpu *v, gpa_t gpa, bool write)
{
	u64 mode = vmx_fetch_mode();
	unsigned length = 0;
	const u8 *code;

	if (unlikely(!fetch_mode_is_kernel(mode)))
		return false;
	code = fetch_cache_code(v->fetch_cache, v->rip, vmcs_readn(VMCS_GUEST_CR3), mode,
				slots_generation(&v->vm->slots), 16);
	if (likely(code))
		length = mmio_move(v, code, gpa, write);
	if (unlikely(!length))
		return false;
	/* Exits of this kind save RF as a fault would push it (SDM vol. 3 28.3.3). */
	vmcs_writen(VMCS_GUEST_RFLAGS, vmx_retire(v, v->rip + length) & ~(u64)RFLAGS_RF);
	return true;
}

/* A linear access to the APIC page: the decoder finds out what was read or written. */
static enum run_next exit_apic_access(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);
	gpa_t gpa = GPA(APIC_PAGE | ACCESS_OFFSET(qual));
	bool write = ACCESS_TYPE(qual) == 1;

	if (ACCESS_TYPE(qual) > 1) {
		vm_kill(v, "access of type %u to the local APIC's page", ACCESS_TYPE(qual));
		return RUN_LEAVE;
	}
	if (!emulate_move(v, gpa, write))
		mmio_emulate(v, &(struct mmio_hint){ .valid = true, .write = write, .gpa = gpa });
	return RUN_RESUME_ALL;
}

/* SDM vol. 3 28.2.3: an IRET that is not finished had unblocked NMIs already; it will be repeated.
 */
static force_inline void block_nmi_again(u64 qual)
{
	if (qual & EPT_QUAL_NMI)
		vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
			     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) | (u32)BIT(3));
}

/* The write that found no place is repeated. */
static enum run_next exit_pml_full(struct vcpu *v)
{
	block_nmi_again(vmcs_readn(VMCS_EXIT_QUALIFICATION));
	vmx_pml_drain(v);
	return RUN_RESUME;
}

/* No RAM is there, or none that may be written. */
static __attribute__((noinline)) enum run_next emulate_access(struct vcpu *v, gpa_t gpa, u64 qual)
{
	bool valid = (qual & EPT_QUAL_LINEAR) == EPT_QUAL_LINEAR, write = qual & EPT_QUAL_WRITE;

	if (unlikely(!valid || !emulate_move(v, gpa, write)))
		mmio_emulate(v, &(struct mmio_hint){ .valid = valid, .write = write, .gpa = gpa });
	return RUN_RESUME_ALL;
}

static force_inline enum tdp_result violation_in_slot(struct vcpu *v, gpa_t gpa, u64 qual)
{
	struct slot *slot;

	if (slots_recall(&v->vm->slots, &v->slot_cache, gpa_to_gfn(gpa), &slot) && !slot)
		return TDP_EMULATE;
	return tdp_fault(v, slot, gpa, qual & EPT_QUAL_WRITE);
}

/* While an event was delivered, which is to be repeated, or by an IRET. */
static enum run_next other_ept_violation(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);
	gpa_t gpa = GPA(vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS));
	enum tdp_result in_slot;

	block_nmi_again(qual);
	in_slot = violation_in_slot(v, gpa, qual);
	if (in_slot != TDP_EMULATE)
		return in_slot == TDP_RESUME ? RUN_RESUME : RUN_LEAVE;
	if (!vmx_of(v)->vectoring)
		return emulate_access(v, gpa, qual);
	vm_kill(v, "an event was delivered through memory that is not RAM, at 0x%lx", gpa.v);
	return RUN_LEAVE;
}

static enum run_next exit_ept_misconfig(struct vcpu *v)
{
	unsigned level;
	u64 gpa = vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS);
	u64 entry = ptab_lookup(&v->vm->tdp, gpa, &level);

	vm_kill(v, "EPT misconfiguration at 0x%lx: level-%u entry 0x%lx", gpa, level, entry);
	return RUN_LEAVE;
}

WITH_VECTORING(vmx_exit_apic_access, exit_apic_access)
WITH_VECTORING(vmx_exit_ept_misconfig, exit_ept_misconfig)
WITH_VECTORING(vmx_exit_pml_full, exit_pml_full)
static WITH_VECTORING(other_ept_violation_vectoring, other_ept_violation)

	/* The usual ones: RAM that is touched for the first time, and the device memory of a MOV.
	 */
	enum run_next vmx_exit_ept_violation(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);
	gpa_t gpa = GPA(vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS));
	enum tdp_result in_slot;

	if (unlikely(vmcs_read32(VMCS_IDT_VECTORING_INFO) & INTR_VALID || qual & EPT_QUAL_NMI))
		return other_ept_violation_vectoring(v);
	in_slot = violation_in_slot(v, gpa, qual);
	if (in_slot == TDP_EMULATE)
		return emulate_access(v, gpa, qual);
	return in_slot == TDP_RESUME ? RUN_RESUME : RUN_LEAVE;
}
