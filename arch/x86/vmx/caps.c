#include "arch/x86/vmx/caps.h"

#include <errno.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/emulator.h"
#include "boot/boot_info.h"
#include "core/cmdline.h"
#include "core/format.h"
#include "core/log.h"

#define MSR_VMX_BASIC	     0x480
#define MSR_VMX_PIN	     0x481
#define MSR_VMX_PRIMARY	     0x482
#define MSR_VMX_EXIT	     0x483
#define MSR_VMX_ENTRY	     0x484
#define MSR_VMX_MISC	     0x485
#define MSR_VMX_CR0_FIXED0   0x486
#define MSR_VMX_CR0_FIXED1   0x487
#define MSR_VMX_CR4_FIXED0   0x488
#define MSR_VMX_CR4_FIXED1   0x489
#define MSR_VMX_SECONDARY    0x48b
#define MSR_VMX_EPT_VPID     0x48c
#define MSR_VMX_TRUE_PIN     0x48d
#define MSR_VMX_TRUE_PRIMARY 0x48e
#define MSR_VMX_TRUE_EXIT    0x48f
#define MSR_VMX_TRUE_ENTRY   0x490
#define BASIC_TRUE_CONTROLS  BIT(55)

struct vmx_caps vmx_caps;

struct bit_name {
	u64 bit;
	const char *name;
};

static const struct bit_name pin_names[] = {
	{ PIN_EXT_INTR, "external-interrupt exiting" },
	{ PIN_NMI, "NMI exiting" },
	{ PIN_VIRTUAL_NMI, "virtual NMIs" },
	{ PIN_PREEMPT_TIMER, "preemption timer" },
	{ PIN_POSTED_INTR, "posted interrupts" },
};
static const struct bit_name primary_names[] = {
	{ PRI_TSC_OFFSET, "TSC offsetting" },	 { PRI_HLT, "HLT exiting" },
	{ PRI_MWAIT, "MWAIT exiting" },		 { PRI_RDPMC, "RDPMC exiting" },
	{ PRI_CR3_LOAD, "CR3-load exiting" },	 { PRI_CR8_LOAD, "CR8-load exiting" },
	{ PRI_TPR_SHADOW, "TPR shadow" },	 { PRI_MOV_DR, "MOV-DR exiting" },
	{ PRI_IO_BITMAPS, "I/O bitmaps" },	 { PRI_MSR_BITMAPS, "MSR bitmaps" },
	{ PRI_MONITOR, "MONITOR exiting" },	 { PRI_PAUSE, "PAUSE exiting" },
	{ PRI_SECONDARY, "secondary controls" },
};
static const struct bit_name secondary_names[] = {
	{ SEC_APIC_ACCESS, "virtualize APIC accesses" },
	{ SEC_EPT, "EPT" },
	{ SEC_DESC_TABLE, "descriptor-table exiting" },
	{ SEC_RDTSCP, "RDTSCP" },
	{ SEC_X2APIC_MODE, "virtualize x2APIC" },
	{ SEC_VPID, "VPID" },
	{ SEC_WBINVD, "WBINVD exiting" },
	{ SEC_UNRESTRICTED, "unrestricted guest" },
	{ SEC_APIC_REGS, "APIC-register virtualization" },
	{ SEC_VID, "virtual-interrupt delivery" },
	{ SEC_PAUSE_LOOP, "PAUSE-loop exiting" },
	{ SEC_INVPCID, "INVPCID" },
	{ SEC_VMFUNC, "VM functions" },
	{ SEC_VMCS_SHADOW, "VMCS shadowing" },
	{ SEC_PML, "page-modification logging" },
	{ SEC_EPT_VE, "EPT-violation #VE" },
	{ SEC_XSAVES, "XSAVES" },
	{ SEC_MODE_EXEC, "mode-based execute" },
	{ SEC_TSC_SCALING, "TSC scaling" },
};
static const struct bit_name exit_names[] = {
	{ EXIT_SAVE_DEBUG, "save debug" }, { EXIT_HOST_64, "64-bit host" },
	{ EXIT_ACK_INTR, "acknowledge" },  { EXIT_SAVE_PAT, "save PAT" },
	{ EXIT_LOAD_PAT, "load PAT" },	   { EXIT_SAVE_EFER, "save EFER" },
	{ EXIT_LOAD_EFER, "load EFER" },   { EXIT_SAVE_PREEMPT, "save preemption timer" },
};
static const struct bit_name entry_names[] = {
	{ ENTRY_LOAD_DEBUG, "load debug" },
	{ ENTRY_IA32E, "IA-32e guest" },
	{ ENTRY_LOAD_PAT, "load PAT" },
	{ ENTRY_LOAD_EFER, "load EFER" },
};
static const struct bit_name ept_names[] = {
	{ EPT_CAP_WALK_4, "4-level walk" },
	{ EPT_CAP_WB, "write-back" },
	{ EPT_CAP_2M, "2 MiB" },
	{ EPT_CAP_1G, "1 GiB" },
	{ EPT_CAP_INVEPT, "INVEPT" },
	{ EPT_CAP_AD, "accessed/dirty" },
	{ VPID_CAP_INVVPID, "INVVPID" },
	{ VPID_CAP_SINGLE, "INVVPID single-context" },
};

