#include "hv/dev/pm.h"

#include "core/time.h"

/* ACPI 6.4, 4.8.3.1: event bits, in status and enable alike. */
#define PM1_TMR	   0x0001
#define PM1_GBL	   0x0020
#define PM1_PWRBTN 0x0100
#define PM1_RTC	   0x0400
#define PM1_EVENTS (PM1_TMR | PM1_GBL | PM1_PWRBTN)
/* The RTC has no wake event here (FADT flag RTC_S4), but Linux enables it all the same and looks.
 */
#define PM1_ENABLES (PM1_EVENTS | PM1_RTC)

/* 4.8.3.2: control bits. */
#define PM1_SCI_EN    0x0001
#define PM1_BM_RLD    0x0002
#define PM1_SLP_TYP   0x1c00
#define PM1_SLP_SHIFT 10
#define PM1_SLP_EN    0x2000 /* write-only */
#define PM1_KEPT      (PM1_BM_RLD | PM1_SLP_TYP)

#define STATUS_REG  (PM_EVENT_PORT - PM_BASE)
#define ENABLE_REG  (STATUS_REG + PM_EVENT_LEN / 2)
#define CONTROL_REG (PM_CTRL_PORT - PM_BASE)
#define TIMER_REG   (PM_TIMER_PORT - PM_BASE)

/* The PM timer is 32 bits wide; its event is every change of the top bit (4.8.2.1). */
#define TIMER_HALF BIT(31)

static u64 timer_count(const struct pm *pm)
{
	return time_muldiv(time_now() - pm->origin, PM_TIMER_HZ, time_hz());
}

/* Sets TMR_STS if the timer's top bit changed since the last call. */
static void catch_up(struct pm *pm)
{
	u64 count = timer_count(pm);

	if (count / TIMER_HALF != pm->tmr_seen / TIMER_HALF)
		pm->status |= PM1_TMR;
	pm->tmr_seen = count;
}

/* Brings SCI and the timer in line with the registers. */
static void update_sci(struct pm *pm)
{
	bool on = pm->status & pm->enable & PM1_EVENTS;

	if (on != pm->irq_on) {
		pm->irq_on = on;
		irq_line_set(&pm->irq, on);
	}
	if ((pm->enable & PM1_TMR) && !(pm->status & PM1_TMR)) {
		u64 next = (pm->tmr_seen / TIMER_HALF + 1) * TIMER_HALF;

		/* Rounded up: the bit has changed when the timer fires. */
		timer_set(&pm->timer, pm->origin + time_muldiv(next, time_hz(), PM_TIMER_HZ) + 1);
	} else {
		timer_cancel(&pm->timer);
	}
}

static void pm_timer_fired(struct timer *timer)
{
	struct pm *pm = container_of(timer, struct pm, timer);

	spin_lock(&pm->lock);
	catch_up(pm);
	update_sci(pm);
	spin_unlock(&pm->lock);
}

static u16 read_reg16(struct pm *pm, unsigned reg)
{
	if (reg == STATUS_REG) {
		catch_up(pm);
		return pm->status;
	}
	if (reg == ENABLE_REG)
		return pm->enable;
	return reg == CONTROL_REG ? pm->control | PM1_SCI_EN : 0;
}

static u64 read_bytes(struct pm *pm, unsigned offset, unsigned size)
{
	u64 value = 0;

	spin_lock(&pm->lock);
	for (unsigned i = 0; i < size; i++) {
		unsigned at = offset + i;
		u64 byte = (u64)(read_reg16(pm, at & ~1u) >> (8 * (at & 1))) & 0xff;

		value |= byte << (8 * i);
	}
	spin_unlock(&pm->lock);
	return value;
}

static u64 pm_read(void *dev, u64 offset, unsigned size)
{
	struct pm *pm = dev;

	/* Guests read the timer often: no lock, origin is constant. */
	if (offset >= TIMER_REG)
		return (u32)timer_count(pm) >> (8 * (offset - TIMER_REG));
	return read_bytes(pm, (unsigned)offset, size);
}

/* True when this write tells the machine to turn off. */
static bool write_control(struct pm *pm, u16 value, u16 mask)
{
	u16 kept = mask & PM1_KEPT;

	pm->control = (pm->control & ~kept) | (value & kept);
	return (value & mask & PM1_SLP_EN) &&
	       (pm->control & PM1_SLP_TYP) >> PM1_SLP_SHIFT == PM_SLEEP_TYPE_S5;
}

/* Writes the bytes in mask of one register. True when the machine is to turn off. */
static bool write_reg16(struct pm *pm, unsigned reg, u16 value, u16 mask)
{
	if (reg == STATUS_REG)
		pm->status &= ~(value & mask); /* ones clear */
	else if (reg == ENABLE_REG)
		pm->enable = (pm->enable & ~mask) | (value & mask & PM1_ENABLES);
	else if (reg == CONTROL_REG)
		return write_control(pm, value, mask);
	return false;
}

static void pm_write(void *dev, u64 offset, unsigned size, u64 value)
{
	struct pm *pm = dev;
	unsigned first = (unsigned)offset, end = first + size;
	bool off = false;

	spin_lock(&pm->lock);
	catch_up(pm);
	/* Register by register, each with the bytes of it that are written. */
	for (unsigned reg = first & ~1u; reg < end; reg += 2) {
		u16 mask = (reg >= first ? 0x00ff : 0) | (reg + 1 < end ? 0xff00 : 0);
		u64 part = reg >= first ? value >> (8 * (reg - first)) : value << 8;

		off |= write_reg16(pm, reg, (u16)part, mask);
	}
	update_sci(pm);
	spin_unlock(&pm->lock);
	if (off)
		vm_power_raise(&pm->power, VM_POWER_OFF);
}

static const struct io_ops pm_ops = { pm_read, pm_write };

/* General-purpose events: none is wired, so none is ever set, and enables hold nothing. */
static u64 gpe_read(void *dev __unused, u64 offset __unused, unsigned size __unused)
{
	return 0;
}

static void gpe_write(void *dev __unused, u64 offset __unused, unsigned size __unused,
		      u64 value __unused)
{
}

static const struct io_ops gpe_ops = { gpe_read, gpe_write };

void pm_press_power_button(struct pm *pm)
{
	spin_lock(&pm->lock);
	catch_up(pm);
	pm->status |= PM1_PWRBTN;
	update_sci(pm);
	spin_unlock(&pm->lock);
}

void pm_reset(struct pm *pm)
{
	spin_lock(&pm->lock);
	pm->status = pm->enable = pm->control = 0;
	pm->tmr_seen = timer_count(pm);
	update_sci(pm);
	spin_unlock(&pm->lock);
}

void pm_init(struct pm *pm, struct irq_line sci, struct vm_power power)
{
	*pm = (struct pm){ .origin = time_now(), .irq = sci, .power = power };
	timer_init(&pm->timer, pm_timer_fired);
}

void pm_fini(struct pm *pm)
{
	timer_cancel_sync(&pm->timer);
}

int pm_attach(struct pm *pm, struct io_bus *pio)
{
	int err = io_bus_add(pio, PM_BASE, TIMER_REG + PM_TIMER_LEN, &pm_ops, pm, "pm");

	if (!err)
		err = io_bus_add(pio, PM_GPE_PORT, PM_GPE_LEN, &gpe_ops, pm, "pm gpe");
	return err;
}
