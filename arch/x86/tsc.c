#include "arch/x86/tsc.h"

#include "arch/x86/i8254.h"
#include "arch/x86/pio.h"
#include "core/log.h"
#include "core/time.h"

#define PIT_COUNT      11932 /* 10 ms */
#define PM_TIMER_HZ    3579545ull
#define PM_TIMER_COUNT 35795 /* 10 ms */
#define PM_TIMER_MASK  0xffffffu
#define MAX_POLLS      10000000u
#define FALLBACK_HZ    1000000000ull /* wrong but usable where nothing can be measured */
#define AGREE_PERCENT  1

u64 tsc_hz_value;
static const char *source = "nothing";

/* The output of counter 2 rises after PIT_COUNT ticks. */
static u64 measure_pit(void)
{
	u8 speaker = inb(PORT61);
	u64 start, end;
	unsigned polls = 0;

	outb(PORT61, (u8)((speaker & ~PORT61_SPEAKER) | PORT61_GATE));
	i8254_start(2, PIT_MODE_TERMINAL_COUNT, PIT_COUNT);
	start = tsc_read();
	while (!(inb(PORT61) & PORT61_OUT) && polls < MAX_POLLS)
		polls++;
	end = tsc_read();
	outb(PORT61, speaker);
	/* Output high at once: there is no such timer. */
	if (polls < 2 || polls == MAX_POLLS)
		return 0;
	return time_muldiv(end - start, PIT_HZ, PIT_COUNT);
}

/* Waits until `count` ticks after t0 have passed and the count has just changed; *t and the TSC of
 * then. */
static bool wait_pm_tick(u16 port, u32 t0, u32 count, u32 *t, u64 *tsc)
{
	for (unsigned polls = 0; polls < MAX_POLLS; polls++) {
		*t = inl(port) & PM_TIMER_MASK;
		*tsc = tsc_read();
		if (((*t - t0) & PM_TIMER_MASK) >= count)
			return true;
	}
	return false;
}

/* From one change of the count to another: what is read is not up to a tick old. */
static u64 measure_pm_timer(u16 port)
{
	u32 first, last;
	u64 start, end;

	if (!wait_pm_tick(port, inl(port) & PM_TIMER_MASK, 1, &first, &start) ||
	    !wait_pm_tick(port, first, PM_TIMER_COUNT, &last, &end))
		return 0;
	return time_muldiv(end - start, PM_TIMER_HZ, (last - first) & PM_TIMER_MASK);
}

/* SDM vol. 3 20.7.3: crystal frequency times EBX/EAX. */
static u64 from_cpuid(void)
{
	struct cpuid_regs r;

	if (cpu_features.max_leaf < 0x15)
		return 0;
	r = cpuid(0x15, 0);
	return r.eax && r.ebx && r.ecx ? time_muldiv(r.ecx, r.ebx, r.eax) : 0;
}

void tsc_calibrate(u16 pm_timer)
{
	u64 measured = pm_timer ? measure_pm_timer(pm_timer) : 0, stated = from_cpuid();

	source = "ACPI PM timer";
	if (!measured) {
		measured = measure_pit();
		source = "8254";
	}
	tsc_hz_value = measured;
	if (stated && (!measured || (stated > measured - measured * AGREE_PERCENT / 100 &&
				     stated < measured + measured * AGREE_PERCENT / 100))) {
		tsc_hz_value = stated;
		source = "CPUID leaf 15H";
	}
	if (!tsc_hz_value) {
		tsc_hz_value = FALLBACK_HZ;
		source = "a guess";
		log_warn("time: no timer to measure the TSC against; 1 GHz assumed");
	}
}

const char *tsc_source(void)
{
	return source;
}
