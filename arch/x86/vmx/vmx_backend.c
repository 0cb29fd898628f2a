/* The VMX backend: vCPUs' VMCSs, and loading and running them. */
#include <errno.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/trap.h"
#include "arch/x86/vmx/ept.h"
#include "arch/x86/vmx/vmx_cpu.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/time.h"
#include "hv/msr.h"
#include "mm/frame.h"
#include "mm/host_map.h"
#include "mm/phys.h"

#define XAPIC_PAGE	   0xfee00000ull
#define EXCEPTIONS_TRAPPED (BIT(VEC_DB) | BIT(VEC_AC) | BIT(VEC_MC))
#define PASSTHROUGH_MAX	   16
/*
 * PAUSEs at most PLE_GAP ticks apart are one loop, and a loop that goes on for PLE_WINDOW ticks is
 * left (SDM vol. 3 25.6.13). A PAUSE takes up to some 140 ticks by itself, and a lock whose holder
 * runs is mostly free before the window is over.
 */
#define PLE_GAP	   256
#define PLE_WINDOW 4096
_Static_assert(PLE_GAP < PLE_WINDOW, "else no loop is ever left");

/* All ports exit: one pair of bitmaps of ones serves every VM. */
static hpa_t io_bitmaps;

static int probe(void)
{
	int err = vmx_caps_read();

	if (!err)
		err = vmx_posted_probe();
	if (err)
		return err;
	/* Two frames in a row: order 1. */
	io_bitmaps = frame_alloc(1);
	if (!io_bitmaps.v)
		return -ENOMEM;
	memset(phys_to_virt(io_bitmaps), 0xff, 2 * PAGE_SIZE);
	return 0;
}

static enum dirty_method dirty_method(void)
{
	if (vmx_caps.pml)
		return DIRTY_PML;
	return vmx_caps.ept_ad ? DIRTY_BITS : DIRTY_WRITE_PROTECT;
}

static void tdp_flush(struct vm *vm)
{
	struct vcpu *loaded = this_cpu()->loaded_vcpu;

	if (loaded)
		vmx_pml_drain(loaded);
	vmx_invept(ept_pointer(vm->tdp.root));
}

/* The page behind the local APIC's address: never read or written, accesses to it exit by
 * themselves. */
static int vm_init(struct vm *vm)
{
	if (!vmx_caps.apic_access)
		return 0;
	vm->apic_access_page = frame_alloc_zeroed(0);
	if (!vm->apic_access_page.v)
		return -ENOMEM;
	return ptab_map(&vm->tdp, XAPIC_PAGE, vm->apic_access_page, PAGE_SIZE, ept_ram_flags());
}

static void vm_fini(struct vm *vm)
{
	if (vm->apic_access_page.v)
		frame_free(vm->apic_access_page, 0);
}

static void open_msr(u8 *bitmap, u32 msr, bool write)
{
	/* SDM vol. 3 25.6.9: four parts of 1 KiB: read low, read high, write low, write high. */
	unsigned part = (msr >= 0xc0000000 ? 1024 : 0) + (write ? 2048 : 0);

	bitmap[part + (msr & 0x1fff) / 8] &= (u8)~BIT(msr % 8);
}

static u8 *new_msr_bitmap(void)
{
	hpa_t a = frame_alloc(0);
	u8 *bitmap;

	if (!a.v)
		return NULL;
	bitmap = phys_to_virt(a);
	memset(bitmap, 0xff, PAGE_SIZE);
	for (const u32 *m = msr_passthrough; *m; m++) {
		if ((*m == MSR_TSC_AUX && !vmx_caps.rdtscp) || (*m == MSR_PAT && !vmx_caps.pat))
			continue;
		open_msr(bitmap, *m, false);
		open_msr(bitmap, *m, true);
	}
	open_msr(bitmap, MSR_TSC, false);
	return bitmap;
}

