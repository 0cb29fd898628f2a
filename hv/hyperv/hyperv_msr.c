/* The synthetic MSRs (TLFS, "Overview of synthetic MSRs"). */
#include <errno.h>

#include "core/log.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/guest_mem.h"
#include "hv/hyperv/hyperv.h"
#include "hv/vm.h"

#define HV_GUEST_OS_ID	     0x40000000u
#define HV_HYPERCALL	     0x40000001u
#define HV_VP_INDEX	     0x40000002u
#define HV_RESET	     0x40000003u
#define HV_TIME_REF_COUNT    0x40000020u
#define HV_REFERENCE_TSC     0x40000021u
#define HV_TSC_FREQUENCY     0x40000022u
#define HV_APIC_FREQUENCY    0x40000023u
#define HV_EOI		     0x40000070u
#define HV_ICR		     0x40000071u
#define HV_TPR		     0x40000072u
#define HV_VP_ASSIST_PAGE    0x40000073u
#define HV_CRASH_FIRST	     0x40000100u
#define HV_CRASH_CTL	     0x40000105u
#define HV_TSC_INVARIANT_CTL 0x40000118u
_Static_assert(HV_CRASH_FIRST + HYPERV_CRASH_PARAMETERS == HV_CRASH_CTL, "P0 to P4, then CTL");
_Static_assert(HV_TSC_INVARIANT_CTL - HYPERV_MSR_FIRST < HYPERV_MSR_COUNT, "all are covered");

#define CRASH_NOTIFY BIT(63)
#define INSN_RET     0xc3
#define XAPIC_ICR    0x300u
#define XAPIC_ICR_HI 0x310u
#define X2APIC_ICR   0x830u

/* --- hypercall page --- */

/* The processor's own instruction for it, and a return. The lock is held. */
static int show_hypercall_page(struct vm *vm, gfn_t gfn)
{
	const u8 *insn = backend->hypercall_insn;
	const u8 code[] = { insn[0], insn[1], insn[2], INSN_RET };

	return overlay_show(vm, &vm->hyperv.hypercall_page, gfn, code, sizeof(code));
}

static int write_hypercall(struct vm *vm, u64 value)
{
	struct hyperv *h = &vm->hyperv;

	if (h->hypercall & HYPERCALL_LOCKED)
		return -EIO;
	if (!h->guest_os_id)
		value &= ~HYPERV_PAGE_ENABLED;
	if (!(value & HYPERV_PAGE_ENABLED))
		overlay_hide(vm, &h->hypercall_page);
	else if (show_hypercall_page(vm, GFN(value >> PAGE_SHIFT)))
		return -EIO;
	WRITE_ONCE(h->hypercall, value);
	return 0;
}

static int write_guest_os_id(struct vm *vm, u64 value)
{
	struct hyperv *h = &vm->hyperv;

	h->guest_os_id = value;
	if (!value) {
		overlay_hide(vm, &h->hypercall_page);
		WRITE_ONCE(h->hypercall, h->hypercall & ~HYPERV_PAGE_ENABLED);
	}
	return 0;
}

/* --- crash report --- */

static int write_crash_ctl(struct vm *vm, u64 value)
{
	struct hyperv *h = &vm->hyperv;
	const u64 *p = h->crash;

	if (value & ~CRASH_NOTIFY)
		return -EIO;
	if (value && h->crashes++ < HYPERV_CRASHES_LOGGED)
		log_warn("vm %s: the guest reports a crash: 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx",
			 vm->config->name, p[0], p[1], p[2], p[3], p[4]);
	return 0;
}

static int write_tsc_invariant(struct hyperv *h, u64 value)
{
	if (value & ~1ull)
		return -EIO;
	h->tsc_invariant = value;
	return 0;
}

/* Those of the VM; -ENOENT: it is none of them. The lock is held. */
static int write_locked(struct vm *vm, u32 msr, u64 value)
{
	if (msr - HV_CRASH_FIRST < HYPERV_CRASH_PARAMETERS) {
		vm->hyperv.crash[msr - HV_CRASH_FIRST] = value;
		return 0;
	}
	switch (msr) {
	case HV_GUEST_OS_ID:
		return write_guest_os_id(vm, value);
	case HV_HYPERCALL:
		return write_hypercall(vm, value);
	case HV_REFERENCE_TSC:
		return hyperv_write_reference_tsc(vm, value);
	case HV_CRASH_CTL:
		return write_crash_ctl(vm, value);
	case HV_TSC_INVARIANT_CTL:
		return write_tsc_invariant(&vm->hyperv, value);
	default:
		return -ENOENT;
	}
}

