/*
 * A failed VM entry, in words: the checks of SDM vol. 3 chapter 27 on the current VMCS's guest
 * state that can be made here, each with what is wrong. What it prints is found by looking, not
 * told by the processor.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "core/log.h"

static bool found;

static void wrong(const char *rule, u64 value)
{
	log_error("  check: %s (0x%lx)", rule, value);
	found = true;
}

static void check_control(const char *name, u32 value, const struct vmx_control *c)
{
	if (value & ~c->may)
		log_error("  check: %s controls set bits that are not offered: 0x%x", name,
			  value & ~c->may);
	if (~value & c->must)
		log_error("  check: %s controls lack bits that must be set: 0x%x", name,
			  ~value & c->must);
	found |= (value & ~c->may) || (~value & c->must);
}

static void check_controls(void)
{
	check_control("pin-based", vmcs_read32(VMCS_PIN_CONTROLS), &vmx_caps.pin);
	check_control("primary", vmcs_read32(VMCS_PRIMARY_CONTROLS), &vmx_caps.primary);
	check_control("secondary", vmcs_read32(VMCS_SECONDARY_CONTROLS), &vmx_caps.secondary);
	check_control("exit", vmcs_read32(VMCS_EXIT_CONTROLS), &vmx_caps.exit);
	check_control("entry", vmcs_read32(VMCS_ENTRY_CONTROLS), &vmx_caps.entry);
}

static void check_control_registers(void)
{
	u64 cr0 = vmcs_readn(VMCS_GUEST_CR0), cr4 = vmcs_readn(VMCS_GUEST_CR4);
	u64 efer = vmcs_read64(VMCS_GUEST_EFER), must0 = vmx_caps.cr0_fixed0 & ~(CR0_PE | CR0_PG);
	bool ia32e = vmcs_read32(VMCS_ENTRY_CONTROLS) & ENTRY_IA32E;

	if ((cr0 & must0) != must0 || (cr0 & ~vmx_caps.cr0_fixed1))
		wrong("27.3.1.1: CR0 has bits that VMX does not allow", cr0);
	if ((cr0 & CR0_PG) && !(cr0 & CR0_PE))
		wrong("27.3.1.1: CR0.PG without CR0.PE", cr0);
	if ((cr4 & vmx_caps.cr4_fixed0) != vmx_caps.cr4_fixed0 || (cr4 & ~vmx_caps.cr4_fixed1))
		wrong("27.3.1.1: CR4 has bits that VMX does not allow", cr4);
	if (ia32e && (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE)))
		wrong("27.3.1.1: IA-32e guest without CR0.PG or CR4.PAE", cr0);
	if (!ia32e && (cr4 & CR4_PCIDE))
		wrong("27.3.1.1: CR4.PCIDE outside of IA-32e mode", cr4);
	if (vmcs_readn(VMCS_GUEST_CR3) >> cpu_features.phys_bits)
		wrong("27.3.1.1: CR3 beyond the physical-address width",
		      vmcs_readn(VMCS_GUEST_CR3));
	if (ia32e != !!(efer & EFER_LMA))
		wrong("27.3.1.1: EFER.LMA differs from the IA-32e control", efer);
	if ((cr0 & CR0_PG) && !!(efer & EFER_LMA) != !!(efer & EFER_LME))
		wrong("27.3.1.1: EFER.LMA differs from EFER.LME with paging on", efer);
}

static void check_rip_rflags(void)
{
	u64 rip = vmcs_readn(VMCS_GUEST_RIP), rflags = vmcs_readn(VMCS_GUEST_RFLAGS);
	u32 info = vmcs_read32(VMCS_ENTRY_INTR_INFO);
	bool code64 = (vmcs_read32(VMCS_ENTRY_CONTROLS) & ENTRY_IA32E) &&
		      (vmcs_read32(VMCS_GUEST_CS_AR) & SEG_AR_L);

	if (!code64 && rip >> 32)
		wrong("27.3.1.4: RIP has upper bits outside of 64-bit code", rip);
	if ((rflags & ~0x3f7fd7ull) || !(rflags & RFLAGS_FIXED))
		wrong("27.3.1.4: RFLAGS has reserved bits wrong", rflags);
	if ((info & BIT(31)) && (info >> 8 & 7) == 0 && !(rflags & RFLAGS_IF))
		wrong("27.3.1.4: an external interrupt is injected with RFLAGS.IF clear", info);
	if ((vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) & 1) && !(rflags & RFLAGS_IF))
		wrong("27.3.1.5: blocking by STI with RFLAGS.IF clear",
		      vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY));
	if ((info & BIT(31)) && (info >> 8 & 7) == 0 &&
	    (vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) & 3))
		wrong("27.3.1.5: an external interrupt is injected in an interrupt shadow", info);
}

static void check_segments(void)
{
	u32 cs = vmcs_read32(VMCS_GUEST_CS_AR), tr = vmcs_read32(VMCS_GUEST_TR_AR);

	if (!(cs & BIT(7)) || !(cs & BIT(4)) || ((cs & 0xf) != 3 && (cs & 9) != 9))
		wrong("27.3.1.2: CS is not a usable code segment", cs);
	if ((cs & SEG_AR_L) && (cs & SEG_AR_DB))
		wrong("27.3.1.2: CS has both L and D", cs);
	if ((tr & SEG_AR_UNUSABLE) || ((tr & 0xf) != 3 && (tr & 0xf) != 11))
		wrong("27.3.1.2: TR is not a busy TSS", tr);
	if (vmcs_read64(VMCS_LINK) != UINT64_MAX)
		wrong("27.3.1.5: the VMCS link pointer is set", vmcs_read64(VMCS_LINK));
	if (vmcs_read32(VMCS_GUEST_ACTIVITY))
		wrong("27.3.1.5: activity state", vmcs_read32(VMCS_GUEST_ACTIVITY));
}

void vmx_report_entry_failure(struct vcpu *v, const char *what)
{
	log_error("vmx: vm %s, vCPU %u: %s", v->vm->config->name, v->index, what);
	found = false;
	check_controls();
	check_control_registers();
	check_rip_rflags();
	check_segments();
	if (!found)
		log_error("  check: none of the rules looked at here is broken");
}
