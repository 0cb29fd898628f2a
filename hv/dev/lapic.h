/*
 * The virtual local APIC of one vCPU.
 *
 * Registers are kept in a page with the architecture's layout, the one that VMX hardware can use
 * itself as virtual-APIC page. Only the vCPU's own thread (the owner) writes that page; everybody
 * else posts vectors to `posted`, which the owner merges, or the processor itself while it runs the
 * guest. So the same code serves a processor without any APIC virtualization, with the TPR shadow,
 * with virtual-interrupt delivery, and with posted interrupts.
 *
 * "Owner" below means: on the vCPU's thread, with the vCPU not in guest mode. "Any CPU" means
 * without restriction; such a function takes no lock itself.
 */
#ifndef NEAP_HV_DEV_LAPIC_H
#define NEAP_HV_DEV_LAPIC_H

#include "core/atomic.h"
#include "core/timer.h"
#include "hv/apic_msg.h"
#include "hv/dev/lapic_regs.h"
#include "hv/guest_tsc.h"

struct apic_bus;

/*
 * The clock that the timer's divider divides. 25 MHz is a crystal that processors really have and
 * report in CPUID leaf 0x15, so a guest told so there need not calibrate.
 */
#define LAPIC_TIMER_HZ 25000000ull

/*
 * A periodic timer interrupts at most once in this many clocks (20 us); shorter periods count as
 * they should but several of them share an interrupt.
 */
#define LAPIC_TIMER_MIN_CLOCKS 500u

/* What lapic_pending_vector() says when the interrupt comes from the PIC. */
#define LAPIC_EXTINT 256

enum lapic_mode { LAPIC_MODE_DISABLED, LAPIC_MODE_XAPIC, LAPIC_MODE_X2APIC };

/* How the vCPU is reached. All are called from any CPU unless said otherwise, and may not wait. */
struct lapic_ops {
	/*
	 * There may be something new to inject: have the owner call lapic_pending_vector() (or the
	 * hardware's equivalent) before its next entry, and bring it out of the guest or of HLT for
	 * that. The owner calls it as well. Must order like a locked instruction.
	 */
	void (*notify)(void *ctx);
	/*
	 * The same for what is in the posted-interrupt descriptor, while LAPIC_POSTED_SN is clear
	 * there: the processor that runs the owner takes it in by itself when it is sent the
	 * notification vector. NULL if it is never clear.
	 */
	void (*notify_running)(void *ctx);
	void (*nmi)(void *ctx);
	void (*init)(void *ctx); /* the owner shall call lapic_reset() when it gets to it */
	void (*sipi)(void *ctx, u8 vector);
	/* Owner: does the PIC ask for an interrupt; acknowledge it, get its vector. */
	bool (*extint_pending)(void *ctx);
	u8 (*extint_ack)(void *ctx);
	/* Owner: a level-triggered interrupt was ended, tell the I/O APICs. */
	void (*eoi)(void *ctx, u8 vector);
};

struct lapic_config {
	u32 apic_id; /* unique in the VM, below 0xffffffff */
	bool bsp;
	bool has_x2apic;       /* CPUID offers it; else IA32_APIC_BASE.EXTD is reserved */
	bool has_tsc_deadline; /* CPUID offers it; else that timer mode is reserved */
	u8 phys_bits;	       /* guest's MAXPHYADDR, 36 to 52 */
	struct guest_tsc tsc;  /* how its TSC counts, for that mode; all zero: as the host's */
	struct apic_bus *bus;
	const struct lapic_ops *ops;
	void *ctx; /* for ops */
};

/*
 * What others leave for the owner: edge-triggered vectors. This is the processor's posted-interrupt
 * descriptor (SDM vol. 3 30.6, table 30-1). A poster sets the vector's bit, then ON; who finds ON
 * clear notifies. The owner, or the processor in its place, clears ON, then takes the bits: no
 * vector can be left behind without a notification after it.
 *
 * SN is the owner's: clear while it runs its guest, or is about to, on a processor that takes in
 * by itself what is posted; see lapic_park(). NV and NDST say where such a notification goes; the
 * backend writes them when it loads the vCPU, while SN is set.
 */
