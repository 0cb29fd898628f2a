/*
 * The local APIC: its life, and interrupts coming in. Going out to the processor: lapic_irq.c. The
 * guest's view of the registers: lapic_access.c.
 */
#include "hv/dev/lapic.h"

#include <errno.h>
#include <string.h>

#include "hv/dev/apic_bus.h"

/* --- life --- */

/* ID and LDR follow from the APIC id and the mode; an xAPIC's LDR starts as 0. */
static void lapic_set_id_regs(struct lapic *l)
{
	u32 id = l->config.apic_id;

	if (l->mode == LAPIC_MODE_X2APIC) {
		lapic_set_reg(l, LAPIC_ID, id);
		lapic_set_reg(l, LAPIC_LDR, apic_x2apic_ldr(id));
	} else {
		lapic_set_reg(l, LAPIC_ID, id << 24);
		lapic_set_reg(l, LAPIC_LDR, 0);
	}
}

static void lapic_discard_posted(struct lapic *l)
{
	atomic_fetch_and(&l->posted->control, ~LAPIC_POSTED_ON);
	atomic_fetch_and(&l->events, ~LAPIC_EVENT_LEVEL);
	for (unsigned i = 0; i < 4; i++) {
		atomic_xchg(&l->posted->pir[i], 0);
		atomic_xchg(&l->level[i], 0);
	}
}

/* The register state of SDM vol. 3 11.4.7.1; the mode is the caller's matter. */
static void lapic_reset_regs(struct lapic *l)
{
	/* Word by word: others look at some of these while we are at it. */
	for (unsigned reg = 0; reg < PAGE_SIZE / 16; reg++)
		lapic_set_reg(l, reg, 0);
	l->regs[LAPIC_ICR * 4 + 1] = 0;
	lapic_set_reg(l, LAPIC_VERSION, LAPIC_VERSION_VALUE);
	lapic_set_reg(l, LAPIC_DFR, UINT32_MAX);
	lapic_set_reg(l, LAPIC_SVR, LAPIC_SVR_RESET);
	for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
		lapic_set_reg(l, LAPIC_LVT_TIMER + i, LAPIC_LVT_MASKED);
	lapic_set_id_regs(l);

	lapic_discard_posted(l);
	atomic_fetch_and(&l->events, ~LAPIC_EVENT_EXTINT);
	WRITE_ONCE(l->errors, 0);
	WRITE_ONCE(l->lint_remote_irr, 0);
	l->irr_words = l->isr_words = l->hw_delivery ? 0xff : 0;
	l->tmr_changed = true;
	lapic_timer_reset(l);
	lapic_update_pic(l);
}

/*
 * The bus counts who is in xAPIC mode, and may leave out looking for them when nobody is: so the
 * count goes up before the mode is seen, and down after.
 */
static void lapic_set_mode(struct lapic *l, enum lapic_mode mode)
{
	enum lapic_mode old = (enum lapic_mode)l->mode;

	if (mode == old)
		return;
	if (mode == LAPIC_MODE_XAPIC)
		apic_bus_count_xapic(l->config.bus, 1);
	WRITE_ONCE(l->mode, (u8)mode);
	if (old == LAPIC_MODE_XAPIC)
		apic_bus_count_xapic(l->config.bus, -1);
	if (mode == LAPIC_MODE_DISABLED) {
		/* All is lost, as SDM vol. 3 11.4.3 allows and processors do. */
		lapic_reset_regs(l);
	} else {
		lapic_set_id_regs(l);
		lapic_set_reg(l, LAPIC_ICR2, 0);
		lapic_update_pic(l);
	}
}

void lapic_reset(struct lapic *l, bool power_up)
{
	lapic_reset_regs(l);
	if (power_up) {
		l->base = LAPIC_BASE_DEFAULT | LAPIC_BASE_ENABLE;
		if (l->config.bsp)
			l->base |= LAPIC_BASE_BSP;
		lapic_set_mode(l, LAPIC_MODE_XAPIC);
	}
}

void lapic_init(struct lapic *l, void *page, const struct lapic_config *config)
{
	memset(l, 0, sizeof(*l));
	memset(page, 0, PAGE_SIZE);
	l->regs = page;
	l->posted = &l->own_posted;
	l->posted->control = LAPIC_POSTED_SN;
	l->config = *config;
	l->pic_open = config->bsp; /* as it will be: no notification yet */
	lapic_timer_init(l);
	lapic_reset(l, true);
}

void lapic_use_descriptor(struct lapic *l, struct lapic_posted *descriptor)
{
	descriptor->control = LAPIC_POSTED_SN;
	l->posted = descriptor;
}

