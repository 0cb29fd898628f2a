/* VM-exits: one table by basic exit reason (SDM vol. 3 appendix C), NULL-checked, with a fatal
 * default. */
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "core/log.h"
#include "core/panic.h"
#include "hv/cpuid.h"
#include "hv/exit.h"
#include "hv/mmio.h"
#include "hv/msr.h"

#define REASON_ENTRY_FAILED BIT(31)
#define INTR_VALID	    BIT(31)
#define INTR_ERROR_CODE	    BIT(11)
#define QUAL_IO_SIZE(q)	    (((unsigned)(q)&7) + 1)
#define QUAL_IO_IN	    BIT(3)
#define QUAL_IO_STRING	    BIT(4)
#define QUAL_IO_PORT(q)	    ((u16)((q) >> 16))
#define ACCESS_OFFSET(q)    ((u32)(q)&0xfff)
#define ACCESS_TYPE(q)	    ((unsigned)((q) >> 12) & 0xf)
#define APIC_PAGE	    0xfee00000ull
#define EPT_QUAL_WRITE	    BIT(1)
#define EPT_QUAL_LINEAR	    (BIT(7) | BIT(8)) /* address valid, and not a page walk's */
#define EPT_QUAL_NMI	    BIT(12)
#define DR6_QUAL_MASK	    0x600full

/* Exits that may have interrupted the delivery of an event, which is then to be repeated. */
#define MAY_VECTOR 1

struct exit_entry {
	bool (*handle)(struct vcpu *v); /* true: enter again at once */
	const char *name;
	u8 flags;
};

static bool exit_external_interrupt(struct vcpu *v)
{
	u32 info = vmcs_read32(VMCS_EXIT_INTR_INFO);

	(void)v;
	if (info & INTR_VALID)
		trap_dispatch_irq((u8)info);
	return true;
}

/* #DB: what the processor would have put into DR6 is in the qualification (SDM vol. 3 28.2.1). */
static bool reinject_debug(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);

	write_dr6((read_dr6() & ~0xfull) | (qual & DR6_QUAL_MASK));
	vmcs_writen(VMCS_GUEST_DR7, vmcs_readn(VMCS_GUEST_DR7) & ~BIT(13));
	vmx_inject_exception(v, VEC_DB, false, 0);
	return true;
}

static bool exit_exception_or_nmi(struct vcpu *v)
{
	u32 info = vmcs_read32(VMCS_EXIT_INTR_INFO), vector = info & 0xff;

	if (vector == VEC_NMI) {
		trap_handle_nmi();
		return true;
	}
	if (vector == VEC_MC)
		panic("machine check while vm %s ran; MCG_STATUS 0x%lx", v->vm->config->name,
		      rdmsr(MSR_MCG_STATUS));
	if (vector == VEC_DB)
		return reinject_debug(v);
	vmx_inject_exception(v, (u8)vector, info & INTR_ERROR_CODE,
			     vmcs_read32(VMCS_EXIT_INTR_ERROR));
	return true;
}

static bool exit_triple_fault(struct vcpu *v)
{
	vm_kill(v, "triple fault");
	return false;
}

static bool exit_init_signal(struct vcpu *v)
{
	/* An INIT for this processor itself, from outside: there is nothing sensible to do but note
	 * it. */
	log_warn("cpu: INIT signal on CPU %u ignored", v->thread.cpu->id);
	return true;
}

static bool exit_irq_window(struct vcpu *v)
{
	if (vmx_of(v)->nmi_window && !vmx_caps.virtual_nmi) {
		vmx_set_nmi_window(v, false);
		vcpu_post(v, VCPU_NMI);
	}
	vmx_set_irq_window(v, false);
	vcpu_post(v, VCPU_IRQ);
	return false;
}

static bool exit_nmi_window(struct vcpu *v)
{
	vmx_set_nmi_window(v, false);
	vcpu_post(v, VCPU_NMI);
	return false;
}

static u64 read_guest_cr4(void)
{
	return vmcs_readn(VMCS_CR4_SHADOW) | vmcs_readn(VMCS_GUEST_CR4);
}

static bool exit_cpuid(struct vcpu *v)
{
	cpuid_emulate(v, read_guest_cr4);
	vmx_skip_instruction(v);
	return true;
}

static bool exit_hlt(struct vcpu *v)
{
	vmx_skip_instruction(v);
	vcpu_halt(v);
	return false;
}

static bool exit_vmcall(struct vcpu *v)
{
	exit_hypercall(v);
	vmx_skip_instruction(v);
	return true;
}

static bool exit_undefined(struct vcpu *v)
{
	vmx_inject_exception(v, VEC_UD, false, 0);
	return true;
}

static bool exit_gp(struct vcpu *v)
{
	return vmx_inject_gp(v);
}

/* Cache flushes: guest memory is coherent, and no guest owns a device; nothing need be written
 * back. */
