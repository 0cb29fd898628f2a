/* Exits: one table by exit code (APM vol. 2 appendix C), NULL-checked, with a fatal default. */
#include <errno.h>

#include "arch/x86/desc.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "arch/x86/trap.h"
#include "core/log.h"
#include "core/panic.h"
#include "hv/cpuid_exit.h"
#include "hv/exit.h"
#include "hv/hyperv/hypercall.h"
#include "hv/mmio.h"
#include "hv/mmu/tdp.h"
#include "hv/msr.h"

/* Codes up to 8FH are their own reason; the others get one behind them. */
#define CODE_DIRECT    0x90u
#define CODE_NPF       0x400u
#define CODE_INVALID   UINT32_MAX /* the low half: QEMU leaves the other clear */
#define CODE_BUSY      (UINT32_MAX - 1)
#define REASON_NPF     CODE_DIRECT
#define REASON_INVALID (CODE_DIRECT + 1)
#define REASON_OTHER   (CODE_DIRECT + 2)
#define REASONS	       (CODE_DIRECT + 3)
_Static_assert(REASONS <= VCPU_EXIT_REASONS, "each reason has its counter");

#define IO_IN	      BIT(0)
#define IO_STRING     BIT(2)
#define IO_SIZE(i)    ((unsigned)((i) >> 4) & 7)
#define IO_PORT_SHIFT 16
#define IO_PORT(i)    ((u16)((i) >> IO_PORT_SHIFT))
#define IO_WIDE	      (BIT(5) | BIT(6)) /* two bytes, four bytes */
/* Set in all but accesses of one byte below IO_BUS_LOW; bits 31:16 are the port (figure 15-2). */
#define IO_OTHER	  (~(IO_BUS_LOW - 1ull) << IO_PORT_SHIFT | IO_STRING | IO_WIDE)
#define NPF_WRITE	  BIT(1)
#define CPUID_LEAF_XSTATE 0xdu
#define NPF_RSV		  BIT(3)
#define NPF_FINAL	  BIT(32) /* the access itself, and not the walk of the guest's tables */

/* It was let in behind the exit; not by emulators that look for it later than an STGI with IF set.
 */
static enum run_next exit_interrupt(struct vcpu *v)
{
	trap_irq_window();
	svm_retry_nmi(v);
	svm_keep_shadow(v);
	return RUN_RESUME;
}

/* The STGI behind the exit has let it through to the gate already. */
static enum run_next exit_nmi(struct vcpu *v)
{
	svm_keep_shadow(v);
	return RUN_RESUME;
}

static enum run_next exit_init_signal(struct vcpu *v)
{
	log_warn("cpu: INIT signal on CPU %u ignored", v->thread.cpu->id);
	svm_keep_shadow(v);
	return RUN_RESUME;
}

static enum run_next exit_irq_window(struct vcpu *v)
{
	svm_set_irq_window(svm_of(v)->vmcb, false);
	vcpu_post(v, VCPU_IRQ);
	return RUN_RESUME;
}

/* DR6 and DR7 hold what the exception leaves there, but for GD, which its delivery clears. */
static enum run_next exit_debug(struct vcpu *v)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	if (svm_step_done(v))
		return RUN_RESUME;
	vmcb->save.dr7 &= ~DR7_GD;
	vmcb_dirty(vmcb, CLEAN_DR);
	svm_inject_exception(v, VEC_DB, false, 0);
	return RUN_RESUME;
}

static enum run_next exit_alignment_check(struct vcpu *v)
{
	svm_inject_exception(v, VEC_AC, true, (u32)svm_of(v)->vmcb->exit_info1);
	return RUN_RESUME;
}

static enum run_next exit_machine_check(struct vcpu *v)
{
	panic("machine check while vm %s ran; MCG_STATUS 0x%lx", v->vm->config->name,
	      rdmsr(MSR_MCG_STATUS));
}

static enum run_next exit_shutdown(struct vcpu *v)
{
	vm_kill(v, "triple fault");
	return RUN_LEAVE;
}

static u64 guest_cr4_of_loaded(void)
{
	const struct vcpu *v = this_cpu()->loaded_vcpu;

	return svm_of(v)->vmcb->save.cr4;
}

