/* VM-exits: one table by basic exit reason (SDM vol. 3 appendix C), NULL-checked, with a fatal
 * default. */
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/vmx_exit.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "core/log.h"
#include "core/panic.h"
#include "hv/cpuid_exit.h"
#include "hv/exit.h"
#include "hv/hyperv/hypercall.h"
#include "hv/mmio.h"
#include "hv/msr.h"

#define HANDLERS	    64 /* basic exit reasons up to 63 */
#define REASON_ENTRY_FAILED BIT(31)
#define INTR_ERROR_CODE	    BIT(11)
#define INTR_TYPE(info)	    ((info) >> 8 & 7)
#define TYPE_PRIV_SOFT	    5u
#define QUAL_IO_SIZE(q)	    (((unsigned)(q)&7) + 1)
#define QUAL_IO_IN	    BIT(3)
#define QUAL_IO_STRING	    BIT(4)
#define QUAL_IO_PORT_SHIFT  16
#define QUAL_IO_PORT(q)	    ((u16)((q) >> QUAL_IO_PORT_SHIFT))
/* Set in all but accesses of one byte below IO_BUS_LOW; bits 31:16 are the port (SDM vol. 3 table
 * 28-5). */
#define QUAL_IO_OTHER (~(IO_BUS_LOW - 1ull) << QUAL_IO_PORT_SHIFT | QUAL_IO_STRING | 7)
#define DR6_QUAL_MASK 0x600full

static enum run_next exit_external_interrupt(struct vcpu *v)
{
	u32 info = vmcs_read32(VMCS_EXIT_INTR_INFO);

	(void)v;
	if (info & INTR_VALID)
		trap_dispatch_irq((u8)info);
	return RUN_RESUME;
}

/* #DB: what the processor would have put into DR6 is in the qualification (SDM vol. 3 28.2.1). */
static enum run_next reinject_debug(struct vcpu *v, u32 info)
{
	u64 qual = vmcs_readn(VMCS_EXIT_QUALIFICATION);

	if (INTR_TYPE(info) == TYPE_PRIV_SOFT) {
		/* INT1: a trap, but RIP is on it still; DR6 and DR7 know nothing of it. */
		vmx_inject_int1(v, vmcs_read32(VMCS_EXIT_INSTR_LEN));
		return RUN_RESUME;
	}
	write_dr6((read_dr6() & ~0xfull) | (qual & DR6_QUAL_MASK));
	vmcs_writen(VMCS_GUEST_DR7, vmcs_readn(VMCS_GUEST_DR7) & ~BIT(13));
	vmx_inject_exception(v, VEC_DB, false, 0);
	return RUN_RESUME;
}

static enum run_next exit_exception_or_nmi(struct vcpu *v)
{
	u32 info = vmcs_read32(VMCS_EXIT_INTR_INFO), vector = info & 0xff;

	if (vector == VEC_NMI) {
		/* NMIs stay blocked after this exit until an IRET (SDM vol. 3 28.3): the gate's
		 * handler ends in one. */
		__asm__ volatile("int $2" : : : "memory");
		return RUN_RESUME;
	}
	if (vector == VEC_MC)
		panic("machine check while vm %s ran; MCG_STATUS 0x%lx", v->vm->config->name,
		      rdmsr(MSR_MCG_STATUS));
	if (vector == VEC_DB)
		return reinject_debug(v, info);
	vmx_inject_exception(v, (u8)vector, info & INTR_ERROR_CODE,
			     vmcs_read32(VMCS_EXIT_INTR_ERROR));
	return RUN_RESUME;
}

static enum run_next exit_triple_fault(struct vcpu *v)
{
	vm_kill(v, "triple fault");
	return RUN_LEAVE;
}

static enum run_next exit_init_signal(struct vcpu *v)
{
	/* An INIT for this processor itself, from outside: there is nothing sensible to do but note
	 * it. */
	log_warn("cpu: INIT signal on CPU %u ignored", v->thread.cpu->id);
	return RUN_RESUME;
}

static enum run_next exit_irq_window(struct vcpu *v)
{
	if (vmx_end_nmi_wait(v, NMI_WAITS_FOR_IF))
		vcpu_post(v, VCPU_NMI);
	vmx_set_irq_window(v, false);
	vcpu_post(v, VCPU_IRQ);
	return RUN_RESUME;
}