void lapic_fini(struct lapic *l)
{
	timer_cancel_sync(&l->timer.timer);
	if (l->mode == LAPIC_MODE_XAPIC)
		apic_bus_count_xapic(l->config.bus, -1);
	WRITE_ONCE(l->mode, LAPIC_MODE_DISABLED);
}

/* Figure "Local x2APIC State Transitions" of SDM vol. 3 11.12.5. */
static bool lapic_mode_change_ok(enum lapic_mode from, enum lapic_mode to)
{
	if (from == LAPIC_MODE_X2APIC)
		return to != LAPIC_MODE_XAPIC;
	return from == LAPIC_MODE_XAPIC || to != LAPIC_MODE_X2APIC;
}

int lapic_set_base(struct lapic *l, u64 value)
{
	u64 legal = (BIT(l->config.phys_bits) - PAGE_SIZE) | LAPIC_BASE_BSP | LAPIC_BASE_ENABLE;
	enum lapic_mode mode;

	if (l->config.has_x2apic)
		legal |= LAPIC_BASE_EXTD;
	if (value & ~legal)
		return -EIO;
	if (value & LAPIC_BASE_ENABLE)
		mode = value & LAPIC_BASE_EXTD ? LAPIC_MODE_X2APIC : LAPIC_MODE_XAPIC;
	else if (value & LAPIC_BASE_EXTD)
		return -EPERM;
	else
		mode = LAPIC_MODE_DISABLED;
	if (!lapic_mode_change_ok((enum lapic_mode)l->mode, mode))
		return -EPERM;
	l->base = value;
	lapic_set_mode(l, mode);
	return 0;
}

/* --- interrupts in --- */

/* The owner takes it: only it can set TMR and the EOI exits. */
static void lapic_post_level(struct lapic *l, u8 vector)
{
	atomic_fetch_or(&l->level[vector / 64], BIT(vector % 64));
	/* Pairs with the clearing in lapic_sync_pir(), as ON does. */
	if (!(atomic_fetch_or(&l->events, LAPIC_EVENT_LEVEL) & LAPIC_EVENT_LEVEL))
		l->config.ops->notify(l->config.ctx);
}

static void lapic_post_edge(struct lapic *l, u8 vector)
{
	struct lapic_posted *p = l->posted;
	u64 bit = BIT(vector % 64), *level = &l->level[vector / 64];

	/* The last sender wins. */
	if (unlikely(READ_ONCE(*level) & bit))
		atomic_fetch_and(level, ~bit);
	/* Who set the bit before us has set ON or is about to, and notifies. */
	if (atomic_fetch_or(&p->pir[vector / 64], bit) & bit)
		return;
	/* Pairs with the clearing in lapic_merge_posted(), or in the processor. */
	if (atomic_fetch_or(&p->control, LAPIC_POSTED_ON) & LAPIC_POSTED_ON)
		return;
	/*
	 * Who sets SN looks at ON after that, so one of us sees what the other did. The processor
	 * leaves TMR alone: a vector that was level-triggered before is for the owner.
	 */
	if (likely(READ_ONCE(p->control) & LAPIC_POSTED_SN) ||
	    (lapic_reg(l, LAPIC_TMR + vector / 32) >> vector % 32 & 1))
		l->config.ops->notify(l->config.ctx);
	else
		l->config.ops->notify_running(l->config.ctx);
}

bool lapic_deliver(struct lapic *l, u8 vector, bool level)
{
	if (unlikely(!lapic_is_enabled(l)))
		return false;
	if (unlikely(vector < LAPIC_VECTOR_MIN)) {
		lapic_error(l, LAPIC_ESR_RECEIVE_VECTOR);
		return false;
	}
	if (level)
		lapic_post_level(l, vector);
	else
		lapic_post_edge(l, vector);
	return true;
}

bool lapic_waits(const struct lapic *l, u8 vector)
{
	u64 posted = READ_ONCE(l->posted->pir[vector / 64]) | READ_ONCE(l->level[vector / 64]);

	return (posted & BIT(vector % 64)) ||
	       (lapic_reg(l, LAPIC_IRR + vector / 32) & BIT(vector % 32));
}

void lapic_deliver_extint(struct lapic *l)
{
	atomic_fetch_or(&l->events, LAPIC_EVENT_EXTINT);
	l->config.ops->notify(l->config.ctx);
}

void lapic_error(struct lapic *l, u32 bits)
{
	/* One interrupt until the guest writes ESR (11.5.3); this ends the recursion, too. */
	if (atomic_fetch_or(&l->errors, bits) == 0)
		lapic_fire_lvt(l, LAPIC_LVT_ERROR);
}

