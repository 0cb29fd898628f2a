#include "team.h"

#include <stdint.h>
#include <stdio.h>
#include "smp.h"

#define TEAM_START_TICKS 20000000000ull

static unsigned int team_cpus;
static void (*team_fn)(unsigned int index, unsigned int argument);
static unsigned int team_argument;
static uint32_t team_orders, team_busy; /* atomic; the order is written before it is counted */

static void team_enter(struct smp_cpu *cpu)
{
	uint32_t done = 0;

	for (;;) {
		while (__atomic_load_n(&team_orders, __ATOMIC_ACQUIRE) == done)
			cpu_pause();
		done++;
		team_fn(cpu->index, team_argument);
		__atomic_fetch_sub(&team_busy, 1, __ATOMIC_SEQ_CST);
	}
}

bool team_start(void)
{
	team_cpus = smp_init(team_enter);
	if (smp_start_all(TEAM_START_TICKS))
		return true;
	printf("dirty: a processor does not start: FAILED\n");
	return false;
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
