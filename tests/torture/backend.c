/* The torture runs no guest, and so on any processor: a backend that has nothing to do. */
#include "arch/x86/tsc.h"
#include "boot/backend_select.h"
#include "hv/backend.h"
#include "torture.h"

#define TSC_FAULT 1234567ull /* ticks */

static int nothing(void)
{
	return 0;
}

/*
 * Each processor's last step before its TSC is compared. The fault: another start of counting, by
 * an odd distance and in another direction for every second processor.
 */
static int cpu_init(void)
{
	u64 by = (u64)this_cpu()->id * TSC_FAULT;

	if (by && torture_fault("tsc"))
		wrmsr(MSR_TSC, tsc_read() + (this_cpu()->id % 2 ? by : -by));
	return 0;
}

static void print(void)
{
}

static const struct backend_ops torture_backend = {
	.name = "torture",
	.probe = nothing,
	.cpu_init = cpu_init,
	.print = print,
};

int backend_select(void)
{
	backend = &torture_backend;
	return backend->probe();
}