/* SDM vol. 3 A.3: low half: bits that must be 1; high half: bits that may be 1. */
static void read_control(struct vmx_control *c, const char *name, u32 msr)
{
	u64 v = rdmsr(msr);

	c->name = name;
	c->must = (u32)v;
	c->may = (u32)(v >> 32);
	c->used = c->must;
}

static int check_enabled(void)
{
	u64 fc;

	if (!cpu_features.vmx) {
		log_error(
			"vmx: this processor has no VMX (Intel VT-x); Neap needs it to run guests");
		return -ENODEV;
	}
	fc = rdmsr(MSR_FEATURE_CONTROL);
	if ((fc & FEATURE_LOCKED) && !(fc & FEATURE_VMX)) {
		log_error("vmx: firmware has locked VMX off: switch on \"Intel Virtualization "
			  "Technology\" in the firmware's set-up");
		return -ENODEV;
	}
	return 0;
}

static void read_all(struct vmx_caps *c)
{
	u64 basic = rdmsr(MSR_VMX_BASIC);
	bool t = basic & BASIC_TRUE_CONTROLS;

	c->revision = (u32)basic & 0x7fffffff;
	c->vmcs_size = basic >> 32 & 0x1fff;
	c->true_controls = t;
	read_control(&c->pin, "pin-based", t ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN);
	read_control(&c->primary, "primary", t ? MSR_VMX_TRUE_PRIMARY : MSR_VMX_PRIMARY);
	read_control(&c->exit, "VM-exit", t ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
	read_control(&c->entry, "VM-entry", t ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
	if (c->primary.may & PRI_SECONDARY)
		read_control(&c->secondary, "secondary", MSR_VMX_SECONDARY);
	if (c->secondary.may & (SEC_EPT | SEC_VPID))
		c->ept_vpid = rdmsr(MSR_VMX_EPT_VPID);
	c->cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
	c->cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1);
	c->cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
	c->cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1);
	c->misc = rdmsr(MSR_VMX_MISC);
	c->preempt_shift = c->misc & 0x1f;
}

/* Takes a control if it is there. */
static bool want(struct vmx_control *c, u64 bits)
{
	if ((c->may & bits) != bits)
		return false;
	c->used |= (u32)bits;
	return true;
}

static int need(struct vmx_control *c, u64 bits, const char *what)
{
	if (want(c, bits))
		return 0;
	log_error("vmx: this processor lacks %s, which Neap cannot do without", what);
	return -ENOTSUP;
}