static enum run_next exit_cpuid(struct vcpu *v)
{
	/* QEMU's emulation does not let XSETBV exit: what the guest has set is in the register. */
	if (unlikely((u32)v->regs.r[REG_RAX] == CPUID_LEAF_XSTATE) && cpu_features.xsave)
		v->xcr0 = xgetbv(0);
	cpuid_emulate(v, guest_cr4_of_loaded);
	svm_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_hlt(struct vcpu *v)
{
	svm_skip_instruction(v);
	/* A single step's trap ends it at once. */
	if (unlikely(svm_of(v)->vmcb->event & EVENT_VALID))
		return RUN_RESUME;
	vcpu_halt(v);
	return v->activity == VCPU_RUNNING ? RUN_RESUME : RUN_LEAVE;
}

/* The guest spins: others on this CPU get their turn. */
static enum run_next exit_pause(struct vcpu *v)
{
	svm_skip_instruction(v);
	sched_yield_spinning();
	return RUN_RESUME;
}

static enum run_next exit_undefined(struct vcpu *v)
{
	svm_inject_exception(v, VEC_UD, false, 0);
	return RUN_RESUME;
}

static enum run_next exit_vmmcall(struct vcpu *v)
{
	if (likely(!v->vm->hyperv.on))
		exit_hypercall(v);
	else if (hyperv_hypercall(v, svm_fetch_mode(&svm_of(v)->vmcb->save)))
		return exit_undefined(v);
	svm_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_gp(struct vcpu *v)
{
	return svm_inject_gp(v);
}

/* Cache flushes: guest memory is coherent, and no guest owns a device; nothing need be written
 * back. */
static enum run_next exit_skip(struct vcpu *v)
{
	svm_skip_instruction(v);
	return RUN_RESUME;
}

static __attribute__((noinline)) enum run_next other_io(struct vcpu *v, u64 info)
{
	if (info & IO_STRING) {
		mmio_emulate(v, &(struct mmio_hint){ .io_size = (u8)IO_SIZE(info) });
		return RUN_RESUME_ALL;
	}
	if (info & IO_IN)
		exit_port_in(v, IO_PORT(info), IO_SIZE(info));
	else
		exit_port_out(v, IO_PORT(info), IO_SIZE(info));
	svm_skip_to(v, svm_of(v)->vmcb->exit_info2);
	return RUN_RESUME;
}

/* EXITINFO2 is the RIP behind the instruction, with or without the saving of next RIPs (15.10.2).
 */
static enum run_next exit_io(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;
	u64 info = vmcb->exit_info1;

	if (unlikely(info & IO_OTHER))
		return other_io(v, info);
	if (info & IO_IN)
		exit_low_port_in(v, info >> IO_PORT_SHIFT);
	else
		exit_low_port_out(v, info >> IO_PORT_SHIFT);
	svm_skip_to(v, vmcb->exit_info2);
	return RUN_RESUME;
}

static enum run_next read_msr(struct vcpu *v)
{
	u32 msr = (u32)v->regs.r[REG_RCX];
	u64 value;

	if (msr_read(v, msr, &value) && svm_msr_read(v, msr, &value))
		return svm_inject_gp(v);
	v->regs.r[REG_RAX] = (u32)value;
	v->regs.r[REG_RDX] = value >> 32;
	svm_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_msr(struct vcpu *v)
{
	u64 value = v->regs.r[REG_RDX] << 32 | (u32)v->regs.r[REG_RAX];
	u32 msr = (u32)v->regs.r[REG_RCX];

	if (!svm_of(v)->vmcb->exit_info1)
		return read_msr(v);
	if (msr_write(v, msr, value) && svm_msr_write(v, msr, value))
		return svm_inject_gp(v);
	svm_agree_on_tpr(v);
	svm_skip_instruction(v);
	return RUN_RESUME;
}

static u8 given_bytes(const struct vmcb *vmcb)
{
	return svm_caps.decode_assists ? vmcb->insn_count & 0xf : 0;
}

/* 16 readable bytes, 15 of them the instruction's and what follows it; NULL: not at hand. */
static force_inline const u8 *code_at_rip(const struct vcpu *v, u64 mode)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;