static enum run_next exit_nmi_window(struct vcpu *v)
{
	if (vmx_end_nmi_wait(v, NMI_WAITS_FOR_IRET))
		vcpu_post(v, VCPU_NMI);
	return RUN_RESUME;
}

/*
 * The guest spins. Worth a change of threads only if another waits for this CPU; else the loop is
 * left to itself for another window.
 */
static enum run_next exit_pause(struct vcpu *v)
{
	vmx_skip_instruction(v);
	sched_yield_spinning();
	return RUN_RESUME;
}

static u64 read_guest_cr4(void)
{
	return vmcs_readn(VMCS_CR4_SHADOW) | vmcs_readn(VMCS_GUEST_CR4);
}

static never_inline enum run_next special_cpuid(struct vcpu *v, const struct cpuid_entry *e)
{
	cpuid_give_special(v, e, read_guest_cr4);
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_cpuid(struct vcpu *v)
{
	const struct cpuid_entry *e = cpuid_find(v);

	if (unlikely(e->special))
		return special_cpuid(v, e);
	cpuid_give(v, e);
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_hlt(struct vcpu *v)
{
	vmx_skip_instruction(v);
	/* A debug trap ends it at once (SDM vol. 2, HLT). */
	if (unlikely(vmx_trap_pending()))
		return RUN_RESUME;
	/* One that could not be injected in STI's shadow ends it, and not the next interrupt. */
	if (unlikely(vmx_nmi_may_come(v)))
		vcpu_post(v, VCPU_NMI);
	vcpu_halt(v);
	return v->activity == VCPU_RUNNING ? RUN_RESUME : RUN_LEAVE;
}

static enum run_next exit_undefined(struct vcpu *v)
{
	vmx_inject_exception(v, VEC_UD, false, 0);
	return RUN_RESUME;
}

/*
 * The bits looked at are in the registers themselves as the guest has set them: VMX wants none of
 * them otherwise (vmx_write_cr0(), vmx_write_cr4()).
 */
static enum run_next exit_vmcall(struct vcpu *v)
{
	if (likely(!v->vm->hyperv.on))
		exit_hypercall(v);
	else if (hyperv_hypercall(v, vmx_fetch_mode()))
		return exit_undefined(v);
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_gp(struct vcpu *v)
{
	return vmx_inject_gp(v);
}

/* Cache flushes: guest memory is coherent, and no guest owns a device; nothing need be written
 * back. */
static enum run_next exit_skip(struct vcpu *v)
{
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static __attribute__((noinline)) enum run_next other_io(struct vcpu *v, u64 qual)
{
	if (qual & QUAL_IO_STRING) {
		mmio_emulate(v, &(struct mmio_hint){ .io_size = (u8)QUAL_IO_SIZE(qual) });
		return RUN_RESUME_ALL;
	}
	if (qual & QUAL_IO_IN)
		exit_port_in(v, QUAL_IO_PORT(qual), QUAL_IO_SIZE(qual));
	else
		exit_port_out(v, QUAL_IO_PORT(qual), QUAL_IO_SIZE(qual));
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_io(struct vcpu *v)
{
	u64 qual = vmcs_quick_readn(VMCS_EXIT_QUALIFICATION);

	if (unlikely(qual & QUAL_IO_OTHER))
		return other_io(v, qual);
	if (qual & QUAL_IO_IN)
		exit_low_port_in(v, qual >> QUAL_IO_PORT_SHIFT);
	else
		exit_low_port_out(v, qual >> QUAL_IO_PORT_SHIFT);
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_rdmsr(struct vcpu *v)
{
	u64 value;

	if (msr_read(v, (u32)v->regs.r[REG_RCX], &value))
		return vmx_inject_gp(v);
	v->regs.r[REG_RAX] = (u32)value;
	v->regs.r[REG_RDX] = value >> 32;
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_wrmsr(struct vcpu *v)
{
	u64 value = v->regs.r[REG_RDX] << 32 | (u32)v->regs.r[REG_RAX];
	u32 msr = (u32)v->regs.r[REG_RCX];
	bool x2apic = msr - LAPIC_X2APIC_MSR < LAPIC_X2APIC_MSR_END - LAPIC_X2APIC_MSR;

	/* Most of them are these. */
	if (x2apic ? lapic_msr_write(&v->lapic, msr, value) : msr_write(v, msr, value))
		return vmx_inject_gp(v);
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_entry_failed(struct vcpu *v)
{
	vmx_report_entry_failure(v, "VM entry failed on the guest's state");
	vm_kill(v, "VM entry failed: exit reason 0x%x, qualification 0x%lx",
		vmcs_read32(VMCS_EXIT_REASON), vmcs_readn(VMCS_EXIT_QUALIFICATION));
	return RUN_LEAVE;
}

static enum run_next exit_task_switch(struct vcpu *v)
{
	vm_kill(v, "a hardware task switch, which Neap does not emulate");
	return RUN_LEAVE;
}

static enum run_next exit_tpr_below(struct vcpu *v)
{
	vcpu_post(v, VCPU_IRQ);
	return RUN_RESUME;
}

static enum run_next exit_eoi_induced(struct vcpu *v)
{
	/* A trap: the EOI is done, RIP is past it. */
	lapic_eoi_broadcast(&v->lapic, (u8)vmcs_readn(VMCS_EXIT_QUALIFICATION));
	return RUN_RESUME;
}

static enum run_next exit_apic_write(struct vcpu *v)
{
	/* A trap, too: the value is in the page. */
	lapic_write_trapped(&v->lapic, ACCESS_OFFSET(vmcs_quick_readn(VMCS_EXIT_QUALIFICATION)));
	return RUN_RESUME;
}

/* Host interrupts that could not get through to a guest with interrupts off are taken now. */
static enum run_next exit_preemption_timer(struct vcpu *v)
{
	vmx_arm_preemption_timer();
	trap_irq_window();
	/* The shadow of an STI that IF has not outlived. */
	if (vmx_nmi_may_come(v))
		vcpu_post(v, VCPU_NMI);
	return RUN_RESUME;
}

static enum run_next exit_do_xsetbv(struct vcpu *v)
{
	if (exit_xsetbv(v))
		return vmx_inject_gp(v);
	vmx_skip_instruction(v);
	return RUN_RESUME;
}

/* A reason without a handler, or with the bit of a failed entry, which makes it too large for the
 * table. */
static enum run_next exit_unhandled(struct vcpu *v)
{
	u32 reason = vmcs_read32(VMCS_EXIT_REASON);

	if (reason & REASON_ENTRY_FAILED)
		return exit_entry_failed(v);
	vm_kill(v, "unhandled VM-exit, reason 0x%x, qualification 0x%lx", reason,
		vmcs_readn(VMCS_EXIT_QUALIFICATION));
	return RUN_LEAVE;
}

static WITH_VECTORING(exit_exception_or_nmi_vectoring,
		      exit_exception_or_nmi) static WITH_VECTORING(exit_task_switch_vectoring,
								   exit_task_switch)

	/* Reasons that have no handler of their own have the fatal default. */
	static enum run_next (*const handlers[HANDLERS])(struct vcpu *v) = {
		[0] = exit_exception_or_nmi_vectoring,
		[1] = exit_external_interrupt,
		[2] = exit_triple_fault,
		[3] = exit_init_signal,
		[7] = exit_irq_window,
		[8] = exit_nmi_window,
		[9] = exit_task_switch_vectoring,
		[10] = exit_cpuid,
		[11] = exit_undefined,
		[12] = exit_hlt,
		[13] = exit_skip,
		[15] = exit_gp,
		[17] = exit_undefined,
		[18] = exit_vmcall,
		[19] = exit_undefined,
		[20] = exit_undefined,
		[21] = exit_undefined,
		[22] = exit_undefined,
		[23] = exit_undefined,
		[24] = exit_undefined,
		[25] = exit_undefined,
		[26] = exit_undefined,
		[27] = exit_undefined,
		[28] = vmx_exit_cr,
		[30] = exit_io,
		[31] = exit_rdmsr,
		[32] = exit_wrmsr,
		[33] = exit_entry_failed,
		[34] = exit_entry_failed,
		[36] = exit_undefined,
		[39] = exit_undefined,
		[40] = exit_pause,
		[41] = exit_entry_failed,
		[43] = exit_tpr_below,
		[44] = vmx_exit_apic_access,
		[45] = exit_eoi_induced,
		[48] = vmx_exit_ept_violation,
		[49] = vmx_exit_ept_misconfig,
		[50] = exit_undefined,
		[52] = exit_preemption_timer,
		[53] = exit_undefined,
		[54] = exit_skip,
		[55] = exit_do_xsetbv,
		[56] = exit_apic_write,
		[59] = exit_undefined,
		[4 ... 6] = exit_unhandled,
		[14] = exit_unhandled,
		[16] = exit_unhandled,
		[29] = exit_unhandled,
		[35] = exit_unhandled,
		[37 ... 38] = exit_unhandled,
		[42] = exit_unhandled,
		[46 ... 47] = exit_unhandled,
		[51] = exit_unhandled,
		[57 ... 58] = exit_unhandled,
		[60 ... 61] = exit_unhandled,
		[62] = vmx_exit_pml_full,
		[63] = exit_unhandled,
	};
_Static_assert(HANDLERS <= VCPU_EXIT_REASONS, "each reason has its counter");

static const char *const names[] = {
	[0] = "exception or NMI",
	[1] = "external interrupt",
	[2] = "triple fault",
	[3] = "INIT signal",
	[7] = "interrupt window",
	[8] = "NMI window",
	[9] = "task switch",
	[10] = "CPUID",
	[11] = "GETSEC",
	[12] = "HLT",
	[13] = "INVD",
	[15] = "RDPMC",
	[17] = "RSM",
	[18] = "VMCALL",
	[19] = "VMCLEAR",
	[20] = "VMLAUNCH",
	[21] = "VMPTRLD",
	[22] = "VMPTRST",
	[23] = "VMREAD",
	[24] = "VMRESUME",
	[25] = "VMWRITE",
	[26] = "VMXOFF",
	[27] = "VMXON",
	[28] = "control register",
	[30] = "port I/O",
	[31] = "RDMSR",
	[32] = "WRMSR",
	[33] = "entry failed: guest state",
	[34] = "entry failed: MSR loading",
	[36] = "MWAIT",
	[39] = "MONITOR",
	[40] = "PAUSE",
	[41] = "entry failed: machine check",
	[43] = "TPR below threshold",
	[44] = "APIC access",
	[45] = "virtualized EOI",
	[48] = "EPT violation",
	[49] = "EPT misconfiguration",
	[50] = "INVEPT",
	[52] = "preemption timer",
	[53] = "INVVPID",
	[54] = "WBINVD",
	[55] = "XSETBV",
	[56] = "APIC write",
	[59] = "VMFUNC",
	[62] = "page-modification log full",
};

const char *vmx_exit_name(u32 reason)
{
	reason &= 0xffff;
	return reason < ARRAY_SIZE(names) && names[reason] ? names[reason] : "unknown reason";
}

/*
 * The dispatcher: some twenty instructions, ending in a jump to the handler. The pending word is
 * tested after it, in vmx_entry.S.
 */
enum run_next vmx_exit_handle(struct vcpu *v)
{
	/* All 64 bits, the upper ones of which are 0: nothing is left to extend. */
	u64 reason = vmcs_read_raw(VMCS_EXIT_REASON.id);
	struct exit_record *r = &v->trace[v->trace_pos++ & (VCPU_TRACE - 1)];

	v->rip = vmcs_quick_readn(VMCS_GUEST_RIP);
	r->rip = v->rip;
	r->reason = (u32)reason;
	if (unlikely(reason >= HANDLERS))
		return exit_unhandled(v);
	v->exits[reason]++;
	return handlers[reason](v);
}

enum run_next vmx_exit_pending(struct vcpu *v, enum run_next next)
{
	if (READ_ONCE(v->thread.pending) != VCPU_IRQ)
		return RUN_LEAVE;
	/* Full barrier: what is posted after this is seen as a bit set again. */
	atomic_fetch_and(&v->thread.pending, ~(u32)VCPU_IRQ);
	vmx_deliver_irq(v);
	return next;
}
