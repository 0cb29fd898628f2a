/*
 * drift: whether the PC's clocks run at the same speed. Takes the TSC, whose frequency CPUID tells,
 * as the measure, and compares with it, over a time (cmdline: drift.elf MILLISECONDS, 2000 if not
 * given): the ACPI PM timer, the 8254, the local APIC's timer and the RTC's seconds. Counts the
 * interrupts of the last three's periodic modes, too. Exit status 0; 1 where there is no frequency.
 */
#include <stdio.h>
#include <stdlib.h>
#include "apic.h"
#include "pit.h"
#include "x86.h"

#define TIME_DEFAULT	2000 /* ms */
#define SAMPLES		32
#define PATIENCE	10  /* times the time, until as many interrupts have come as should */
#define LONGER		100 /* ms, each time that they have not */
#define RTC_WIDTH	20  /* ms in which a change of the second must have come */
#define RTC_TRIES	10
#define PM_TIMER_PORT	0x608
#define PM_TIMER_HZ	3579545.0
#define PIT_COUNT	11932 /* 100 Hz */
#define APIC_TIMER_INIT 0x380
#define APIC_TIMER_DIV	0x3e0
#define APIC_DIV_1	0xb
#define APIC_PERIODIC	0x20000
#define APIC_VECTOR	0x40
#define APIC_RATE	100
#define RTC_VECTOR	(PIC_VECTOR + 8)
#define RTC_RATE	64 /* Hz; rate select: 32768 >> (10 - 1) */
#define RTC_A_64HZ	0x2a
#define RTC_B_BINARY	0x06 /* and 24 hours */
#define RTC_B_PERIODIC	0x40
#define SECONDS_A_DAY	86400

static double tsc_hz, apic_hz;
static volatile unsigned long irqs_pit, irqs_apic, irqs_rtc;

static void on_pit(struct trap_frame *frame)
{
	(void)frame;
	irqs_pit++;
	pic_eoi();
}

static void on_apic(struct trap_frame *frame)
{
	(void)frame;
	irqs_apic++;
	apic_eoi();
}

static uint8_t rtc_read(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void rtc_write(uint8_t reg, uint8_t value)
{
	outb(0x70, reg);
	outb(0x71, value);
}

static void on_rtc(struct trap_frame *frame)
{
	(void)frame;
	irqs_rtc++;
	rtc_read(0xc);
	outb(0xa0, 0x20);
	pic_eoi();
}

/* --- reading a counter together with the TSC --- */

static uint32_t read_pm(void)
{
	return inl(PM_TIMER_PORT);
}

/* Both count down; what has passed of the period. */
static uint32_t read_pit(void)
{
	return PIT_COUNT - pit_read();
}

static uint32_t apic_count(void)
{
	return (uint32_t)(apic_hz / APIC_RATE);
}

static uint32_t read_apic(void)
{
	return apic_count() - mmio_read32(APIC_BASE + APIC_TMCCT);
}

struct sample {
	double tsc;
	uint32_t count;
};

/* The reading that took the shortest: the count is that of its middle. */
static struct sample take(uint32_t (*read)(void))
{
	struct sample best = { 0, 0 };
	uint64_t width = UINT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		uint64_t before = rdtsc(), after;
		uint32_t count = read();

		after = rdtsc();
		if (after - before < width) {
			width = after - before;
			best = (struct sample){ (double)before + (double)width / 2, count };
		}
	}
	return best;
}

struct clock {
	const char *name;
	uint32_t (*read)(void);
	double hz, wraps; /* the count goes from 0 to there, and again */
	volatile unsigned long *irqs;
	struct sample first;
	unsigned long irqs_first;
	/* What came out. */
	double seconds, counted;
	unsigned long irqs_came, irqs_due;
};

static struct clock clocks[] = {
	{ .name = "PM timer", .read = read_pm, .hz = PM_TIMER_HZ, .wraps = 0x1p32 },
	{ .name = "8254", .read = read_pit, .hz = PIT_HZ, .wraps = PIT_COUNT, .irqs = &irqs_pit },
	{ .name = "local APIC", .read = read_apic, .irqs = &irqs_apic },
};
#define CLOCKS ((int)(sizeof(clocks) / sizeof(clocks[0])))

static long nearest(double x)
{
	return (long)(x < 0 ? x - 0.5 : x + 0.5);
}

static void begin(struct clock *c)
{
	c->first = take(c->read);
	c->irqs_first = c->irqs ? *c->irqs : 0;
}

/* How often it wrapped is what comes nearest to the TSC's time: an error of a part of a period
 * shows. */
static void end(struct clock *c)
{
	struct sample last = take(c->read);
	double part = (double)last.count - c->first.count, wraps;

	c->seconds = (last.tsc - c->first.tsc) / tsc_hz;
	wraps = (double)nearest((c->seconds * c->hz - part) / c->wraps);
	c->counted = (wraps * c->wraps + part) / c->hz;
	c->irqs_due = (unsigned long)wraps;
	c->irqs_came = c->irqs ? *c->irqs - c->irqs_first : c->irqs_due;
}

/*
 * Where this processor, or what makes the timers' interrupts, has stood still for most of the time,
 * they have merged, or the 8254 makes up for those of before.
 */