static int choose_needed(struct vmx_caps *c)
{
	int err = 0;

	err |= need(&c->pin, PIN_EXT_INTR | PIN_NMI, "external-interrupt and NMI exiting");
	err |= need(&c->primary,
		    PRI_TSC_OFFSET | PRI_HLT | PRI_IO_BITMAPS | PRI_MSR_BITMAPS | PRI_MWAIT |
			    PRI_MONITOR | PRI_RDPMC,
		    "TSC offsetting, HLT exiting or the I/O and MSR bitmaps");
	err |= need(&c->primary, PRI_SECONDARY, "secondary controls");
	err |= need(&c->secondary, SEC_EPT, "extended page tables (EPT)");
	err |= need(&c->secondary, SEC_UNRESTRICTED, "unrestricted guest");
	err |= need(&c->secondary, SEC_WBINVD, "WBINVD exiting");
	err |= need(&c->exit, EXIT_HOST_64 | EXIT_ACK_INTR, "64-bit host or acknowledge on exit");
	err |= need(&c->exit, EXIT_SAVE_EFER | EXIT_LOAD_EFER, "loading of EFER on VM-exit");
	err |= need(&c->entry, ENTRY_LOAD_EFER, "loading of EFER on VM-entry");
	if (!err && (c->ept_vpid & (EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_INVEPT)) !=
			    (EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_INVEPT)) {
		log_error("vmx: this processor's EPT lacks four-level walks, write-back or INVEPT");
		err = -ENOTSUP;
	}
	return err ? -ENOTSUP : 0;
}

/*
 * Bochs delivers a pending virtual interrupt with the guest's IF clear when a physical one arrives
 * just then: its guests lock up sooner or later.
 */
static bool vid_wanted(void)
{
	if (cmdline_is(boot_info.cmdline, "vid=", "off"))
		return false;
	if (!emulator_is_bochs() || cmdline_is(boot_info.cmdline, "vid=", "on"))
		return true;
	log_info("vmx: virtual-interrupt delivery is left off, as this emulator does it wrong "
		 "(vid=on uses "
		 "it)");
	return false;
}

static void choose_apic(struct vmx_caps *c)
{
	c->tpr_shadow = want(&c->primary, PRI_TPR_SHADOW);
	if (!c->tpr_shadow) {
		(void)want(&c->primary, PRI_CR8_LOAD | PRI_CR8_STORE);
		return;
	}
	c->apic_access = (c->secondary.may & SEC_APIC_ACCESS) != 0;
	c->apic_regs = (c->secondary.may & SEC_APIC_REGS) != 0;
	c->x2apic_mode = (c->secondary.may & SEC_X2APIC_MODE) != 0;
	/* Delivery without exits needs the registers to be virtualized in both of the APIC's modes.
	 */
	c->vid = (c->secondary.may & SEC_VID) && c->apic_regs && c->apic_access && c->x2apic_mode &&
		 vid_wanted();
	c->posted = c->vid && (c->pin.may & PIN_POSTED_INTR) &&
		    !cmdline_is(boot_info.cmdline, "posted=", "off");
}

/* How writes of guests are logged: hv/mmu/dirty_log.h. PML logs what sets a dirty bit. */
static void choose_dirty(struct vmx_caps *c)
{
	c->ept_ad = (c->ept_vpid & EPT_CAP_AD) && !cmdline_is(boot_info.cmdline, "dirty=", "wp");
	c->pml = c->ept_ad && !cmdline_is(boot_info.cmdline, "dirty=", "ad") &&
		 want(&c->secondary, SEC_PML);
}

