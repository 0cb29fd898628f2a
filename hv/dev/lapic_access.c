/* The local APIC's registers as the guest reads and writes them, by MMIO and by MSR. */
#include <errno.h>

#include "hv/dev/apic_bus.h"
#include "hv/dev/lapic.h"

#define REG(r)	       BIT(LAPIC_##r)
#define REG_BANK(r)    (0xffull << LAPIC_##r)
#define REG_LVTS       (((1ull << LAPIC_LVT_COUNT) - 1) << LAPIC_LVT_TIMER)
#define REG_XAPIC_ONLY (REG(APR) | REG(RRD) | REG(DFR) | REG(ICR2))

/* SDM vol. 3 tables 11-1 and 11-6. A bit per register; LDR is read-only in x2APIC mode. */
#define XAPIC_READABLE                                                                    \
	(REG(ID) | REG(VERSION) | REG(TPR) | REG(APR) | REG(PPR) | REG(RRD) | REG(LDR) |  \
	 REG(DFR) | REG(SVR) | REG_BANK(ISR) | REG_BANK(TMR) | REG_BANK(IRR) | REG(ESR) | \
	 REG(ICR) | REG(ICR2) | REG_LVTS | REG(TIMER_INIT) | REG(TIMER_COUNT) | REG(TIMER_DIVIDE))
#define X2APIC_READABLE (XAPIC_READABLE & ~REG_XAPIC_ONLY)
#define X2APIC_WRITABLE                                                                      \
	(REG(TPR) | REG(EOI) | REG(SVR) | REG(ESR) | REG(ICR) | REG_LVTS | REG(TIMER_INIT) | \
	 REG(TIMER_DIVIDE) | REG(SELF_IPI))
/* What exists at all in xAPIC mode; touching anything else is an error for ESR. */
#define XAPIC_EXISTS (XAPIC_READABLE | REG(EOI))

/* Registers whose value is not simply what the page holds. */
#define COMPUTED (REG(PPR) | REG_BANK(IRR) | REG(ICR) | REG(LVT_LINT0) | REG(TIMER_COUNT))

/* What is kept of a write to each LVT entry. */
static const u32 lvt_writable[LAPIC_LVT_COUNT] = {
	[LAPIC_LVT_TIMER - LAPIC_LVT_TIMER] = 0x700ff,
	[LAPIC_LVT_THERMAL - LAPIC_LVT_TIMER] = 0x107ff,
	[LAPIC_LVT_PMC - LAPIC_LVT_TIMER] = 0x107ff,
	[LAPIC_LVT_LINT0 - LAPIC_LVT_TIMER] = 0x1a7ff,
	[LAPIC_LVT_LINT1 - LAPIC_LVT_TIMER] = 0x1a7ff,
	[LAPIC_LVT_ERROR - LAPIC_LVT_TIMER] = 0x100ff,
};

static u32 lapic_lvt_writable(const struct lapic *l, unsigned reg)
{
	u32 mask = lvt_writable[reg - LAPIC_LVT_TIMER];

	if (reg == LAPIC_LVT_TIMER && !l->config.has_tsc_deadline)
		mask &= ~((u32)LAPIC_TSC_DEADLINE << LAPIC_TIMER_SHIFT);
	return mask;
}

/* The bits that a write in x2APIC mode may set; others cause #GP. Not for ICR. */
static u32 lapic_x2apic_legal(const struct lapic *l, unsigned reg)
{
	switch (reg) {
	case LAPIC_TPR:
	case LAPIC_SELF_IPI:
		return 0xff;
	case LAPIC_SVR:
		return LAPIC_SVR_WRITABLE;
	case LAPIC_TIMER_INIT:
		return UINT32_MAX;
	case LAPIC_TIMER_DIVIDE:
		return 0xb;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR: {
		u32 legal = lapic_lvt_writable(l, reg) | LAPIC_LVT_STATUS;

		if (reg == LAPIC_LVT_LINT0 || reg == LAPIC_LVT_LINT1)
			legal |= LAPIC_LVT_REMOTE_IRR;
		return legal;
	}
	default: /* EOI and ESR take 0 only */
		return 0;
	}
}

/* --- reads --- */

static u64 lapic_read_computed(struct lapic *l, unsigned reg)
{
	switch (reg) {
	case LAPIC_PPR:
		return lapic_ppr(l);
	case LAPIC_TIMER_COUNT:
		return lapic_timer_count(l);
	case LAPIC_ICR:
		/* The high half is 0 in xAPIC mode, where it is a register of its own. */
		return (u64)l->regs[LAPIC_ICR * 4 + 1] << 32 | lapic_reg(l, LAPIC_ICR);
	case LAPIC_LVT_LINT0:
		return lapic_reg(l, reg) |
		       (READ_ONCE(l->lint_remote_irr) ? LAPIC_LVT_REMOTE_IRR : 0);
	default: /* IRR */
		lapic_sync_pir(l);
		return lapic_reg(l, reg);
	}
}

