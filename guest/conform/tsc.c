/* The time-stamp counter, its MSR and TSC_ADJUST: three views of one thing. */
#include "conform.h"

#define TSC_ROUNDS 200
#define TSC_JUMP   (1ul << 50)
#define TSC_SLACK  (1ul << 44) /* more than any run takes */

/* It goes on over exits, and both ways to read it are one clock. */
static void tsc_check_monotonic(void)
{
	uint64_t last = rdtsc(), now;
	unsigned int i, backwards = 0;

	check_begin("tsc-monotonic");
	for (i = 0; i < TSC_ROUNDS; i++) {
		now = i % 2 ? rdtsc() : rdmsr(MSR_TSC);
		backwards += now < last;
		last = now;
		cpuid(0, 0);
	}
	check_equal("times that it went back", 0, backwards);
	check_end();
}

/* NOW is BEFORE and DISTANCE, and a little. */
static void tsc_check_distance(const char *what, uint64_t before, uint64_t distance, uint64_t now)
{
	check_true(what, now - before - distance < TSC_SLACK);
}

static void tsc_check_adjust(void)
{
	uint64_t before = rdtsc(), adjust = rdmsr(MSR_TSC_ADJUST);

	check_begin("tsc-adjust");
	wrmsr(MSR_TSC_ADJUST, adjust + TSC_JUMP);
	tsc_check_distance("RDTSC", before, TSC_JUMP, rdtsc());
	tsc_check_distance("RDMSR", before, TSC_JUMP, rdmsr(MSR_TSC));
	check_equal("TSC_ADJUST", adjust + TSC_JUMP, rdmsr(MSR_TSC_ADJUST));
	wrmsr(MSR_TSC_ADJUST, adjust);
	tsc_check_distance("RDTSC back again", before, 0, rdtsc());
	check_end();
}

static void tsc_check_write(void)
{
	uint64_t before = rdtsc(), adjust = rdmsr(MSR_TSC_ADJUST), moved;

	check_begin("tsc-write");
	wrmsr(MSR_TSC, before + TSC_JUMP);
	tsc_check_distance("RDTSC", before, TSC_JUMP, rdtsc());
	tsc_check_distance("RDMSR", before, TSC_JUMP, rdmsr(MSR_TSC));
	/* It moves by what the counter was moved, which is a little less than the jump. */
	moved = rdmsr(MSR_TSC_ADJUST) - adjust;
	check_true("TSC_ADJUST", TSC_JUMP - moved < TSC_SLACK);
	wrmsr(MSR_TSC_ADJUST, adjust);
	tsc_check_distance("RDTSC back again", before, 0, rdtsc());
	check_end();
}

void conform_tsc(void)
{
	tsc_check_monotonic();
	tsc_check_adjust();
	tsc_check_write();
}
