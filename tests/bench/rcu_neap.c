/* Neap's RCU in threads: each is a CPU. Kicks do nothing, for readers report all the time. */
#include "core/rcu.h"
#include "shim.h"

#define THREADS 3

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpus[THREADS];
static int *shared;

u32 cpu_count(void)
{
	return THREADS;
}

void apic_send_ipi(u32 apic_id, u8 vector)
{
	(void)apic_id;
	(void)vector;
}

static void peer_init(void)
{
	for (u32 i = 0; i < THREADS; i++) {
		cpus[i] = (struct cpu){ .self = &cpus[i], .id = i, .rcu.idle = 1 };
		cpu_table[i] = &cpus[i];
	}
}

static void peer_thread(unsigned i)
{
	shim_use_cpu(&cpus[i]);
	rcu_init_cpu();
	rcu_idle_exit();
}

static void peer_thread_end(void)
{
	rcu_idle_enter();
}

static inline const int *peer_read(void)
{
	return rcu_dereference(shared);
}

static inline void peer_quiescent(void)
{
	rcu_quiescent();
}

static void peer_publish(int *p)
{
	rcu_assign_pointer(shared, p);
}

static void peer_synchronize(void)
{
	rcu_synchronize();
}

#include "tests/bench/rcu_bench.h"