int lapic_msr_read(struct lapic *l, u32 msr, u64 *value)
{
	u32 reg = msr - LAPIC_X2APIC_MSR;

	if (unlikely(l->mode != LAPIC_MODE_X2APIC))
		return -EPERM;
	if (unlikely(reg >= LAPIC_REG_END || !(X2APIC_READABLE >> reg & 1)))
		return -EIO;
	if (unlikely(COMPUTED >> reg & 1))
		*value = lapic_read_computed(l, reg);
	else
		*value = lapic_reg(l, reg);
	return 0;
}

static u32 lapic_xapic_read(struct lapic *l, u32 offset)
{
	u32 reg = offset / 16;

	if (unlikely(reg >= LAPIC_REG_END || !(XAPIC_EXISTS >> reg & 1))) {
		lapic_error(l, LAPIC_ESR_REGISTER);
		return 0;
	}
	if (offset & 0xc)
		return 0; /* between registers: undefined (11.4.1) */
	return COMPUTED >> reg & 1 ? (u32)lapic_read_computed(l, reg) : lapic_reg(l, reg);
}

u64 lapic_mmio_read(struct lapic *l, u32 offset, unsigned size)
{
	u64 mask = size >= 8 ? UINT64_MAX : BIT(size * 8) - 1;

	if (unlikely(l->mode != LAPIC_MODE_XAPIC || offset >= PAGE_SIZE))
		return mask;
	return (u64)lapic_xapic_read(l, offset) >> (offset & 3) * 8 & mask;
}

/* --- writes --- */

/* Owner, own vector: no detour by the bus. */
static void lapic_send_self(struct lapic *l, u8 vector)
{
	if (unlikely(vector < LAPIC_VECTOR_MIN))
		lapic_error(l, LAPIC_ESR_SEND_VECTOR);
	else if (likely(lapic_is_enabled(l)))
		lapic_raise_notify(l, vector);
}

/* Shorthand and delivery mode. */
#define ICR_KIND	  (3u << LAPIC_ICR_SHORTHAND_SHIFT | 7u << LAPIC_ICR_MODE_SHIFT)
#define ICR_FIXED_TO_SELF ((u32)APIC_SELF << LAPIC_ICR_SHORTHAND_SHIFT)
_Static_assert(APIC_FIXED == 0, "as in the register");

static void lapic_send(struct lapic *l, u32 icr, u32 dest)
{
	u32 shorthand = icr >> LAPIC_ICR_SHORTHAND_SHIFT & 3;
	u32 delivery = icr >> LAPIC_ICR_MODE_SHIFT & 7;
	struct apic_msg msg;

	if ((icr & ICR_KIND) == ICR_FIXED_TO_SELF) {
		lapic_send_self(l, (u8)icr);
		return;
	}
	if (unlikely((u8)icr < LAPIC_VECTOR_MIN && delivery <= APIC_LOWEST)) {
		lapic_error(l, LAPIC_ESR_SEND_VECTOR);
		return;
	}
	msg = (struct apic_msg){
		.delivery = (enum apic_delivery)delivery,
		.shorthand = (enum apic_shorthand)shorthand,
		.vector = (u8)icr,
		.logical = icr & LAPIC_ICR_LOGICAL,
		/* For anything but INIT the ICR's trigger mode means nothing (11.6.1). */
		.level = delivery == APIC_INIT && (icr & LAPIC_ICR_LEVEL),
		.assert_level = icr & LAPIC_ICR_ASSERT,
		.dest = dest,
		.x2apic = l->mode == LAPIC_MODE_X2APIC,
	};
	apic_bus_send(l->config.bus, l, &msg);
}

static int lapic_write_x2apic_icr(struct lapic *l, u64 value)
{
	u32 icr = (u32)value & ~LAPIC_ICR_STATUS, dest = (u32)(value >> 32);

	if (unlikely(icr & ~LAPIC_ICR_WRITABLE))
		return -EIO;
	/* Hardware that reads this MSR for the guest takes 64 bits at the register's offset. */
	lapic_set_reg(l, LAPIC_ICR, icr);
	l->regs[LAPIC_ICR * 4 + 1] = dest;
	lapic_send(l, icr, dest);
	return 0;
}