static bool exit_skip(struct vcpu *v)
{
	vmx_skip_instruction(v);
	return true;
}

static bool exit_io(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);

	if (unlikely(qual & QUAL_IO_STRING)) {
		mmio_emulate(v, &(struct mmio_hint){ .io_size = (u8)QUAL_IO_SIZE(qual) });
		return true;
	}
	if (qual & QUAL_IO_IN)
		exit_port_in(v, QUAL_IO_PORT(qual), QUAL_IO_SIZE(qual));
	else
		exit_port_out(v, QUAL_IO_PORT(qual), QUAL_IO_SIZE(qual));
	vmx_skip_instruction(v);
	return true;
}

static bool exit_rdmsr(struct vcpu *v)
{
	u64 value;

	if (msr_read(v, (u32)v->regs.r[REG_RCX], &value))
		return vmx_inject_gp(v);
	v->regs.r[REG_RAX] = (u32)value;
	v->regs.r[REG_RDX] = value >> 32;
	vmx_skip_instruction(v);
	return true;
}

static bool exit_wrmsr(struct vcpu *v)
{
	u64 value = v->regs.r[REG_RDX] << 32 | (u32)v->regs.r[REG_RAX];

	if (msr_write(v, (u32)v->regs.r[REG_RCX], value))
		return vmx_inject_gp(v);
	vmx_skip_instruction(v);
	return true;
}

static bool exit_entry_failed(struct vcpu *v)
{
	vmx_report_entry_failure(v, "VM entry failed on the guest's state");
	vm_kill(v, "VM entry failed: exit reason 0x%x, qualification 0x%lx",
		vmcs_read32(VMCS_EXIT_REASON), vmcs_readn(VMCS_EXIT_QUALIFICATION));
	return false;
}

static bool exit_task_switch(struct vcpu *v)
{
	vm_kill(v, "a hardware task switch, which Neap does not emulate");
	return false;
}

static bool exit_tpr_below(struct vcpu *v)
{
	vcpu_post(v, VCPU_IRQ);
	return false;
}

/* A linear access to the APIC page: the decoder finds out what was read or written. */
static bool exit_apic_access(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);

	if (ACCESS_TYPE(qual) > 1) {
		vm_kill(v, "access of type %u to the local APIC's page", ACCESS_TYPE(qual));
		return false;
	}
	mmio_emulate(v, &(struct mmio_hint){ .valid = true,
					     .write = ACCESS_TYPE(qual) == 1,
					     .gpa = GPA(APIC_PAGE | ACCESS_OFFSET(qual)) });
	return true;
}

static bool exit_eoi_induced(struct vcpu *v)
{
	/* A trap: the EOI is done, RIP is past it. */
	lapic_eoi_broadcast(&v->lapic, (u8)vmcs_readn(VMCS_EXIT_QUALIFICATION));
	return true;
}

static bool exit_apic_write(struct vcpu *v)
{
	/* A trap, too: the value is in the page. */
	lapic_write_trapped(&v->lapic, ACCESS_OFFSET(vmcs_readn(VMCS_EXIT_QUALIFICATION)));
	return true;
}

static bool exit_ept_violation(struct vcpu *v)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);
	struct mmio_hint hint = { .gpa = GPA(vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS)) };

	if (unlikely(vmx_of(v)->vectoring)) {
		vm_kill(v, "an event was delivered through memory that is not RAM, at 0x%lx",
			hint.gpa.v);
		return false;
	}
	/* SDM vol. 3 28.2.3: an IRET that faulted had unblocked NMIs already; it will be repeated. */
	if (qual & EPT_QUAL_NMI)
		vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
			     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) | (u32)BIT(3));
	hint.valid = (qual & EPT_QUAL_LINEAR) == EPT_QUAL_LINEAR;
	hint.write = qual & EPT_QUAL_WRITE;
	mmio_emulate(v, &hint);
	return true;
}

static bool exit_ept_misconfig(struct vcpu *v)
{
	unsigned level;
	u64 gpa = vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS);
	u64 entry = ptab_lookup(&v->vm->tdp, gpa, &level);

	vm_kill(v, "EPT misconfiguration at 0x%lx: level-%u entry 0x%lx", gpa, level, entry);
	return false;
}

/* Host interrupts that could not get through to a guest with interrupts off are taken now. */
static bool exit_preemption_timer(struct vcpu *v)
{
	(void)v;
	trap_irq_window();
	return true;
}

static bool exit_do_xsetbv(struct vcpu *v)
{
	if (exit_xsetbv(v))
		return vmx_inject_gp(v);
	vmx_skip_instruction(v);
	return true;
}