struct lapic_posted {
	u64 pir[4];
	u32 control; /* LAPIC_POSTED_*; atomic */
	u32 ndst;
	u64 reserved[3];
} __aligned(64);
_Static_assert(sizeof(struct lapic_posted) == 64 && offsetof(struct lapic_posted, control) == 32 &&
		       offsetof(struct lapic_posted, ndst) == 36,
	       "as the processor has it");

#define LAPIC_POSTED_ON	      1u /* something is posted, and whom it concerns has been told */
#define LAPIC_POSTED_SN	      2u /* the processor does not take it in: notify the owner */
#define LAPIC_POSTED_NV_SHIFT 16 /* notification vector */

/* Owner only, but for `timer`, whose callback touches nothing else here. */
struct lapic_timer {
	struct timer timer;
	u64 tsc_offset; /* see lapic_set_tsc_offset() */
	u64 deadline;	/* guest TSC; 0: disarmed */
	u64 base;	/* ticks: when clock 0 of `next` was */
	u64 next;	/* clocks after base at which the count reaches 0; 0: not counting */
	u64 period;	/* clocks of a whole count */
	u8 shift;	/* log2 of the divider */
	u8 mode;	/* enum lapic_timer_mode, or 3 (reserved: never runs) */
	bool masked;	/* as in the LVT; then the host's timer is not armed */
};

struct lapic {
	struct lapic_posted *posted; /* own_posted, or the backend's; any CPU, atomically */
	u32 events;		     /* likewise: LAPIC_EVENT_* */
	u32 errors;		     /* likewise: found since the last write to ESR */
	u32 lint;		     /* likewise: bit n, LINTn is asserted */
	u32 lint_remote_irr;	     /* likewise: bit 0, a level LINT0 awaits its EOI */
	/*
	 * Likewise: vectors posted as level-triggered. Not among the others, as TMR and the EOI
	 * exits are to follow, which only the owner can do. LAPIC_EVENT_LEVEL is their ON.
	 */
	u64 level[4];
	struct lapic_posted own_posted;

	u32 *regs;     /* the page; written by the owner (or hardware for it), some read by all */
	u8 mode;       /* enum lapic_mode; written by the owner, read by all */
	bool pic_open; /* PIC interrupts come through; likewise */

	/* Owner only from here on. */
	u8 irr_words, isr_words; /* bit n: register n of the bank is not 0; see hw_delivery */
	bool hw_delivery;	 /* hardware changes IRR and ISR behind our back: all bits set */
	/* Set when a bit of TMR changes, for EOI-exit bitmaps; the backend clears it. */
	bool tmr_changed;
	u64 base; /* IA32_APIC_BASE */
	struct lapic_timer timer;

	/* Fixed once initialised. */
	struct lapic_config config;
};

#define LAPIC_EVENT_TIMER  1u /* the host's timer went off */
#define LAPIC_EVENT_EXTINT 2u /* an ExtINT message came */
#define LAPIC_EVENT_LEVEL  4u /* there is something in `level` */

/* --- life --- */

/* page: 4 KiB, page-aligned, outlives l. Leaves the power-up state. Before l is on its bus. */
void lapic_init(struct lapic *l, void *page, const struct lapic_config *config);

/* No timer callback is under way after this. The vCPU no longer runs. May wait for a callback. */
void lapic_fini(struct lapic *l);

/*
 * The descriptor that the processor looks at is to be used for posting, not the one in l. Zeroed;
 * outlives l. Before anybody can post.
 */
void lapic_use_descriptor(struct lapic *l, struct lapic_posted *descriptor);

/* Owner. On INIT the mode, base and id stay (SDM vol. 3 11.4.7.3), at power-up nothing does. */
void lapic_reset(struct lapic *l, bool power_up);

/* --- the guest's accesses; owner --- */

/* IA32_APIC_BASE. Negative: #GP, and nothing changed. */
static inline u64 lapic_base(const struct lapic *l)
{
	return l->base;
}
int lapic_set_base(struct lapic *l, u64 value) __must_check;