	_Static_assert(offsetof(struct vmcb, insn) + 16 <= sizeof(struct vmcb), "readable");
	if (given_bytes(vmcb) == sizeof(vmcb->insn))
		return vmcb->insn;
	return fetch_cache_code(v->fetch_cache, v->rip, vmcb->save.cr3, mode,
				slots_generation(&v->vm->slots), 16);
}

/* The access itself went to gpa: the short way, if the instruction is one for it. */
static force_inline bool emulate_move(struct vcpu *v, gpa_t gpa, bool write)
{
	u64 mode = svm_fetch_mode(&svm_of(v)->vmcb->save);
	unsigned length = 0;
	const u8 *code;

	if (unlikely(!fetch_mode_is_kernel(mode)))
		return false;
	code = code_at_rip(v, mode);
	if (likely(code))
		length = mmio_move(v, code, gpa, write);
	if (unlikely(!length))
		return false;
	svm_skip_to(v, v->rip + length);
	return true;
}

static __attribute__((noinline)) void emulate(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;
	u64 info = vmcb->exit_info1;

	mmio_emulate(v, &(struct mmio_hint){ .valid = info & NPF_FINAL,
					     .write = info & NPF_WRITE,
					     .gpa = GPA(vmcb->exit_info2),
					     .insn = vmcb->insn,
					     .insn_count = given_bytes(vmcb) });
}

static __attribute__((noinline)) enum run_next kill_by_npf(struct vcpu *v)
{
	gpa_t gpa = GPA(svm_of(v)->vmcb->exit_info2);
	unsigned level;
	u64 entry;

	if (!(svm_of(v)->vmcb->exit_info1 & NPF_RSV)) {
		vm_kill(v, "an event was delivered through memory that is not RAM, at 0x%lx",
			gpa.v);
		return RUN_LEAVE;
	}
	entry = ptab_lookup(&v->vm->tdp, gpa.v, &level);
	vm_kill(v, "reserved bits in the nested page tables at 0x%lx: level-%u entry 0x%lx", gpa.v,
		level, entry);
	return RUN_LEAVE;
}

static enum run_next exit_npf(struct vcpu *v)
{
	const struct svm_vcpu *x = svm_of(v);
	const struct vmcb *vmcb = x->vmcb;
	u64 info = vmcb->exit_info1;
	gfn_t gfn = gpa_to_gfn(GPA(vmcb->exit_info2));
	enum tdp_result in_slot = TDP_EMULATE;
	struct slot *slot;
	bool known = slots_recall(&v->vm->slots, &v->slot_cache, gfn, &slot);

	if ((slot || !known) && likely(!(info & NPF_RSV)))
		in_slot = tdp_fault(v, slot, GPA(vmcb->exit_info2), info & NPF_WRITE);
	if (in_slot != TDP_EMULATE) {
		svm_keep_shadow(v);
		return in_slot == TDP_RESUME ? RUN_RESUME : RUN_LEAVE;
	}
	if (unlikely((info & NPF_RSV) || x->vectoring))
		return kill_by_npf(v);
	if (unlikely(!(info & NPF_FINAL) ||
		     !emulate_move(v, GPA(vmcb->exit_info2), info & NPF_WRITE)))
		emulate(v);
	svm_agree_on_tpr(v);
	return RUN_RESUME_ALL;
}

static enum run_next exit_xsetbv_instruction(struct vcpu *v)
{
	if (exit_xsetbv(v))
		return svm_inject_gp(v);
	svm_skip_instruction(v);
	return RUN_RESUME;
}

static enum run_next exit_invalid(struct vcpu *v)
{
	svm_report_invalid(v);
	vm_kill(v, "VMRUN was refused: the VMCB is not valid");
	return RUN_LEAVE;
}

static enum run_next exit_unhandled(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;

	vm_kill(v, "unhandled exit, code 0x%lx, information 0x%lx and 0x%lx", vmcb->exit_code,
		vmcb->exit_info1, vmcb->exit_info2);
	return RUN_LEAVE;
}

struct reason {
	const char *name;
	enum run_next (*handler)(struct vcpu *v);
};

static const struct reason reasons[REASONS] = {
	[0x14] = { "CR4 write", svm_exit_write_cr },
	[0x18] = { "CR8 write", svm_exit_write_cr },
	[0x40] = { "divide error", svm_exit_step_fault },
	[0x41] = { "debug exception", exit_debug },
	[0x43] = { "INT3", svm_exit_unsteppable },
	[0x44] = { "INTO", svm_exit_unsteppable },
	[0x45] = { "bound-range exception", svm_exit_step_fault },
	[0x46] = { "invalid opcode", svm_exit_step_fault },
	[0x47] = { "device not available", svm_exit_step_fault },
	[0x4a] = { "invalid TSS", svm_exit_step_fault },
	[0x4b] = { "segment not present", svm_exit_step_fault },
	[0x4c] = { "stack exception", svm_exit_step_fault },
	[0x4d] = { "general protection", svm_exit_step_fault },
	[0x4e] = { "page fault", svm_exit_step_fault },
	[0x50] = { "x87 exception", svm_exit_step_fault },
	[0x51] = { "alignment check", exit_alignment_check },
	[0x52] = { "machine check", exit_machine_check },
	[0x53] = { "SIMD exception", svm_exit_step_fault },
	[0x60] = { "external interrupt", exit_interrupt },
	[0x61] = { "NMI", exit_nmi },
	[0x63] = { "INIT signal", exit_init_signal },
	[0x64] = { "interrupt window", exit_irq_window },
	[0x6f] = { "RDPMC", exit_gp },
	[0x70] = { "PUSHF", svm_exit_step_pushf },
	[0x71] = { "POPF", svm_exit_unsteppable },
	[0x72] = { "CPUID", exit_cpuid },
	[0x73] = { "RSM", exit_undefined },
	[0x74] = { "IRET", svm_exit_iret },
	[0x75] = { "INT", svm_exit_unsteppable },
	[0x76] = { "INVD", exit_skip },
	[0x77] = { "PAUSE", exit_pause },
	[0x78] = { "HLT", exit_hlt },
	[0x7a] = { "INVLPGA", exit_undefined },
	[0x7b] = { "port I/O", exit_io },
	[0x7c] = { "MSR", exit_msr },
	[0x7f] = { "triple fault", exit_shutdown },
	[0x80] = { "VMRUN", exit_undefined },
	[0x81] = { "VMMCALL", exit_vmmcall },
	[0x82] = { "VMLOAD", exit_undefined },
	[0x83] = { "VMSAVE", exit_undefined },
	[0x84] = { "STGI", exit_undefined },
	[0x85] = { "CLGI", exit_undefined },
	[0x86] = { "SKINIT", exit_undefined },
	[0x88] = { "INT1", svm_exit_unsteppable },
	[0x89] = { "WBINVD", exit_skip },
	[0x8a] = { "MONITOR", exit_undefined },
	[0x8b] = { "MWAIT", exit_undefined },
	[0x8d] = { "XSETBV", exit_xsetbv_instruction },
	[0x8e] = { "RDPRU", exit_undefined },
	[REASON_NPF] = { "nested page fault", exit_npf },
	[REASON_INVALID] = { "invalid VMCB", exit_invalid },
	[REASON_OTHER] = { "unknown reason", exit_unhandled },
};

const char *svm_exit_name(u32 reason)
{
	return reason < REASONS && reasons[reason].name ? reasons[reason].name : "unknown reason";
}

static __attribute__((noinline)) u32 far_reason(u64 code)
{
	if ((u32)code == CODE_INVALID || (u32)code == CODE_BUSY)
		return REASON_INVALID;
	return REASON_OTHER;
}

static u32 reason_of(u64 code)
{
	if (likely(code < CODE_DIRECT))
		return (u32)code;
	return code == CODE_NPF ? REASON_NPF : far_reason(code);
}

/* The guest moved its TPR by CR8, without an exit. */
static __attribute__((noinline)) void take_guest_tpr(struct vcpu *v, u8 tpr)
{
	svm_of(v)->tpr = tpr;
	lapic_set_cr8(&v->lapic, tpr & 0xf);
}

static __attribute__((noinline)) enum run_next handle_vectoring(
	struct vcpu *v, enum run_next (*handler)(struct vcpu *v))
{
	enum run_next next;