static const struct exit_entry exit_table[] = {
	[0] = { exit_exception_or_nmi, "exception or NMI", MAY_VECTOR },
	[1] = { exit_external_interrupt, "external interrupt", 0 },
	[2] = { exit_triple_fault, "triple fault", 0 },
	[3] = { exit_init_signal, "INIT signal", 0 },
	[7] = { exit_irq_window, "interrupt window", 0 },
	[8] = { exit_nmi_window, "NMI window", 0 },
	[9] = { exit_task_switch, "task switch", MAY_VECTOR },
	[10] = { exit_cpuid, "CPUID", 0 },
	[11] = { exit_undefined, "GETSEC", 0 },
	[12] = { exit_hlt, "HLT", 0 },
	[13] = { exit_skip, "INVD", 0 },
	[15] = { exit_gp, "RDPMC", 0 },
	[17] = { exit_undefined, "RSM", 0 },
	[18] = { exit_vmcall, "VMCALL", 0 },
	[19] = { exit_undefined, "VMCLEAR", 0 },
	[20] = { exit_undefined, "VMLAUNCH", 0 },
	[21] = { exit_undefined, "VMPTRLD", 0 },
	[22] = { exit_undefined, "VMPTRST", 0 },
	[23] = { exit_undefined, "VMREAD", 0 },
	[24] = { exit_undefined, "VMRESUME", 0 },
	[25] = { exit_undefined, "VMWRITE", 0 },
	[26] = { exit_undefined, "VMXOFF", 0 },
	[27] = { exit_undefined, "VMXON", 0 },
	[28] = { vmx_exit_cr, "control register", 0 },
	[30] = { exit_io, "port I/O", 0 },
	[31] = { exit_rdmsr, "RDMSR", 0 },
	[32] = { exit_wrmsr, "WRMSR", 0 },
	[33] = { exit_entry_failed, "entry failed: guest state", 0 },
	[34] = { exit_entry_failed, "entry failed: MSR loading", 0 },
	[36] = { exit_undefined, "MWAIT", 0 },
	[39] = { exit_undefined, "MONITOR", 0 },
	[41] = { exit_entry_failed, "entry failed: machine check", 0 },
	[43] = { exit_tpr_below, "TPR below threshold", 0 },
	[44] = { exit_apic_access, "APIC access", MAY_VECTOR },
	[45] = { exit_eoi_induced, "virtualized EOI", 0 },
	[48] = { exit_ept_violation, "EPT violation", MAY_VECTOR },
	[49] = { exit_ept_misconfig, "EPT misconfiguration", MAY_VECTOR },
	[50] = { exit_undefined, "INVEPT", 0 },
	[52] = { exit_preemption_timer, "preemption timer", 0 },
	[53] = { exit_undefined, "INVVPID", 0 },
	[54] = { exit_skip, "WBINVD", 0 },
	[55] = { exit_do_xsetbv, "XSETBV", 0 },
	[56] = { exit_apic_write, "APIC write", 0 },
	[59] = { exit_undefined, "VMFUNC", 0 },
};
_Static_assert(ARRAY_SIZE(exit_table) <= VCPU_EXIT_REASONS, "each reason has its counter");

const char *vmx_exit_name(u32 reason)
{
	reason &= 0xffff;
	return reason < ARRAY_SIZE(exit_table) && exit_table[reason].name ? exit_table[reason].name
									  : "unknown reason";
}

static bool unhandled(struct vcpu *v, u32 reason)
{
	vm_kill(v, "unhandled VM-exit, reason 0x%x, qualification 0x%lx", reason,
		vmcs_readn(VMCS_EXIT_QUALIFICATION));
	return false;
}

/* An event whose delivery the exit cut short is repeated, unless the handler put another in its
 * place. */
static bool handle_vectoring(struct vcpu *v, const struct exit_entry *e)
{
	bool again;

	vmx_save_vectoring(v);
	again = e->handle(v);
	if (vmx_of(v)->vectoring)
		vmx_requeue_vectoring(v);
	return again;
}

/* Called by vmx_entry.S at each exit, interrupts off, on the vCPU's stack. */
bool vmx_exit_handle(struct vcpu *v)
{
	u32 reason = vmcs_read32(VMCS_EXIT_REASON), basic = reason & 0xffff;
	struct exit_record *r = &v->trace[v->trace_pos++ & (VCPU_TRACE - 1)];
	const struct exit_entry *e = &exit_table[basic];
	bool again;

	v->rip = vmcs_readn(VMCS_GUEST_RIP);
	r->rip = v->rip;
	r->reason = reason;
	if (unlikely(basic >= ARRAY_SIZE(exit_table) || !e->handle))
		return unhandled(v, reason);
	v->exits[basic]++;
	if (unlikely(reason & REASON_ENTRY_FAILED))
		return exit_entry_failed(v);
	if (unlikely(e->flags & MAY_VECTOR))
		again = handle_vectoring(v, e);
	else
		again = e->handle(v);
	/* Pairs with the atomic OR in sched_post(): interrupts are off, a later kick ends the
	 * entry. */
	return again && likely(!READ_ONCE(v->thread.pending));
}
