/*
 * What the hypervisor asks of the processor's virtualization: Intel's and AMD's code each fill one
 * of these, and know nothing of each other. Everything here is off the hot path: exits are handled
 * inside run().
 */
#ifndef NEAP_HV_BACKEND_H
#define NEAP_HV_BACKEND_H

#include "hv/start_state.h"
#include "hv/vcpu.h"
#include "mm/ptab.h"

#define SEG_ES	  0
#define SEG_CS	  1
#define SEG_SS	  2
#define SEG_DS	  3
#define SEG_FS	  4
#define SEG_GS	  5
#define SEG_LDTR  6
#define SEG_TR	  7
#define SEG_COUNT 8

/* Access rights as VMX encodes them (SDM vol. 3 25.4.1), bit 16: unusable. */
#define SEG_AR_TYPE_CODE 0x9bu
#define SEG_AR_TYPE_DATA 0x93u
#define SEG_AR_L	 BIT(13)
#define SEG_AR_DB	 BIT(14)
#define SEG_AR_G	 BIT(15)
#define SEG_AR_UNUSABLE	 BIT(16)

struct guest_segment {
	u16 selector;
	u32 ar, limit;
	u64 base;
};

/* A snapshot of the state that decides how the guest executes: for the emulator and reports. */
struct guest_state {
	u64 rip, rsp, rflags;
	u64 cr0, cr2, cr3, cr4, efer;
	u8 cpl;
	struct guest_segment seg[SEG_COUNT];
	u64 gdt_base, idt_base;
	u32 gdt_limit, idt_limit;
};

/* How it is found out which pages a guest has written: hv/mmu/dirty_log.h. */
enum dirty_method { DIRTY_WRITE_PROTECT, DIRTY_BITS, DIRTY_PML };

struct backend_ops {
	const char *name;
	u8 hypercall_insn[3]; /* VMCALL or VMMCALL */

	/* 0 when the processor has it; else a negative errno, with a sentence logged. Boot CPU. */
	int (*probe)(void);
	void (*print)(void);
	/* Switches virtualization on on the calling CPU. */
	int (*cpu_init)(void);

	/* Format of the guest-physical page tables, and a RAM leaf's flags (write-back, all
	 * access). */
	const struct ptab_fmt *(*tdp_format)(void);
	u64 (*tdp_ram_flags)(void);
	/* The same for what the guest may read and execute only: writes exit. */
	u64 (*tdp_rom_flags)(void);
	/* The best that this processor has, or that the boot option dirty= allows; after probe().
	 */
	enum dirty_method (*dirty_method)(void);
	/* A mapping was removed or weakened: drops it from the calling CPU's caches, before it
	 * enters the guest again. Between an exit and an entry, interrupts off; see
	 * hv/mmu/shootdown.h. With DIRTY_PML, empties the log of a vCPU that is loaded. */
	void (*tdp_flush)(struct vm *vm);

	int (*vm_init)(struct vm *vm);
	void (*vm_fini)(struct vm *vm);
	int (*vcpu_init)(struct vcpu *vcpu);
	void (*vcpu_fini)(struct vcpu *vcpu);
	/* Power-up (or INIT) state; then the loader's, when there is one. */
	void (*vcpu_reset)(struct vcpu *vcpu);
	void (*vcpu_set_start)(struct vcpu *vcpu, const struct start_state *state);
	/* The state a start-up IPI gives: real mode at vector << 12. */
	void (*vcpu_set_sipi)(struct vcpu *vcpu, u8 vector);

	/*
	 * Puts the vCPU's state into this CPU, or takes it out. Between them only this vCPU runs
	 * here. After unload() nothing of it stays in the processor: the next load() may be on
	 * another one, and its memory may be freed.
	 */
	void (*load)(struct vcpu *vcpu);
	void (*unload)(struct vcpu *vcpu);
	/* Drops what this CPU holds of the loaded vCPU's translations, before it is entered again.
	 */
	void (*flush_guest)(struct vcpu *vcpu);
	/* Runs the guest until an exit needs the loop, or something is pending. */
	void (*run)(struct vcpu *vcpu);

	/* Handles VCPU_IRQ: injects what the local APIC has, or asks to be told when it can. */
	void (*deliver_irq)(struct vcpu *vcpu);
	/* Injects an NMI if one can be now; false: asked to be told when. */
	bool (*deliver_nmi)(struct vcpu *vcpu);
	/*
	 * Any CPU: something has been posted for the vCPU, which is not parked (lapic_park()): its
	 * processor takes it in, without an exit if it is in the guest. NULL if it is always
	 * parked.
	 */
	void (*notify_running)(struct vcpu *vcpu);
	/* For a vCPU in HLT: if an interrupt would be taken at once, does the same and is true; it
	 * is not in HLT any more. Else changes nothing. */
	bool (*deliver_irq_to_halted)(struct vcpu *vcpu);

	void (*inject_exception)(struct vcpu *vcpu, u8 vector, bool has_error, u32 error);
	/* All but the segments other than CS and the descriptor tables; then those, and everything.
	 */
	void (*get_mode)(struct vcpu *vcpu, struct guest_state *state);
	void (*get_segment)(struct vcpu *vcpu, unsigned seg, struct guest_segment *out);
	void (*get_state)(struct vcpu *vcpu, struct guest_state *state);
	/* After emulation: RIP, RFLAGS and RSP. If the instruction was executed, or an iteration of
	 * it, interrupt shadows end, and a single step traps. */
	void (*set_rip)(struct vcpu *vcpu, u64 rip, u64 rflags, u64 rsp, bool executed);
	void (*set_cr2)(struct vcpu *vcpu, u64 cr2);
	void (*xmm)(struct vcpu *vcpu, unsigned index, u8 value[16], bool write);
	/* The processor's multiplier for guests' TSCs; asked for after probe(). */
	struct tsc_scaling (*tsc_scaling)(void);
	/* The TSC offset changed. */
	void (*update_tsc)(struct vcpu *vcpu);
	/* The local APIC's mode changed (off, xAPIC, x2APIC). */
	void (*update_apic_mode)(struct vcpu *vcpu);
	const char *(*exit_name)(u32 reason);
};

/* The one in use; set once at boot. */
extern const struct backend_ops *backend;

extern const struct backend_ops vmx_backend, svm_backend;

#endif
