#include "arch/x86/tsc.h"

#include <errno.h>

#include "arch/x86/calibrate.h"
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
static u16 pm_port;

/* The output of counter 2 rises after PIT_COUNT ticks. */
static int measure_pit(struct estimate *e)
{
	u8 speaker = inb(PORT61);
	u64 begun, start, look, last, end;
	unsigned polls = 0;
	bool high;

	outb(PORT61, (u8)((speaker & ~PORT61_SPEAKER) | PORT61_GATE));
	begun = tsc_read();
	i8254_start(2, PIT_MODE_TERMINAL_COUNT, PIT_COUNT);
	last = end = start = tsc_read();
	do {
		look = last;
		last = end;
		high = inb(PORT61) & PORT61_OUT;
		end = tsc_read();
	} while (!high && ++polls < MAX_POLLS);
	outb(PORT61, speaker);
	if (polls == MAX_POLLS)
		return -ENODEV;
	if (polls < 2)
		return -EAGAIN; /* output high at once: no such timer, or we were stopped */
	*e = (struct estimate){ time_muldiv(end - start, PIT_HZ, PIT_COUNT),
				start - begun + (end - look), end - start };
	return 0;
}

/* When the PM timer's count was seen to have changed: after `look`, which is before it was seen not
 * to have, and before `end`. */
struct pm_tick {
	u32 count;
	u64 look, end;
};

/* Waits until `count` ticks after t0 have passed and the count has just changed. */
static bool wait_pm_tick(u32 t0, u32 count, struct pm_tick *t)
{
	u64 last = tsc_read();

	t->end = last;
	for (unsigned polls = 0; polls < MAX_POLLS; polls++) {
		t->look = last;
		last = t->end;
		t->count = inl(pm_port) & PM_TIMER_MASK;
		t->end = tsc_read();
		if (((t->count - t0) & PM_TIMER_MASK) >= count)
			return true;
	}
	return false;
}

/* From one change of the count to another: what is read is not up to a tick old. */
static int measure_pm_timer(struct estimate *e)
{
	struct pm_tick first, last;

	if (!wait_pm_tick(inl(pm_port) & PM_TIMER_MASK, 1, &first) ||
	    !wait_pm_tick(first.count, PM_TIMER_COUNT, &last))
		return -ENODEV;
	e->ticks = last.end - first.end;
	e->hz = time_muldiv(e->ticks, PM_TIMER_HZ, (last.count - first.count) & PM_TIMER_MASK);
	e->unsure = first.end - first.look + (last.end - last.look);
	return 0;
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
	u64 measured, stated = from_cpuid();

	pm_port = pm_timer;
	measured = pm_timer ? calibrate(measure_pm_timer) : 0;
	source = "ACPI PM timer";
	if (!measured) {
		measured = calibrate(measure_pit);
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