static void write_host_state(void)
{
	struct cpu *c = this_cpu();
	struct desc_pointer idt;

	__asm__ volatile("sidt %0" : "=m"(idt));
	vmcs_write16(VMCS_HOST_CS_SEL, SEL_CODE);
	vmcs_write16(VMCS_HOST_SS_SEL, SEL_DATA);
	vmcs_write16(VMCS_HOST_DS_SEL, SEL_DATA);
	vmcs_write16(VMCS_HOST_ES_SEL, SEL_DATA);
	vmcs_write16(VMCS_HOST_FS_SEL, 0);
	vmcs_write16(VMCS_HOST_GS_SEL, 0);
	vmcs_write16(VMCS_HOST_TR_SEL, SEL_TSS);
	vmcs_writen(VMCS_HOST_CR0, read_cr0());
	vmcs_writen(VMCS_HOST_CR3, read_cr3());
	vmcs_writen(VMCS_HOST_CR4, read_cr4());
	vmcs_writen(VMCS_HOST_FS_BASE, 0);
	vmcs_writen(VMCS_HOST_GS_BASE, (u64)c);
	vmcs_writen(VMCS_HOST_TR_BASE, (u64)&c->desc.tss);
	vmcs_writen(VMCS_HOST_GDTR_BASE, (u64)c->desc.gdt);
	vmcs_writen(VMCS_HOST_IDTR_BASE, idt.base);
	vmcs_write32(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_writen(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_writen(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write64(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	if (vmx_caps.pat)
		vmcs_write64(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	vmcs_writen(VMCS_HOST_RIP, (u64)vmx_exit_entry);
}

static void write_controls(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	const struct vmx_caps *c = &vmx_caps;

	x->primary = c->primary.used;
	x->secondary = vmx_secondary(v);
	vmcs_write32(VMCS_PIN_CONTROLS, c->pin.used);
	vmcs_write32(VMCS_PRIMARY_CONTROLS, x->primary);
	vmcs_write32(VMCS_SECONDARY_CONTROLS, x->secondary);
	vmcs_write32(VMCS_EXIT_CONTROLS, c->exit.used);
	vmcs_write32(VMCS_ENTRY_CONTROLS, c->entry.used);
	vmcs_write32(VMCS_EXCEPTION_BITMAP, EXCEPTIONS_TRAPPED);
	vmcs_write32(VMCS_PF_ERROR_MASK, 0);
	vmcs_write32(VMCS_PF_ERROR_MATCH, 0);
	vmcs_write32(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write32(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write32(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write32(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write64(VMCS_LINK, UINT64_MAX);
	vmcs_write64(VMCS_IO_BITMAP_A, io_bitmaps.v);
	vmcs_write64(VMCS_IO_BITMAP_B, io_bitmaps.v + PAGE_SIZE);
	vmcs_write64(VMCS_MSR_BITMAP, virt_to_phys(x->msr_bitmap).v);
	vmcs_write64(VMCS_EPT_POINTER, ept_pointer(v->vm->tdp.root));
	vmcs_writen(VMCS_CR0_MASK, VMX_CR0_OWNED);
	vmcs_writen(VMCS_CR4_MASK, ~vmx_guest_cr4_allowed(v));
	vmcs_write64(VMCS_TSC_OFFSET, v->tsc_offset);
	if (x->secondary & SEC_TSC_SCALING)
		vmcs_write64(VMCS_TSC_MULTIPLIER, v->vm->tsc.mult);
}

void vmx_arm_preemption_timer(void)
{
	u64 ticks = (time_hz() / PREEMPT_PERIOD_HZ) >> vmx_caps.preempt_shift;

	vmcs_write32(VMCS_PREEMPTION_TIMER, (u32)MAX(ticks, 1ull));
}

static void write_optional_controls(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	const struct vmx_caps *c = &vmx_caps;

	if (c->vpid)
		vmcs_write16(VMCS_VPID, x->vpid);
	if (c->tpr_shadow) {
		vmcs_write64(VMCS_VIRTUAL_APIC_PAGE, virt_to_phys(x->apic_page).v);
		vmcs_write32(VMCS_TPR_THRESHOLD, 0);
		x->tpr_threshold = 0;
	}
	if (c->apic_access)
		vmcs_write64(VMCS_APIC_ACCESS_PAGE, v->vm->apic_access_page.v);
	if (c->pause_loop) {
		vmcs_write32(VMCS_PLE_GAP, PLE_GAP);
		vmcs_write32(VMCS_PLE_WINDOW, PLE_WINDOW);
	}
	vmx_pml_reset(v);
	if (c->xsaves)
		vmcs_write64(VMCS_XSS_EXIT_BITMAP, 0);
	if (c->preempt_timer)
		vmx_arm_preemption_timer();
}

/* Registers in the order of msr_passthrough that VMCS entry and exit do not switch. */
static bool in_vmcs(u32 msr)
{
	return msr == MSR_FS_BASE || msr == MSR_GS_BASE || msr == MSR_EFER || msr == MSR_PAT ||
	       msr == MSR_SYSENTER_CS || msr == MSR_SYSENTER_ESP || msr == MSR_SYSENTER_EIP;
}

static bool switched_by_us(u32 msr)
{
	return !in_vmcs(msr) && (msr != MSR_TSC_AUX || cpu_features.rdtscp);
}

/* Guards vpids. VPID 0 is the hypervisor's own (SDM vol. 3 29.1). */
static struct spinlock vpid_lock = SPINLOCK_INIT;
static u64 vpids[65536 / 64];

/* A VPID nobody uses; 0 when all are taken. */
static u16 vpid_alloc(void)
{
	u16 vpid = 0;

	spin_lock(&vpid_lock);
	for (u32 i = 0; !vpid && i < ARRAY_SIZE(vpids); i++) {
		u64 free = ~vpids[i] & (i ? ~0ul : ~1ul);

		if (free) {
			vpid = (u16)(64 * i + (u32)__builtin_ctzl(free));
			vpids[i] |= BIT(vpid % 64);
		}
	}
	spin_unlock(&vpid_lock);
	return vpid;
}

static void vpid_free(u16 vpid)
{
	spin_lock(&vpid_lock);
	if (vpid)
		vpids[vpid / 64] &= ~BIT(vpid % 64);
	spin_unlock(&vpid_lock);
}

static int vcpu_init(struct vcpu *v)
{
	hpa_t frame = frame_alloc_zeroed(0);
	struct vmx_vcpu *x;

	if (!frame.v)
		return -ENOMEM;
	v->backend = x = phys_to_virt(frame);
	lapic_use_descriptor(&v->lapic, &x->posted);
	x->vmcs = vmx_alloc_region();
	x->msr_bitmap = new_msr_bitmap();
	x->apic_page = v->lapic.regs;
	if (vmx_pml_init(v) || guest_live_init(&x->live) || !x->vmcs.v || !x->msr_bitmap)
		return -ENOMEM;
	/* SDM vol. 3 25.11.3: makes its launch state known before it is first loaded. */
	vmx_vmclear(x->vmcs);
	x->vpid = vpid_alloc();
	return !x->vpid && vmx_caps.vpid ? -ENOSPC : 0;
}

static void vcpu_fini(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);

	if (!x)
		return;
	if (x->vmcs.v)
		frame_free(x->vmcs, 0);
	if (x->msr_bitmap)
		frame_free(virt_to_phys(x->msr_bitmap), 0);
	vmx_pml_fini(v);
	vpid_free(x->vpid);
	guest_live_fini(&x->live);
	frame_free(virt_to_phys(x), 0);
	v->backend = NULL;
}

/* First use of a VMCS on its CPU: everything that stays as it is. */
static void vcpu_reset(struct vcpu *v)
{
	trap_irq_window(); /* IF is cleared: see load() */
	write_controls(v);
	write_optional_controls(v);
	vmx_reset(v);
	vmx_update_apic_mode(v);
	v->xcr0 = 1;
	if (cpu_features.xsave)
		xsetbv(0, v->xcr0);
	if (vmx_caps.vpid)
		vmx_invvpid(vmx_of(v)->vpid);
}

/*
 * What this CPU holds of the guest from an earlier stay: the guest may have flushed its own part of
 * it elsewhere since, and another VM may have had the same EPT root (SDM vol. 3 29.4.3).
 */
static void move_here(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);

	x->host = this_cpu();
	write_host_state();
	vmx_invept(ept_pointer(v->vm->tdp.root));
	if (vmx_caps.vpid)
		vmx_invvpid(x->vpid);
}

static void load(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	unsigned i = 0;

	/*
	 * Bochs decides which interrupts are blocked when the IF flag changes, not when it is
	 * loaded by an entry; after another vCPU's exit with IF set, this one could get interrupts
	 * with IF clear. The window sets that right.
	 */
	trap_irq_window();

	vmx_vmptrld(x->vmcs);
	x->current = true;
	if (x->host != this_cpu())
		move_here(v);
	vmx_posted_load(v);
	vmx_load_nmi(v);
	guest_live_isolate();
	guest_live_load(&x->live, v->xcr0);
	for (const u32 *m = msr_passthrough; *m; m++, i++) {
		if (switched_by_us(*m))
			wrmsr(*m, x->passthrough[i]);
	}
	write_dr6(x->dr6);
	write_cr2(x->cr2);
}
_Static_assert(PASSTHROUGH_MAX == ARRAY_SIZE(((struct vmx_vcpu *)0)->passthrough),
	       "one place each");

static void unload(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);
	unsigned i = 0;

	vmx_posted_unload(v);
	/* Before this CPU counts as one that does not run the VM: shootdown() does not ask it to.
	 */
	vmx_pml_drain(v);
	x->current = false;
	vmx_correct_nmi(v);
	guest_live_save(&x->live);
	for (const u32 *m = msr_passthrough; *m; m++, i++) {
		if (switched_by_us(*m))
			x->passthrough[i] = rdmsr(*m);
	}
	x->dr6 = read_dr6();
	x->cr2 = read_cr2();
	/* SDM vol. 3 25.11.1: before another CPU loads it, or its memory is used otherwise. */
	vmx_vmclear(x->vmcs);
	x->launched = false;
}

/* Without VPIDs each entry and exit flushes (SDM vol. 3 29.4.3.3). */
static void flush_guest(struct vcpu *v)
{
	if (vmx_caps.vpid)
		vmx_invvpid(vmx_of(v)->vpid);
}

static void run(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);

	if (!vmx_posted_enter(v))
		return;
	if (unlikely(vmx_enter(v, x->launched))) {
		vmx_report_entry_failure(v, "VM entry was refused");
		vm_kill(v, "VM entry failed with instruction error %u",
			vmcs_read32(VMCS_INSTRUCTION_ERROR));
		return;
	}
	x->launched = true;
}

/* SDM vol. 3 25.6.5. */
static struct tsc_scaling tsc_scaling(void)
{
	if (!vmx_caps.tsc_scaling)
		return (struct tsc_scaling){ 0, 0 };
	return (struct tsc_scaling){ 16, 48 };
}

static void update_tsc(struct vcpu *v)
{
	vmcs_write64(VMCS_TSC_OFFSET, v->tsc_offset);
}

static void set_cr2(struct vcpu *v, u64 cr2)
{
	(void)v;
	write_cr2(cr2);
}

static void xmm(struct vcpu *v, unsigned index, u8 value[16], bool write)
{
	(void)v;
	guest_live_xmm(index, value, write);
}

const struct backend_ops vmx_backend = {
	.name = "VMX",
	.hypercall_insn = { 0x0f, 0x01, 0xc1 },
	.probe = probe,
	.print = vmx_caps_print,
	.cpu_init = vmx_cpu_init,
	.tdp_format = ept_format,
	.tdp_ram_flags = ept_ram_flags,
	.tdp_rom_flags = ept_rom_flags,
	.dirty_method = dirty_method,
	.tdp_flush = tdp_flush,
	.vm_init = vm_init,
	.vm_fini = vm_fini,
	.vcpu_init = vcpu_init,
	.vcpu_fini = vcpu_fini,
	.vcpu_reset = vcpu_reset,
	.vcpu_set_start = vmx_set_start,
	.vcpu_set_sipi = vmx_set_sipi,
	.load = load,
	.unload = unload,
	.flush_guest = flush_guest,
	.run = run,
	.deliver_irq = vmx_deliver_irq,
	.deliver_nmi = vmx_deliver_nmi,
	.notify_running = vmx_notify_running,
	.deliver_irq_to_halted = vmx_deliver_irq_to_halted,
	.inject_exception = vmx_inject_exception,
	.get_mode = vmx_get_mode,
	.get_segment = vmx_get_segment,
	.get_state = vmx_get_state,
	.set_rip = vmx_set_rip,
	.set_cr2 = set_cr2,
	.xmm = xmm,
	.tsc_scaling = tsc_scaling,
	.update_tsc = update_tsc,
	.update_apic_mode = vmx_update_apic_mode,
	.exit_name = vmx_exit_name,
};
