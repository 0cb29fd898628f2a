/* The local APIC: from what was posted to what interrupts the processor (SDM vol. 3 11.8). */
#include "hv/dev/lapic.h"

/* A vector's register of each bank, at [LAPIC_IRR * 4] and so on from here: they lie in step. */
static force_inline u32 *lapic_row(const struct lapic *l, unsigned vector)
{
	return &l->regs[vector / 32 * 4];
}

/* Notes that a vector's register holds something, or nothing any more. */
static force_inline void lapic_word_set(u8 *words, unsigned vector)
{
	*words |= (u8)(1u << vector / 32);
}

static force_inline void lapic_word_cleared(const struct lapic *l, u8 *words, unsigned vector)
{
	if (likely(!l->hw_delivery))
		*words &= (u8) ~(1u << vector / 32);
}

static force_inline unsigned lapic_top_bit(u32 bits)
{
	return (unsigned)__builtin_clz(bits) ^ 31;
}

/* Which registers of a bank hold something. */
static u8 lapic_bank_words(const struct lapic *l, unsigned bank)
{
	unsigned words = 0;

	for (unsigned i = 0; i < 8; i++)
		words |= (l->regs[(bank + i) * 4] ? 1u : 0u) << i;
	return (u8)words;
}

/* Two neighbouring registers of a bank: vectors 64*word to 64*word+63. */
static force_inline u64 lapic_bank_word(const struct lapic *l, unsigned bank, unsigned word)
{
	const u32 *low = &l->regs[(bank + word * 2) * 4];

	return (u64)low[4] << 32 | low[0];
}

/* The highest vector of a bank that hardware may have changed. */
static int lapic_bank_search(const struct lapic *l, unsigned bank)
{
	for (unsigned word = 4; word-- > 0;) {
		u64 bits = lapic_bank_word(l, bank, word);

		if (bits)
			return (int)(word * 64 + 63) - __builtin_clzll(bits);
	}
	return -1;
}

/* The highest vector of a bank, -1: none. words: its registers that hold something. */
static force_inline int lapic_bank_highest(const struct lapic *l, unsigned bank, unsigned words)
{
	unsigned word;

	if (unlikely(l->hw_delivery))
		return lapic_bank_search(l, bank);
	if (!words)
		return -1;
	word = lapic_top_bit(words);
	return (int)(word * 32 + lapic_top_bit(l->regs[(bank + word) * 4]));
}

u64 lapic_tmr_word(const struct lapic *l, unsigned word)
{
	return lapic_bank_word(l, LAPIC_TMR, word);
}

static void lapic_set_trigger(struct lapic *l, unsigned reg, u32 bits, u32 level)
{
	u32 *tmr = &l->regs[(LAPIC_TMR + reg) * 4];
	u32 value = (*tmr & ~bits) | (level & bits);

	if (unlikely(value != *tmr)) {
		*tmr = value;
		l->tmr_changed = true;
	}
}

static force_inline void lapic_do_raise(struct lapic *l, unsigned vector)
{
	u32 *row = lapic_row(l, vector), bit = 1u << vector % 32;

	if (unlikely(row[LAPIC_TMR * 4] & bit))
		lapic_set_trigger(l, vector / 32, bit, 0);
	row[LAPIC_IRR * 4] |= bit;
	lapic_word_set(&l->irr_words, vector);
}

void lapic_raise(struct lapic *l, u8 vector)
{
	lapic_do_raise(l, vector);
}

void lapic_raise_notify(struct lapic *l, u8 vector)
{
	lapic_do_raise(l, vector);
	l->config.ops->notify(l->config.ctx);
}

/* The bits of one word, vectors 64*word on, become pending. */
static void lapic_merge_word(struct lapic *l, unsigned word, u64 bits, bool level)
{
	u32 half[2] = { (u32)bits, (u32)(bits >> 32) };

	if (l->mode == LAPIC_MODE_DISABLED)
		return; /* sent before it was switched off */
	for (unsigned i = 0; i < 2; i++) {
		lapic_set_trigger(l, word * 2 + i, half[i], level ? half[i] : 0);
		l->regs[(LAPIC_IRR + word * 2 + i) * 4] |= half[i];
		l->irr_words |= (u8)((half[i] ? 1u : 0u) << (word * 2 + i));
	}
}

static void lapic_merge_posted(struct lapic *l)
{
	struct lapic_posted *p = l->posted;

	/* Pairs with the setting in lapic_post_edge(): what is posted after this notifies anew. */
	atomic_fetch_and(&p->control, ~LAPIC_POSTED_ON);
	for (unsigned i = 0; i < 4; i++) {
		if (READ_ONCE(p->pir[i]))
			lapic_merge_word(l, i, atomic_xchg(&p->pir[i], 0), false);
	}
}

static void lapic_take_events(struct lapic *l, u32 events)
{
	atomic_fetch_and(&l->events, ~events);
	if (events & LAPIC_EVENT_TIMER)
		lapic_timer_expired(l);
	if (!(events & LAPIC_EVENT_LEVEL))
		return;
	for (unsigned i = 0; i < 4; i++) {
		if (READ_ONCE(l->level[i]))
			lapic_merge_word(l, i, atomic_xchg(&l->level[i], 0), true);
	}
}

/* Edges first: a vector that came both ways was made level-triggered last. */
void lapic_take_posted(struct lapic *l)
{
	u32 events;

	if (READ_ONCE(l->posted->control) & LAPIC_POSTED_ON)
		lapic_merge_posted(l);
	events = READ_ONCE(l->events) & (LAPIC_EVENT_TIMER | LAPIC_EVENT_LEVEL);
	if (events)
		lapic_take_events(l, events);
}