static int read_locked(const struct hyperv *h, u32 msr, u64 *value)
{
	if (msr - HV_CRASH_FIRST < HYPERV_CRASH_PARAMETERS) {
		*value = h->crash[msr - HV_CRASH_FIRST];
		return 0;
	}
	switch (msr) {
	case HV_GUEST_OS_ID:
		*value = h->guest_os_id;
		return 0;
	case HV_HYPERCALL:
		*value = h->hypercall;
		return 0;
	case HV_REFERENCE_TSC:
		*value = h->reference_tsc;
		return 0;
	case HV_CRASH_CTL:
		*value = CRASH_NOTIFY;
		return 0;
	case HV_TSC_INVARIANT_CTL:
		*value = h->tsc_invariant;
		return 0;
	default:
		return -ENOENT;
	}
}

/* --- the vCPU's own --- */

static int read_icr(struct vcpu *v, u64 *value)
{
	struct lapic *l = &v->lapic;

	if (lapic_mode(l) == LAPIC_MODE_X2APIC)
		return lapic_msr_read(l, X2APIC_ICR, value) < 0 ? -EIO : 0;
	if (lapic_mode(l) != LAPIC_MODE_XAPIC)
		return -EIO;
	*value = lapic_mmio_read(l, XAPIC_ICR, 4) | lapic_mmio_read(l, XAPIC_ICR_HI, 4) << 32;
	return 0;
}

static int write_icr(struct vcpu *v, u64 value)
{
	struct lapic *l = &v->lapic;

	if (lapic_mode(l) == LAPIC_MODE_X2APIC)
		return lapic_msr_write(l, X2APIC_ICR, value) < 0 ? -EIO : 0;
	if (lapic_mode(l) != LAPIC_MODE_XAPIC)
		return -EIO;
	lapic_mmio_write(l, XAPIC_ICR_HI, 4, value >> 32);
	lapic_mmio_write(l, XAPIC_ICR, 4, (u32)value);
	return 0;
}

static int write_tpr(struct vcpu *v, u64 value)
{
	if (value > 0xff || lapic_mode(&v->lapic) == LAPIC_MODE_DISABLED)
		return -EIO;
	lapic_set_tpr(&v->lapic, (u8)value);
	return 0;
}

static int write_eoi(struct vcpu *v, u64 value)
{
	if (value >> 32 || lapic_mode(&v->lapic) == LAPIC_MODE_DISABLED)
		return -EIO;
	lapic_eoi(&v->lapic);
	return 0;
}

/* The page is the guest's own; of what it holds Neap uses nothing: it asks for no EOI to be left
 * out. */
static int write_assist_page(struct vcpu *v, u64 value)
{
	const u32 no_eoi_assist = 0;

	if ((value & HYPERV_PAGE_ENABLED) &&
	    guest_mem_write(v->vm, GPA(ALIGN_DOWN(value, PAGE_SIZE)), &no_eoi_assist,
			    sizeof(no_eoi_assist)))
		return -EIO;
	v->hyperv_assist = value;
	return 0;
}

static int write_reset(struct vcpu *v, u64 value)
{
	if (value & ~1ull)
		return -EIO;
	if (value)
		vm_stop(v->vm, 0, VM_END_RESET, "reset");
	return 0;
}

static int read_own(struct vcpu *v, u32 msr, u64 *value)
{
	switch (msr) {
	case HV_VP_INDEX:
		*value = vp_index_of(&v->vm->hyperv.vp, v->index).v;
		return 0;
	case HV_RESET:
		*value = 0;
		return 0;
	case HV_TIME_REF_COUNT:
		*value = hyperv_reference_time(v->vm);
		return 0;
	case HV_TSC_FREQUENCY:
		*value = v->vm->tsc.hz;
		return 0;
	case HV_APIC_FREQUENCY:
		*value = LAPIC_TIMER_HZ;
		return 0;
	case HV_ICR:
		return read_icr(v, value);
	case HV_TPR:
		*value = lapic_reg(&v->lapic, LAPIC_TPR) & 0xff;
		return 0;
	case HV_VP_ASSIST_PAGE:
		*value = v->hyperv_assist;
		return 0;
	default:
		return -EIO;
	}
}

static int write_own(struct vcpu *v, u32 msr, u64 value)
{
	switch (msr) {
	case HV_RESET:
		return write_reset(v, value);
	case HV_EOI:
		return write_eoi(v, value);
	case HV_ICR:
		return write_icr(v, value);
	case HV_TPR:
		return write_tpr(v, value);
	case HV_VP_ASSIST_PAGE:
		return write_assist_page(v, value);
	default:
		return -EIO;
	}
}

int hyperv_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	struct hyperv *h = &v->vm->hyperv;
	int err;

	if (!h->on)
		return -EIO;
	spin_lock(&h->lock);
	err = read_locked(h, msr, value);
	spin_unlock(&h->lock);
	return err == -ENOENT ? read_own(v, msr, value) : err;
}

int hyperv_msr_write(struct vcpu *v, u32 msr, u64 value)
{
	struct hyperv *h = &v->vm->hyperv;
	int err;

	if (!h->on)
		return -EIO;
	spin_lock(&h->lock);
	err = write_locked(v->vm, msr, value);
	spin_unlock(&h->lock);
	return err == -ENOENT ? write_own(v, msr, value) : err;
}