static void lapic_write_lvt(struct lapic *l, unsigned reg, u32 value)
{
	value &= lapic_lvt_writable(l, reg);
	/* Masks cannot be taken off while SVR says disabled (11.4.7.2). */
	if (!(lapic_reg(l, LAPIC_SVR) & LAPIC_SVR_ENABLE))
		value |= LAPIC_LVT_MASKED;
	lapic_set_reg(l, reg, value);
	if (reg == LAPIC_LVT_TIMER) {
		lapic_timer_lvt_changed(l);
	} else if (reg == LAPIC_LVT_LINT0) {
		if (!(value & LAPIC_LVT_LEVEL))
			WRITE_ONCE(l->lint_remote_irr, 0);
		lapic_update_pic(l);
		lapic_recheck_lint0(l);
	}
}

static void lapic_write_svr(struct lapic *l, u32 value)
{
	lapic_set_reg(l, LAPIC_SVR, value & LAPIC_SVR_WRITABLE);
	if (!(value & LAPIC_SVR_ENABLE)) {
		for (unsigned reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg++)
			lapic_set_reg(l, reg, lapic_reg(l, reg) | LAPIC_LVT_MASKED);
		lapic_timer_lvt_changed(l);
	}
	lapic_update_pic(l);
}

/* A register that has nothing special in this mode, or is read-only: no effect. */
static void lapic_write_reg(struct lapic *l, unsigned reg, u32 value)
{
	switch (reg) {
	case LAPIC_TPR:
		lapic_set_tpr(l, (u8)value);
		break;
	case LAPIC_EOI:
		lapic_eoi(l);
		break;
	case LAPIC_SELF_IPI:
		lapic_send_self(l, (u8)value);
		break;
	case LAPIC_LDR:
		lapic_set_reg(l, reg, value & 0xff000000);
		break;
	case LAPIC_DFR:
		lapic_set_reg(l, reg, value | 0x0fffffff);
		break;
	case LAPIC_SVR:
		lapic_write_svr(l, value);
		break;
	case LAPIC_ESR:
		/* A write shows what was found since the last one, whatever its value (11.5.3). */
		lapic_set_reg(l, reg, atomic_xchg(&l->errors, 0));
		break;
	case LAPIC_ICR2:
		lapic_set_reg(l, reg, value & 0xff000000);
		break;
	case LAPIC_ICR: /* xAPIC mode */
		lapic_set_reg(l, reg, value & LAPIC_ICR_WRITABLE & ~LAPIC_ICR_STATUS);
		lapic_send(l, value, lapic_reg(l, LAPIC_ICR2) >> 24);
		break;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		lapic_write_lvt(l, reg, value);
		break;
	case LAPIC_TIMER_INIT:
		lapic_timer_set_count(l, value);
		break;
	case LAPIC_TIMER_DIVIDE:
		lapic_timer_set_divide(l, value);
		break;
	default:
		break;
	}
}

int lapic_msr_write(struct lapic *l, u32 msr, u64 value)
{
	u32 reg = msr - LAPIC_X2APIC_MSR;

	if (unlikely(l->mode != LAPIC_MODE_X2APIC))
		return -EPERM;
	if (reg == LAPIC_EOI && likely(!value)) {
		lapic_eoi(l);
		return 0;
	}
	if (reg == LAPIC_ICR)
		return lapic_write_x2apic_icr(l, value);
	if (unlikely(reg >= LAPIC_REG_END || !(X2APIC_WRITABLE >> reg & 1)))
		return -EIO;
	if (unlikely(value & ~(u64)lapic_x2apic_legal(l, reg)))
		return -EIO;
	lapic_write_reg(l, reg, (u32)value);
	return 0;
}

void lapic_mmio_write(struct lapic *l, u32 offset, unsigned size, u64 value)
{
	u32 reg = offset / 16;

	if (unlikely(l->mode != LAPIC_MODE_XAPIC || offset >= PAGE_SIZE))
		return;
	if (unlikely(reg >= LAPIC_REG_END || !(XAPIC_EXISTS >> reg & 1)))
		lapic_error(l, LAPIC_ESR_REGISTER);
	else if (size == 4 && !(offset & 0xf))
		lapic_write_reg(l, reg, (u32)value);
}

void lapic_write_trapped(struct lapic *l, u32 offset)
{
	u32 reg = offset / 16;

	if (reg == LAPIC_ID)
		lapic_set_reg(l, reg, l->config.apic_id << 24); /* read-only, put it back */
	else if (reg < LAPIC_REG_END)
		lapic_write_reg(l, reg, lapic_reg(l, reg));
}