static void choose_optional(struct vmx_caps *c)
{
	c->virtual_nmi = want(&c->pin, PIN_VIRTUAL_NMI);
	c->preempt_timer = want(&c->pin, PIN_PREEMPT_TIMER);
	if (c->preempt_timer)
		(void)want(&c->exit, EXIT_SAVE_PREEMPT);
	c->vpid = (c->ept_vpid & VPID_CAP_INVVPID) && (c->ept_vpid & VPID_CAP_SINGLE) &&
		  want(&c->secondary, SEC_VPID);
	c->pause_loop = want(&c->secondary, SEC_PAUSE_LOOP);
	c->rdtscp = want(&c->secondary, SEC_RDTSCP);
	c->invpcid = want(&c->secondary, SEC_INVPCID);
	c->xsaves = cpu_features.xsaves && want(&c->secondary, SEC_XSAVES);
	c->pat = want(&c->exit, EXIT_SAVE_PAT | EXIT_LOAD_PAT) && want(&c->entry, ENTRY_LOAD_PAT);
	(void)want(&c->exit, EXIT_SAVE_DEBUG);
	(void)want(&c->entry, ENTRY_LOAD_DEBUG);
	/* Switched on for those guests that want it. */
	c->tsc_scaling = (c->secondary.may & SEC_TSC_SCALING) != 0;
	c->ept_2m = (c->ept_vpid & EPT_CAP_2M) != 0;
	c->ept_1g = c->ept_2m && (c->ept_vpid & EPT_CAP_1G);
	choose_dirty(c);
}

int vmx_caps_read(void)
{
	int err = check_enabled();

	if (err)
		return err;
	read_all(&vmx_caps);
	err = choose_needed(&vmx_caps);
	if (err)
		return err;
	choose_apic(&vmx_caps);
	choose_optional(&vmx_caps);
	return 0;
}

/* The names of the set bits, wrapped over lines. */
static void print_bits(const char *head, u64 value, const struct bit_name *names, size_t n)
{
	char line[LOG_LINE_MAX / 2];
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (!(value & names[i].bit))
			continue;
		if (used + strlen(names[i].name) + 3 > 80) {
			log_info("vmx:   %s %s", head, line);
			head = "                       ";
			used = 0;
		}
		used += (size_t)format_string(line + used, sizeof(line) - used, "%s%s",
					      used ? ", " : "", names[i].name);
	}
	if (used)
		log_info("vmx:   %s %s", head, line);
}

static void print_control(const struct vmx_control *c, const struct bit_name *names, size_t n)
{
	log_info("vmx: %-10s must 0x%08x may 0x%08x used 0x%08x", c->name, c->must, c->may,
		 c->used);
	print_bits("used:                  ", c->used & ~c->must, names, n);
	print_bits("offered, not used here:", c->may & ~c->used, names, n);
}

void vmx_caps_print(void)
{
	const struct vmx_caps *c = &vmx_caps;

	log_info("vmx: VMCS revision 0x%x, %u bytes, %s controls, preemption timer counts TSC/%u",
		 c->revision, c->vmcs_size, c->true_controls ? "true" : "plain",
		 1u << c->preempt_shift);
	print_control(&c->pin, pin_names, ARRAY_SIZE(pin_names));
	print_control(&c->primary, primary_names, ARRAY_SIZE(primary_names));
	print_control(&c->secondary, secondary_names, ARRAY_SIZE(secondary_names));
	print_control(&c->exit, exit_names, ARRAY_SIZE(exit_names));
	print_control(&c->entry, entry_names, ARRAY_SIZE(entry_names));
	print_bits("EPT and VPID:          ", c->ept_vpid, ept_names, ARRAY_SIZE(ept_names));
	log_info("vmx: CR0 fixed 0x%lx/0x%lx, CR4 fixed 0x%lx/0x%lx", c->cr0_fixed0, c->cr0_fixed1,
		 c->cr4_fixed0, c->cr4_fixed1);
	log_info("vmx: APIC: TPR shadow %s, access page %s, registers %s, x2APIC %s, delivery %s, "
		 "posted %s",
		 c->tpr_shadow ? "yes" : "no", c->apic_access ? "yes" : "no",
		 c->apic_regs ? "yes" : "no", c->x2apic_mode ? "yes" : "no", c->vid ? "yes" : "no",
		 c->posted ? "yes" : "no");
}
