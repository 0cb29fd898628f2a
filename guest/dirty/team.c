#include "team.h"

#include <stdint.h>
#include <stdio.h>
#include "smp.h"

#define TEAM_START_TICKS 100000000000ull

static unsigned int team_cpus;
static void (*team_fn)(unsigned int index, unsigned int argument);
static unsigned int team_argument;
static uint32_t team_orders, team_busy; /* atomic; the order is written before it is counted */
static uint32_t team_present;		/* atomic: times that one came to its work */

static void team_enter(struct smp_cpu *cpu)
{
	/* Not those of before its restart. */
	uint32_t done = __atomic_load_n(&team_orders, __ATOMIC_ACQUIRE);

	__atomic_fetch_add(&team_present, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		while (__atomic_load_n(&team_orders, __ATOMIC_ACQUIRE) == done)
			cpu_pause();
		done++;
		team_fn(cpu->index, team_argument);
		__atomic_fetch_sub(&team_busy, 1, __ATOMIC_SEQ_CST);
	}
}

static bool team_wait_for(uint32_t present)
{
	uint64_t start = rdtsc();

	while (__atomic_load_n(&team_present, __ATOMIC_ACQUIRE) != present) {
		if (rdtsc() - start > TEAM_START_TICKS) {
			printf("dirty: a processor does not start: FAILED\n");
			return false;
		}
		cpu_pause();
	}
	return true;
}

bool team_start(void)
{
	team_cpus = smp_init(team_enter);
	if (smp_start_all(TEAM_START_TICKS))
		return team_wait_for(team_cpus - 1);
	printf("dirty: a processor does not start: FAILED\n");
	return false;
}

bool team_restart(void)
{
	uint32_t present;

	if (team_cpus < 2)
		return true;
	present = __atomic_load_n(&team_present, __ATOMIC_ACQUIRE);
	smp_send_init(smp_cpus[1]);
	smp_send_startup(smp_cpus[1]);
	return team_wait_for(present + 1);
}

unsigned int team_size(void)
{
	return team_cpus;
}

void team_begin(void (*fn)(unsigned int index, unsigned int argument), unsigned int argument)
{
	team_fn = fn;
	team_argument = argument;
	team_busy = team_cpus - 1;
	__atomic_fetch_add(&team_orders, 1, __ATOMIC_SEQ_CST);
}

void team_wait(void)
{
	while (__atomic_load_n(&team_busy, __ATOMIC_ACQUIRE))
		cpu_pause();
}

void team_do(void (*fn)(unsigned int index, unsigned int argument), unsigned int argument)
{
	team_begin(fn, argument);
	fn(0, argument);
	team_wait();
}