	svm_save_vectoring(v);
	next = handler(v);
	if (svm_of(v)->vectoring)
		svm_requeue_vectoring(v);
	return next;
}

/* What few exits have to see to before their handler; apart, so that the others save no registers.
 */
static __attribute__((noinline)) enum run_next handle_with_care(struct vcpu *v, u32 reason)
{
	struct svm_vcpu *x = svm_of(v);
	const struct vmcb *vmcb = x->vmcb;
	enum run_next (*handler)(struct vcpu *) = reasons[reason].handler;

	if ((u8)vmcb->vintr != x->tpr)
		take_guest_tpr(v, (u8)vmcb->vintr);
	/* The handler may open the way for what waits: that is cheaper than another exit. */
	if (vmcb->misc1 & MISC1_VINTR)
		vcpu_post(v, VCPU_IRQ);
	if (!handler)
		handler = exit_unhandled;
	return vmcb->exit_int_info & EVENT_VALID ? handle_vectoring(v, handler) : handler(v);
}

enum run_next svm_exit_handle(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);
	struct vmcb *vmcb = x->vmcb;
	u32 reason = reason_of(vmcb->exit_code);
	struct exit_record *r = &v->trace[v->trace_pos++ & (VCPU_TRACE - 1)];
	enum run_next (*handler)(struct vcpu *) = reasons[reason].handler;

	v->rip = vmcb->save.rip;
	r->rip = v->rip;
	r->reason = reason;
	v->exits[reason]++;
	if (unlikely((u8)((u8)vmcb->vintr ^ x->tpr) | (vmcb->misc1 & MISC1_VINTR) |
		     (vmcb->exit_int_info & EVENT_VALID) | !handler))
		return handle_with_care(v, reason);
	return handler(v);
}

enum run_next svm_exit_pending(struct vcpu *v, enum run_next next)
{
	if (READ_ONCE(v->thread.pending) != VCPU_IRQ)
		return RUN_LEAVE;
	/* Full barrier: what is posted after this is seen as a bit set again. */
	atomic_fetch_and(&v->thread.pending, ~(u32)VCPU_IRQ);
	svm_deliver_irq(v);
	return next;
}