/* By IA32_APIC_BASE. Any CPU; for others than the owner it may be over. */
static inline enum lapic_mode lapic_mode(const struct lapic *l)
{
	return (enum lapic_mode)READ_ONCE(l->mode);
}

/*
 * MMIO in xAPIC mode: offset 0 to 0xfff, size 1, 2, 4 or 8 bytes not leaving the page. In the other
 * modes nobody answers: all ones, writes lost. Only aligned 32-bit writes do anything.
 */
u64 lapic_mmio_read(struct lapic *l, u32 offset, unsigned size);
void lapic_mmio_write(struct lapic *l, u32 offset, unsigned size, u64 value);

/* MSRs 0x800 to 0x8ff. Negative: #GP (-EPERM: not in x2APIC mode, -EIO: no such access). */
int lapic_msr_read(struct lapic *l, u32 msr, u64 *value) __must_check;
int lapic_msr_write(struct lapic *l, u32 msr, u64 value) __must_check;

/* After hardware stored a guest's write in the page itself (APIC-write VM-exit): the effects. */
void lapic_write_trapped(struct lapic *l, u32 offset);

/* CR8 is TPR[7:4], whatever the mode. value 0 to 15. */
static inline u8 lapic_cr8(const struct lapic *l)
{
	return (u8)(l->regs[LAPIC_TPR * 4] >> 4 & 0xf);
}
void lapic_set_tpr(struct lapic *l, u8 tpr);
static inline void lapic_set_cr8(struct lapic *l, u8 value)
{
	lapic_set_tpr(l, (u8)(value << 4));
}

/* Ends the interrupt of highest priority in service, and tells the I/O APICs if it was a level.
 * Owner. */
void lapic_eoi(struct lapic *l);

/* IA32_TSC_DEADLINE. Writes are ignored outside of that timer mode, reads give 0. */
u64 lapic_timer_deadline(struct lapic *l);
void lapic_timer_set_deadline(struct lapic *l, u64 deadline);

/* The guest's TSC moved: it is guest_tsc_scale(time_now()) + offset from now on. */
void lapic_set_tsc_offset(struct lapic *l, u64 offset);

/* --- interrupts in; any CPU --- */

/*
 * A fixed interrupt. False: not accepted, the APIC is off (hardware or software disabled) or the
 * vector below 16 (that is an error for ESR). level: end it with a message to the I/O APICs.
 */
bool lapic_deliver(struct lapic *l, u8 vector, bool level);

/* A fixed interrupt was accepted, and the processor has not taken it. Takes no lock: it may be old
 * news. */
bool lapic_waits(const struct lapic *l, u8 vector);

/* The processor shall take an interrupt from the PIC, whatever LINT0 says. */
void lapic_deliver_extint(struct lapic *l);

/* The wire at LINT0 (the PIC's output, for the boot CPU) or LINT1. pin 0 or 1. */
void lapic_set_lint(struct lapic *l, unsigned pin, bool level);

/* What a source in the processor does: LAPIC_LVT_THERMAL or _PMC, as its entry says. */
void lapic_fire_lvt(struct lapic *l, enum lapic_reg lvt);

/* Is l a destination of a message in logical mode (not a broadcast)? */
bool lapic_matches_logical(const struct lapic *l, u32 dest);

/* --- interrupts out; owner --- */

/* Takes in what others posted, and runs the timer. Cheap when there is nothing. */
void lapic_take_posted(struct lapic *l);
static force_inline void lapic_sync_pir(struct lapic *l)
{
	if ((READ_ONCE(l->posted->control) & LAPIC_POSTED_ON) ||
	    unlikely(READ_ONCE(l->events) & (LAPIC_EVENT_TIMER | LAPIC_EVENT_LEVEL)))
		lapic_take_posted(l);
}

/*
 * From now on notify() is called for what is posted, and no longer notify_running(). True if
 * something has been posted that was left to the processor, and is the owner's now: before it
 * sleeps, and before it leaves this processor, it must look. APICs start parked.
 */
bool lapic_park(struct lapic *l) __must_check;

/*
 * The other way round, before the guest is run. True as for lapic_park(): what was posted before is
 * to be looked at first.
 */
bool lapic_unpark(struct lapic *l) __must_check;

