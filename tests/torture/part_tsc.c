/* The TSCs of all processors are one clock: who holds a lock sees no time before the last holder's.
 */
#include "torture.h"

#include "arch/x86/tsc.h"
#include "core/spinlock.h"

static struct {
	struct spinlock lock;
	u64 time;
	u32 cpu;
} last;

enum { READ };

#define FAULT_AFTER 1000
#define FAULT_TICKS 1000000ull

/* One processor's counter goes back, when nobody compares it any more. */
static void fault(struct torture_worker *w)
{
	if (w->cpu && w->operations == FAULT_AFTER && torture_fault("tsc_late"))
		wrmsr(MSR_TSC, tsc_read() - FAULT_TICKS);
}

static void work(struct torture_worker *w)
{
	while (torture_going(w)) {
		u64 now;

		fault(w);
		spin_lock(&last.lock);
		now = tsc_read_ordered();
		TORTURE_CHECK(now >= last.time, "the TSC is %lu ticks behind that of CPU %u",
			      last.time - now, last.cpu);
		last.time = now;
		last.cpu = w->cpu;
		spin_unlock(&last.lock);
		w->count[READ]++;
	}
}

static void begin(void)
{
	last.time = 0;
}

const struct torture_part part_tsc = { .name = "tsc", .begin = begin, .work = work };