bool lapic_park(struct lapic *l)
{
	/* Full barrier: pairs with that of lapic_post_edge(), which looks at SN after it set ON. */
	if (!(READ_ONCE(l->posted->control) & LAPIC_POSTED_SN))
		atomic_fetch_or(&l->posted->control, LAPIC_POSTED_SN);
	return READ_ONCE(l->posted->control) & LAPIC_POSTED_ON;
}

bool lapic_unpark(struct lapic *l)
{
	if (READ_ONCE(l->posted->control) & LAPIC_POSTED_SN)
		atomic_fetch_and(&l->posted->control, ~LAPIC_POSTED_SN);
	return READ_ONCE(l->posted->control) & LAPIC_POSTED_ON;
}

int lapic_highest_irr(struct lapic *l)
{
	return lapic_bank_highest(l, LAPIC_IRR, l->irr_words);
}

int lapic_highest_isr(struct lapic *l)
{
	return lapic_bank_highest(l, LAPIC_ISR, l->isr_words);
}

/* SDM vol. 3 11.8.3.1; with equal classes, TPR's sub-class as in the VMX chapter's 30.1.3. */
static force_inline u32 lapic_compute_ppr(struct lapic *l)
{
	int isr = lapic_bank_highest(l, LAPIC_ISR, l->isr_words);
	u32 ppr = lapic_reg(l, LAPIC_TPR), in_service = isr < 0 ? 0 : (u32)isr & 0xf0;

	if ((ppr & 0xf0) < in_service)
		ppr = in_service;
	lapic_set_reg(l, LAPIC_PPR, ppr);
	return ppr;
}

u8 lapic_ppr(struct lapic *l)
{
	return (u8)lapic_compute_ppr(l);
}

/* The vector of IRR that the processor's priority lets through, or -1. */
static force_inline int lapic_top_vector(struct lapic *l)
{
	int vector = lapic_bank_highest(l, LAPIC_IRR, l->irr_words);

	if (vector < 0 || ((u32)vector & 0xf0) <= (lapic_compute_ppr(l) & 0xf0))
		return -1;
	return vector;
}

static never_inline int lapic_pending_with_events(struct lapic *l)
{
	lapic_take_posted(l);
	if (lapic_extint_pending(l))
		return LAPIC_EXTINT; /* it is not subject to priorities (11.8.3) */
	return lapic_top_vector(l);
}

int lapic_pending_vector(struct lapic *l)
{
	if ((READ_ONCE(l->posted->control) & LAPIC_POSTED_ON) || READ_ONCE(l->events) | l->pic_open)
		return lapic_pending_with_events(l);
	return lapic_top_vector(l);
}

static never_inline u8 lapic_accept_extint(struct lapic *l)
{
	u8 vector;

	atomic_fetch_and(&l->events, ~LAPIC_EVENT_EXTINT);
	vector = l->config.ops->extint_ack(l->config.ctx);
	if (lapic_extint_pending(l))
		l->config.ops->notify(l->config.ctx); /* the PIC has more, and tells only once */
	return vector;
}

u8 lapic_accept(struct lapic *l, int pending)
{
	unsigned vector = (unsigned)pending;
	u32 *row, bit;

	if (unlikely(pending == LAPIC_EXTINT))
		return lapic_accept_extint(l);
	row = lapic_row(l, vector);
	bit = 1u << vector % 32;
	row[LAPIC_IRR * 4] &= ~bit;
	if (likely(!row[LAPIC_IRR * 4]))
		lapic_word_cleared(l, &l->irr_words, vector);
	row[LAPIC_ISR * 4] |= bit;
	lapic_word_set(&l->isr_words, vector);
	return (u8)vector;
}

void lapic_eoi_broadcast(struct lapic *l, u8 vector)
{
	if (unlikely(READ_ONCE(l->lint_remote_irr)) &&
	    (u8)lapic_reg(l, LAPIC_LVT_LINT0) == vector) {
		WRITE_ONCE(l->lint_remote_irr, 0);
		lapic_recheck_lint0(l);
	}
	l->config.ops->eoi(l->config.ctx, vector);
}

void lapic_eoi(struct lapic *l)
{
	int highest = lapic_bank_highest(l, LAPIC_ISR, l->isr_words);
	unsigned vector = (unsigned)highest;
	u32 *row, bit;

	if (unlikely(highest < 0))
		return;
	row = lapic_row(l, vector);
	bit = 1u << vector % 32;
	row[LAPIC_ISR * 4] &= ~bit;
	if (likely(!row[LAPIC_ISR * 4]))
		lapic_word_cleared(l, &l->isr_words, vector);
	if (unlikely(row[LAPIC_TMR * 4] & bit))
		lapic_eoi_broadcast(l, (u8)vector);
	if (unlikely(l->irr_words) && lapic_highest_irr(l) >= 0)
		l->config.ops->notify(l->config.ctx);
}

void lapic_set_tpr(struct lapic *l, u8 tpr)
{
	u32 old = lapic_reg(l, LAPIC_TPR);

	lapic_set_reg(l, LAPIC_TPR, tpr);
	if (tpr < old && l->irr_words)
		l->config.ops->notify(l->config.ctx);
}

u8 lapic_tpr_threshold(struct lapic *l)
{
	int irr = lapic_highest_irr(l), isr = lapic_highest_isr(l);
	u32 class = (u32)irr >> 4;

	if (irr < 0 || class > lapic_cr8(l) || (isr >= 0 && class <= (u32)isr >> 4))
		return 0;
	return (u8) class;
}

void lapic_set_hw_delivery(struct lapic *l, bool on)
{
	l->hw_delivery = on;
	l->irr_words = on ? 0xff : lapic_bank_words(l, LAPIC_IRR);
	l->isr_words = on ? 0xff : lapic_bank_words(l, LAPIC_ISR);
}
