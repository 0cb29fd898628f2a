/* The SVM backend: vCPUs' VMCBs, and loading and running them. */
#include <errno.h>
#include <string.h>

#include "arch/x86/desc.h"
#include "arch/x86/svm/npt.h"
#include "arch/x86/svm/svm_cpu.h"
#include "arch/x86/svm/svm_flush.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "arch/x86/trap.h"
#include "hv/cr.h"
#include "hv/msr.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/phys.h"

/* The maps of intercepted ports and MSRs: 12 KiB and 8 KiB (APM vol. 2 15.10.1, 15.11). */
#define IOPM_ORDER  2
#define MSRPM_ORDER 1
#define MSRPM_PART  0x800u /* bytes for each of the three ranges of 8192 registers */

#define EXCEPTIONS_TRAPPED (BIT(VEC_AC) | BIT(VEC_MC))
#define MISC1_ALWAYS                                                                   \
	(MISC1_INTR | MISC1_NMI | MISC1_INIT | MISC1_RDPMC | MISC1_CPUID | MISC1_RSM | \
	 MISC1_INVD | MISC1_HLT | MISC1_INVLPGA | MISC1_IO | MISC1_MSR | MISC1_SHUTDOWN)
#define MISC2_ALWAYS                                                                           \
	(MISC2_VMRUN | MISC2_VMMCALL | MISC2_VMLOAD | MISC2_VMSAVE | MISC2_STGI | MISC2_CLGI | \
	 MISC2_SKINIT | MISC2_WBINVD | MISC2_MONITOR | MISC2_MWAIT | MISC2_XSETBV | MISC2_RDPRU)

/*
 * Pause filter: this many PAUSEs in a row, each at most so many cycles after the one before it, and
 * the guest is taken to spin.
 */
#define PAUSE_COUNT	3000u
#define PAUSE_THRESHOLD 128u

/* One pair of maps serves every VM: all ports exit, and all MSRs but those in msr_passthrough. */
static hpa_t iopm, msrpm;

/* APM vol. 2 15.11: two bits a register, read and write; 1 intercepts. */
static void open_msr(u8 *map, u32 msr)
{
	u32 part = msr >= 0xc0010000 ? 2 : msr >= 0xc0000000 ? 1 : 0;
	u32 bit = 2 * (msr & 0x1fff);

	map[part * MSRPM_PART + bit / 8] &= (u8) ~(3u << bit % 8);
}

/* EFER holds a bit that the guest must not see, and the PAT is the VMCB's. */
static bool exits(u32 msr)
{
	return msr == MSR_EFER || msr == MSR_PAT || (msr == MSR_TSC_AUX && !cpu_features.rdtscp);
}

static int probe(void)
{
	int err = svm_caps_read();

	if (err)
		return err;
	if (svm_caps.steps_leak)
		desc_set_entry(VEC_DB, svm_debug_entry);
	iopm = frame_alloc(IOPM_ORDER);
	msrpm = frame_alloc(MSRPM_ORDER);
	if (!iopm.v || !msrpm.v)
		return -ENOMEM;
	memset(phys_to_virt(iopm), 0xff, PAGE_SIZE << IOPM_ORDER);
	memset(phys_to_virt(msrpm), 0xff, PAGE_SIZE << MSRPM_ORDER);
	for (const u32 *m = msr_passthrough; *m; m++) {
		if (!exits(*m))
			open_msr(phys_to_virt(msrpm), *m);
	}
	return 0;
}

static enum dirty_method dirty_method(void)
{
	return svm_caps.write_protect ? DIRTY_WRITE_PROTECT : DIRTY_BITS;
}

/* A VM's mappings are cached by ASID only, and one VM's vCPUs have many: all begin anew. */
static void tdp_flush(struct vm *vm)
{
	(void)vm;
	svm_flush_cpu();
}

static int vm_init(struct vm *vm)
{
	(void)vm;
	return 0;
}

static void vm_fini(struct vm *vm)
{
	(void)vm;
}

static int vcpu_init(struct vcpu *v)
{
	struct svm_vcpu *x = heap_alloc(sizeof(*x));

	if (!x)
		return -ENOMEM;
	v->backend = x;
	x->vmcb_pa = frame_alloc_zeroed(0);
	if (guest_live_init(&x->live) || !x->vmcb_pa.v)
		return -ENOMEM;
	x->vmcb = phys_to_virt(x->vmcb_pa);
	return 0;
}

static void vcpu_fini(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	if (!x)
		return;
	if (x->vmcb_pa.v)
		frame_free(x->vmcb_pa, 0);
	guest_live_fini(&x->live);
	heap_free(x);
	v->backend = NULL;
}