/*
 * The vector that interrupts the processor now if it can be interrupted: 16 to 255, LAPIC_EXTINT,
 * or -1. For backends without virtual-interrupt delivery; those with it use lapic_sync_pir() and
 * lapic_highest_irr()/_isr() for RVI and SVI, and test lapic_extint_pending() apart.
 */
int lapic_pending_vector(struct lapic *l);

/*
 * Acknowledges what lapic_pending_vector() has just said; returns the vector to inject. Nothing
 * else is deliverable then until the next notification, unless it was LAPIC_EXTINT: it was the
 * highest, and what is left has to wait for its end.
 */
u8 lapic_accept(struct lapic *l, int pending);

/* Whether the PIC's interrupts reach this processor, and whether there is one. */
static force_inline bool lapic_accepts_extint(const struct lapic *l)
{
	return l->pic_open || (READ_ONCE(l->events) & LAPIC_EVENT_EXTINT);
}

/* Whether the 8259s have an interrupt that reaches this processor. */
static force_inline bool lapic_extint_pending(struct lapic *l)
{
	return unlikely(lapic_accepts_extint(l)) && l->config.ops->extint_pending(l->config.ctx);
}

int lapic_highest_irr(struct lapic *l); /* -1: none */
int lapic_highest_isr(struct lapic *l); /* -1: none */
u8 lapic_ppr(struct lapic *l);

/* For the TPR-threshold field: exit when TPR[7:4] falls below this; 0 when TPR holds nothing up. */
u8 lapic_tpr_threshold(struct lapic *l);

/* Whether hardware changes IRR and ISR in the page by itself (virtual-interrupt delivery). */
void lapic_set_hw_delivery(struct lapic *l, bool on);

/* The level-triggered vectors 64*word to 64*word+63, for EOI-exit bitmaps. word 0 to 3. */
u64 lapic_tmr_word(const struct lapic *l, unsigned word);

/* Hardware ended this interrupt itself (EOI-induced VM-exit): tell whom it concerns. */
void lapic_eoi_broadcast(struct lapic *l, u8 vector);

/* --- between the files of the local APIC; owner --- */

/* A 32-bit register of the page, by its offset / 16 (LAPIC_*). */
static inline u32 lapic_reg(const struct lapic *l, unsigned reg)
{
	return READ_ONCE(l->regs[reg * 4]);
}

/* The same, written; whether it may be is the caller's. */
static inline void lapic_set_reg(struct lapic *l, unsigned reg, u32 value)
{
	WRITE_ONCE(l->regs[reg * 4], value);
}

/* Enabled by SVR and IA32_APIC_BASE: accepts fixed interrupts. Any CPU. */
static force_inline bool lapic_is_enabled(const struct lapic *l)
{
	return READ_ONCE(l->mode) != LAPIC_MODE_DISABLED &&
	       (lapic_reg(l, LAPIC_SVR) & LAPIC_SVR_ENABLE);
}

/* Sets a vector's IRR bit as edge-triggered; vector >= 16. Without and with notification. */
void lapic_raise(struct lapic *l, u8 vector);
void lapic_raise_notify(struct lapic *l, u8 vector);

/* Notes errors for ESR; the first since ESR was written raises the error interrupt. Any CPU. */
void lapic_error(struct lapic *l, u32 bits);

/* SVR, LINT0's entry or the mode changed: recompute whether the PIC is heard. */
void lapic_update_pic(struct lapic *l);
/* Delivers a level-triggered LINT0 that is asserted, unmasked and not awaiting an EOI. Any CPU. */
void lapic_recheck_lint0(struct lapic *l);

/* lapic_timer.c; counts and dividers as the registers have them (SDM vol. 3 11.5.4). */
void lapic_timer_init(struct lapic *l);
void lapic_timer_reset(struct lapic *l);
void lapic_timer_lvt_changed(struct lapic *l);
void lapic_timer_set_count(struct lapic *l, u32 count);
u32 lapic_timer_count(struct lapic *l);
void lapic_timer_set_divide(struct lapic *l, u32 value);
/* The host's timer went off: interrupts if it is time. True when one was raised. */
bool lapic_timer_expired(struct lapic *l);

#endif