static bool came_as_due(unsigned long came, unsigned long due)
{
	return 2 * came >= due && 5 * came <= 7 * due;
}

/* For MS, or longer, until all is as it should be. */
static void measure(uint64_t start, double ms)
{
	double until = ms;
	bool as_due;

	do {
		while ((double)(rdtsc() - start) * 1e3 / tsc_hz < until)
			irq_wait();
		as_due = true;
		for (int i = 0; i < CLOCKS; i++) {
			end(&clocks[i]);
			as_due &= came_as_due(clocks[i].irqs_came, clocks[i].irqs_due);
		}
		until += LONGER;
	} while (!as_due && until < PATIENCE * ms);
}

static void print(const struct clock *c)
{
	printf("drift: %s: %ld ppm over %ld ms", c->name,
	       nearest((c->counted / c->seconds - 1) * 1e6), nearest(c->seconds * 1e3));
	if (c->irqs)
		printf(", %lu of %lu interrupts", c->irqs_came, c->irqs_due);
	printf("\n");
}

/* --- the RTC: seconds are seen when they change --- */

struct edge {
	long second;
	double tsc, width; /* it was so many ticks before or behind that */
	bool clear;	   /* the time did not go on while it was read */
};

/* The next one. */
static struct edge rtc_next(void)
{
	uint8_t was = rtc_read(0), now;
	uint64_t before, after = rdtsc();
	struct edge e;

	do {
		/* The interrupt uses the index register, too. */
		__asm__ volatile("sti; nop; cli" : : : "memory");
		before = after;
		now = rtc_read(0);
		after = rdtsc();
	} while (now == was);
	e.second = now + 60 * rtc_read(2) + 3600 * rtc_read(4);
	e.clear = rtc_read(0) == now;
	e.tsc = (double)after;
	e.width = (double)(after - before);
	return e;
}

/* Where this processor stood still just then, another one. */
static uint64_t rtc_edge(long *second)
{
	struct edge e;
	int i = 0;

	do
		e = rtc_next();
	while (++i < RTC_TRIES && (!e.clear || e.width * 1e3 / tsc_hz > RTC_WIDTH));
	*second = e.second;
	return (uint64_t)e.tsc;
}

static void rtc_end(uint64_t first_tsc, long first, unsigned long irqs_first)
{
	unsigned long came;
	long second, passed;
	uint64_t tsc;
	double seconds;
	int i = 0;

	do {
		tsc = rtc_edge(&second);
		passed = (second - first + SECONDS_A_DAY) % SECONDS_A_DAY;
		came = irqs_rtc - irqs_first;
	} while (++i < RTC_TRIES && !came_as_due(came, (unsigned long)passed * RTC_RATE));
	seconds = (double)(tsc - first_tsc) / tsc_hz;
	printf("drift: RTC: %ld ppm over %ld s, %lu of %ld interrupts\n",
	       nearest(((double)passed / seconds - 1) * 1e6), passed, came, passed * RTC_RATE);
}

/* --- all together --- */

static int find_frequencies(void)
{
	struct cpuid c = cpuid(0x15, 0), h = cpuid(0x40000010, 0);

	if (!c.eax || !c.ebx || !c.ecx)
		return -1;
	tsc_hz = (double)c.ecx * c.ebx / c.eax;
	apic_hz = c.ecx;
	clocks[2].hz = apic_hz;
	clocks[2].wraps = apic_count();
	printf("drift: TSC %ld kHz by leaf 15, %u kHz by leaf 40000010\n", nearest(tsc_hz / 1e3),
	       (unsigned)h.eax);
	return 0;
}

static void start_timers(void)
{
	trap_set_handler(PIC_VECTOR, on_pit);
	trap_set_handler(RTC_VECTOR, on_rtc);
	trap_set_handler(APIC_VECTOR, on_apic);
	apic_enable();
	apic_write(APIC_LINT0, APIC_LVT_EXTINT);
	pic_init((uint16_t) ~(1u << 0 | 1u << 2 | 1u << 8));
	pit_start(PIT_COUNT);
	apic_write(APIC_TIMER_DIV, APIC_DIV_1);
	apic_write(APIC_TIMER, APIC_PERIODIC | APIC_VECTOR);
	apic_write(APIC_TIMER_INIT, apic_count());
	rtc_write(0xa, RTC_A_64HZ);
	rtc_write(0xb, RTC_B_BINARY | RTC_B_PERIODIC);
	rtc_read(0xc);
}

int main(int argc, char **argv)
{
	uint64_t start, ms = argc > 1 ? strtoul(argv[1], NULL, 10) : TIME_DEFAULT;
	unsigned long rtc_irqs;
	long second;

	if (find_frequencies()) {
		printf("drift: CPUID tells no frequency\n");
		return 1;
	}
	irq_disable();
	start_timers();
	start = rtc_edge(&second);
	rtc_irqs = irqs_rtc;
	for (int i = 0; i < CLOCKS; i++)
		begin(&clocks[i]);
	measure(start, (double)ms);
	for (int i = 0; i < CLOCKS; i++)
		print(&clocks[i]);
	rtc_end(start, second, rtc_irqs);
	printf("drift: %ld ms by the TSC since power-on\n",
	       nearest((double)rdtsc() * 1e3 / tsc_hz));
	return 0;
}