/* Every one, whatever a step, an NMI's handler or a window has made of it. */
static void write_controls(struct vcpu *v)
{
	struct vmcb *m = svm_of(v)->vmcb;

	m->intercept_cr = (u32)CR_WRITE(4);
	m->intercept_exceptions = EXCEPTIONS_TRAPPED | (svm_caps.debug_exits ? BIT(VEC_DB) : 0);
	m->misc1 = MISC1_ALWAYS;
	m->misc2 = MISC2_ALWAYS;
	if (svm_caps.pause_filter) {
		m->misc1 |= (u32)MISC1_PAUSE;
		m->pause_count = PAUSE_COUNT;
		m->pause_threshold = svm_caps.pause_threshold ? PAUSE_THRESHOLD : 0;
	}
	m->iopm = iopm.v;
	m->msrpm = msrpm.v;
	m->tsc_offset = v->tsc_offset;
	m->vintr = VINTR_MASKING;
	m->nested_control = VMCB_NP_ENABLE;
	m->nested_cr3 = v->vm->tdp.root.v;
}

static void vcpu_reset(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	write_controls(v);
	svm_reset(v);
	x->cr4_allowed = cr4_offered(&v->vm->cpuid);
	x->efer_allowed = efer_offered(&v->vm->cpuid);
	x->tpr = 0;
	v->xcr0 = 1;
	if (cpu_features.xsave)
		xsetbv(0, v->xcr0);
	svm_flush_guest(v);
	vcpu_post(v, VCPU_IRQ);
}

static void load(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	/* Emulators that decide on a change of IF which interrupts are blocked: see the VMX side.
	 */
	trap_irq_window();
	guest_live_isolate();
	guest_live_load(&x->live, v->xcr0);
	if (cpu_features.rdtscp)
		wrmsr(MSR_TSC_AUX, x->tsc_aux);
	svm_set_tsc_ratio(v->vm->tsc.mult);
	write_cr2(x->vmcb->save.cr2); /* see set_cr2() */
	/* Elsewhere the guest may have flushed what this CPU still holds under its last ASID here:
	 * no generation has this number, so it gets another one. */
	if (x->host != svm_this_cpu())
		x->asid_generation = 0;
	x->host = svm_this_cpu();
	x->host_vmcb = x->host->host_vmcb;
	x->vmcb->clean = 0;
	svm_retry_nmi(v); /* what was to end the guest's run for it may have come elsewhere */
}

static void unload(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	if (cpu_features.xsave)
		v->xcr0 = xgetbv(0);
	guest_live_save(&x->live);
	if (cpu_features.rdtscp)
		x->tsc_aux = rdmsr(MSR_TSC_AUX);
}

static void run(struct vcpu *v)
{
	struct svm_vcpu *x = svm_of(v);

	svm_asid_check(v);
	if (unlikely(x->nmi_wanted && (x->vmcb->event & EVENT_VALID)) && !x->nmi_blocked)
		svm_exit_behind_event();
	else
		svm_guard_event(x->vmcb);
	svm_enter(v, x);
}

/* APM vol. 2 15.30.5. */
static struct tsc_scaling tsc_scaling(void)
{
	if (!svm_caps.tsc_ratio)
		return (struct tsc_scaling){ 0, 0 };
	return (struct tsc_scaling){ 8, 32 };
}

static void update_tsc(struct vcpu *v)
{
	svm_of(v)->vmcb->tsc_offset = v->tsc_offset;
	vmcb_dirty(svm_of(v)->vmcb, CLEAN_INTERCEPTS);
}

/* All accesses of the local APIC exit, whatever its mode. */
static void update_apic_mode(struct vcpu *v)
{
	vcpu_post(v, VCPU_IRQ);
}

static void set_cr2(struct vcpu *v, u64 cr2)
{
	svm_of(v)->vmcb->save.cr2 = cr2;
	vmcb_dirty(svm_of(v)->vmcb, CLEAN_CR2);
	write_cr2(cr2); /* Bochs's VMRUN leaves the register as it is */
}

static void xmm(struct vcpu *v, unsigned index, u8 value[16], bool write)
{
	(void)v;
	guest_live_xmm(index, value, write);
}

const struct backend_ops svm_backend = {
	.name = "SVM",
	.hypercall_insn = { 0x0f, 0x01, 0xd9 },
	.probe = probe,
	.print = svm_caps_print,
	.cpu_init = svm_cpu_init,
	.tdp_format = npt_format,
	.tdp_ram_flags = npt_ram_flags,
	.tdp_rom_flags = npt_rom_flags,
	.dirty_method = dirty_method,
	.tdp_flush = tdp_flush,
	.vm_init = vm_init,
	.vm_fini = vm_fini,
	.vcpu_init = vcpu_init,
	.vcpu_fini = vcpu_fini,
	.vcpu_reset = vcpu_reset,
	.vcpu_set_start = svm_set_start,
	.vcpu_set_sipi = svm_set_sipi,
	.load = load,
	.unload = unload,
	.flush_guest = svm_flush_guest,
	.run = run,
	.deliver_irq = svm_deliver_irq,
	.deliver_nmi = svm_deliver_nmi,
	.deliver_irq_to_halted = svm_deliver_irq_to_halted,
	.inject_exception = svm_inject_exception,
	.get_mode = svm_get_mode,
	.get_segment = svm_get_segment,
	.get_state = svm_get_state,
	.set_rip = svm_set_rip,
	.set_cr2 = set_cr2,
	.xmm = xmm,
	.tsc_scaling = tsc_scaling,
	.update_tsc = update_tsc,
	.update_apic_mode = update_apic_mode,
	.exit_name = svm_exit_name,
};