void lapic_fire_lvt(struct lapic *l, enum lapic_reg lvt)
{
	u32 entry = lapic_reg(l, lvt);

	if (entry & LAPIC_LVT_MASKED || READ_ONCE(l->mode) == LAPIC_MODE_DISABLED)
		return;
	switch ((enum apic_delivery)(entry >> LAPIC_LVT_MODE_SHIFT & 7)) {
	case APIC_FIXED:
		lapic_deliver(l, (u8)entry, false);
		break;
	case APIC_NMI:
		l->config.ops->nmi(l->config.ctx);
		break;
	case APIC_INIT:
		l->config.ops->init(l->config.ctx);
		break;
	case APIC_EXTINT: /* LINT0's is not an event but a state, see lapic_update_pic() */
	default:	  /* there is no SMM to enter; the others are reserved */
		break;
	}
}

/* LINT0 is level-triggered only for fixed delivery (11.5.1). */
static bool lapic_lint0_is_level(u32 entry)
{
	return (entry & LAPIC_LVT_LEVEL) && (entry >> LAPIC_LVT_MODE_SHIFT & 7) == (u32)APIC_FIXED;
}

void lapic_recheck_lint0(struct lapic *l)
{
	u32 entry;

	/*
	 * The owner comes here after it has written the entry or cleared remote IRR, others after
	 * they have asserted the wire (a locked instruction): of the two that meet, one sees what
	 * the other did.
	 */
	smp_mb();
	entry = lapic_reg(l, LAPIC_LVT_LINT0);
	if (entry & LAPIC_LVT_MASKED || !lapic_lint0_is_level(entry) || !(READ_ONCE(l->lint) & 1) ||
	    (atomic_fetch_or(&l->lint_remote_irr, 1) & 1))
		return;
	if (!lapic_deliver(l, (u8)entry, true))
		WRITE_ONCE(l->lint_remote_irr, 0);
}

void lapic_set_lint(struct lapic *l, unsigned pin, bool level)
{
	u32 bit = 1u << pin, old;

	if (!level) {
		atomic_fetch_and(&l->lint, ~bit);
		return;
	}
	old = atomic_fetch_or(&l->lint, bit);
	if (pin == 0 && READ_ONCE(l->pic_open))
		l->config.ops->notify(l->config.ctx);
	else if (pin == 0 && lapic_lint0_is_level(lapic_reg(l, LAPIC_LVT_LINT0)))
		lapic_recheck_lint0(l);
	else if (old & bit)
		return; /* not an edge */
	else if (READ_ONCE(l->mode) != LAPIC_MODE_DISABLED)
		lapic_fire_lvt(l, LAPIC_LVT_LINT0 + pin);
	else if (pin == 1)
		l->config.ops->nmi(l->config.ctx); /* the pins are INTR and NMI then (11.4.3) */
}

/*
 * While the APIC is off, the boot CPU hears the PIC directly. That is so by the manual when it is
 * off in IA32_APIC_BASE; when off in SVR, we stand in for the firmware, which would have set up
 * virtual wire mode before it started a system that knows of no APIC.
 */
void lapic_update_pic(struct lapic *l)
{
	u32 entry = lapic_reg(l, LAPIC_LVT_LINT0);
	bool open, was_open = l->pic_open;

	if (lapic_is_enabled(l))
		open = !(entry & LAPIC_LVT_MASKED) &&
		       (entry >> LAPIC_LVT_MODE_SHIFT & 7) == (u32)APIC_EXTINT;
	else
		open = l->config.bsp;
	WRITE_ONCE(l->pic_open, open);
	if (open && !was_open)
		l->config.ops->notify(l->config.ctx);
}

bool lapic_matches_logical(const struct lapic *l, u32 dest)
{
	u32 ldr = lapic_reg(l, LAPIC_LDR);

	switch (lapic_mode(l)) {
	case LAPIC_MODE_X2APIC:
		/* Not from the register, which may still be the one of the other mode. */
		ldr = apic_x2apic_ldr(l->config.apic_id);
		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	case LAPIC_MODE_XAPIC:
		ldr >>= 24;
		if (dest > 0xff)
			return false;
		switch (lapic_reg(l, LAPIC_DFR) >> 28) {
		case 0xf: /* flat */
			return dest & ldr;
		case 0x0: /* cluster */
			return dest >> 4 == ldr >> 4 && (dest & ldr & 0xf);
		default: /* reserved */
			return false;
		}
	default:
		return false;
	}
}
