#include "arch/x86/apic.h"

#include <errno.h>

#include "arch/x86/calibrate.h"
#include "arch/x86/cpu.h"
#include "arch/x86/trap.h"
#include "core/atomic.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/time.h"
#include "mm/phys.h"

#define REG_ID		0x20
#define REG_TPR		0x80
#define REG_EOI		0xb0
#define REG_LDR		0xd0
#define REG_DFR		0xe0
#define REG_SVR		0xf0
#define REG_ESR		0x280
#define REG_CMCI	0x2f0
#define REG_ICR		0x300
#define REG_ICR_HIGH	0x310
#define REG_LVT_TIMER	0x320
#define REG_LVT_THERMAL 0x330
#define REG_LVT_PERF	0x340
#define REG_LVT_LINT0	0x350
#define REG_LVT_LINT1	0x360
#define REG_LVT_ERROR	0x370
#define REG_TIMER_INIT	0x380
#define REG_TIMER_COUNT 0x390
#define REG_TIMER_DIV	0x3e0

#define BASE_ENABLE	 BIT(11)
#define BASE_X2APIC	 BIT(10)
#define SVR_ENABLE	 BIT(8)
#define LVT_MASKED	 BIT(16)
#define LVT_NMI		 (4u << 8)
#define LVT_TSC_DEADLINE (2u << 17)
#define ICR_INIT	 (5u << 8)
#define ICR_SIPI	 (6u << 8)
#define ICR_NMI		 (4u << 8)
#define ICR_ASSERT	 BIT(14)
#define ICR_PENDING	 BIT(12)
#define ICR_ALL_BUT_SELF (3u << 18)
#define TIMER_DIV_16	 3
#define ICR_WAIT_LOOPS	 1000000 /* an IPI leaves within microseconds; this bounds a dead bus */

static bool x2apic, ready;
static volatile u32 *mmio;
static u64 timer_hz; /* counts per second after the divider; 0: TSC-deadline mode */

static u32 reg_read(unsigned reg)
{
	return x2apic ? (u32)rdmsr(MSR_X2APIC_BASE + reg / 16) : mmio[reg / 4];
}

static void reg_write(unsigned reg, u32 v)
{
	if (x2apic)
		wrmsr(MSR_X2APIC_BASE + reg / 16, v);
	else
		mmio[reg / 4] = v;
}

void apic_init(hpa_t base)
{
	x2apic = cpu_features.x2apic;
	if (!base.v)
		base.v = rdmsr(MSR_APIC_BASE) & 0x000ffffffffff000ull;
	if (!x2apic) {
		mmio = phys_map_device(base, PAGE_SIZE);
		if (!mmio)
			panic("apic: no address space for the local APIC at 0x%lx", base.v);
	}
}

static void mask_lvts(void)
{
	unsigned max = reg_read(0x30) >> 16 & 0xff;

	reg_write(REG_LVT_TIMER, LVT_MASKED | VEC_TIMER);
	reg_write(REG_LVT_LINT0, LVT_MASKED);
	reg_write(REG_LVT_LINT1, LVT_NMI);
	reg_write(REG_LVT_ERROR, VEC_ERROR);
	if (max >= 4)
		reg_write(REG_LVT_PERF, LVT_MASKED);
	if (max >= 5)
		reg_write(REG_LVT_THERMAL, LVT_MASKED);
	if (max >= 6)
		reg_write(REG_CMCI, LVT_MASKED);
}

void apic_init_cpu(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) | BASE_ENABLE;

	/* SDM vol. 3 11.12.5: xAPIC first, then x2APIC. */
	wrmsr(MSR_APIC_BASE, base);
	if (x2apic)
		wrmsr(MSR_APIC_BASE, base | BASE_X2APIC);
	if (!x2apic) {
		reg_write(REG_DFR, 0xffffffff);
		reg_write(REG_LDR, 0);
	}
	reg_write(REG_TPR, 0);
	reg_write(REG_SVR, SVR_ENABLE | VEC_SPURIOUS);
	mask_lvts();
	reg_write(REG_ESR, 0);
	if (cpu_features.tsc_deadline) {
		reg_write(REG_LVT_TIMER, LVT_TSC_DEADLINE | VEC_TIMER);
		/* SDM vol. 3 11.5.4.1: orders the mode's MMIO write before deadline writes. */
		__asm__ volatile("mfence" : : : "memory");
	} else {
		reg_write(REG_TIMER_DIV, TIMER_DIV_16);
		reg_write(REG_LVT_TIMER, VEC_TIMER);
	}
	ready = true;
}

u32 apic_id(void)
{
	u32 id = reg_read(REG_ID);

	return x2apic ? id : id >> 24;
}

bool apic_is_x2apic(void)
{
	return x2apic;
}

void apic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

static void icr_write(u32 dest, u32 low)
{
	if (x2apic) {
		/* x2APIC writes are not serializing: order earlier stores before the IPI. */
		__asm__ volatile("mfence; lfence" : : : "memory");
		wrmsr(MSR_X2APIC_BASE + REG_ICR / 16, (u64)dest << 32 | low);
		return;
	}
	for (unsigned i = 0; (mmio[REG_ICR / 4] & ICR_PENDING) && i < ICR_WAIT_LOOPS; i++)
		cpu_relax();
	mmio[REG_ICR_HIGH / 4] = dest << 24;
	mmio[REG_ICR / 4] = low;
}

void apic_send_ipi(u32 id, u8 vector)
{
	icr_write(id, ICR_ASSERT | vector);
}

void apic_send_init(u32 id)
{
	icr_write(id, ICR_ASSERT | ICR_INIT);
}

void apic_send_sipi(u32 id, u8 page)
{
	icr_write(id, ICR_ASSERT | ICR_SIPI | page);
}

void apic_nmi_others(void)
{
	if (ready)
		icr_write(0, ICR_ALL_BUT_SELF | ICR_ASSERT | ICR_NMI);
}

void apic_timer_program(u64 deadline)
{
	u64 delta, counts;

	if (!timer_hz) {
		/* 0 disarms (SDM vol. 3 11.5.4.1). */
		wrmsr(MSR_TSC_DEADLINE, deadline == UINT64_MAX ? 0 : MAX(deadline, 1ull));
		return;
	}
	if (deadline == UINT64_MAX) {
		reg_write(REG_TIMER_INIT, 0);
		return;
	}
	delta = time_now();
	delta = deadline > delta ? deadline - delta : 0;
	counts = time_muldiv(delta, timer_hz, time_hz());
	/* At least one count, so that it fires; at most the register: an early tick re-programs. */
	reg_write(REG_TIMER_INIT, (u32)MIN(counts + 1, 0xffffffffull));
}

/* The count, which was read between `look` and `end`. */
struct timer_reading {
	u64 look, end;
	u32 count;
};

static struct timer_reading timer_read(void)
{
	struct timer_reading r;

	r.look = time_now();
	r.count = reg_read(REG_TIMER_COUNT);
	r.end = time_now();
	return r;
}

static int measure_timer(struct estimate *e)
{
	struct timer_reading first, last;
	u64 end = time_hz() / 100;

	reg_write(REG_TIMER_INIT, 0xffffffff);
	first = timer_read();
	while (time_now() - first.end < end)
		cpu_relax();
	last = timer_read();
	reg_write(REG_TIMER_INIT, 0);
	e->ticks = last.end - first.end;
	e->hz = time_muldiv(first.count - last.count, time_hz(), e->ticks);
	e->unsure = first.end - first.look + (last.end - last.look);
	return e->hz ? 0 : -ENODEV;
}

void apic_timer_calibrate(void)
{
	if (cpu_features.tsc_deadline)
		return;
	reg_write(REG_LVT_TIMER, LVT_MASKED | VEC_TIMER);
	timer_hz = calibrate(measure_timer);
	reg_write(REG_LVT_TIMER, VEC_TIMER);
	if (!timer_hz)
		panic("apic: the local APIC timer does not count");
}

const char *apic_timer_kind(void)
{
	return timer_hz ? "local APIC one-shot" : "TSC deadline";
}
