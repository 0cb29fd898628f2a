#include <stdlib.h>
#include <string.h>
#include "acpi.h"
#include "apic.h"
#include "smp.h"

/* SDM 3A, 8.4.4.1 waits 10 ms and 200 us; a processor of today needs neither. */
#define SMP_PAUSE_TICKS 20000

_Static_assert(offsetof(struct smp_cpu, stack_top) == 8, "smp_trampoline.S");

extern const char smp_trampoline[], smp_trampoline_end[];
extern struct smp_cpu *smp_by_id[SMP_MAX_ID];
void smp_enter(struct smp_cpu *cpu);

unsigned int smp_count;
struct smp_cpu *smp_cpus[SMP_MAX_CPUS];
struct smp_cpu *smp_by_id[SMP_MAX_ID];
static void (*smp_entry)(struct smp_cpu *cpu);

/* From smp_trampoline.S, on the processor's stack. */
void smp_enter(struct smp_cpu *cpu)
{
	trap_init_cpu(&cpu->traps);
	cpu->starts++;
	smp_entry(cpu);
}

static void smp_add(uint32_t id)
{
	struct smp_cpu *cpu;

	if (id >= SMP_MAX_ID || smp_by_id[id])
		return;
	cpu = calloc(1, sizeof(*cpu));
	if (!cpu)
		return;
	cpu->self = cpu;
	cpu->stack_top = cpu->stack + SMP_STACK_SIZE;
	cpu->index = smp_count;
	cpu->apic_id = id;
	smp_by_id[id] = cpu;
	smp_cpus[smp_count++] = cpu;
}

unsigned int smp_init(void (*entry)(struct smp_cpu *cpu))
{
	static uint32_t ids[SMP_MAX_CPUS];
	unsigned int i, n = acpi_cpus(ids, SMP_MAX_CPUS);

	smp_entry = entry;
	smp_add(apic_id());
	for (i = 0; i < n && i < SMP_MAX_CPUS; i++)
		smp_add(ids[i]);
	memcpy((void *)SMP_BASE, smp_trampoline,
	       (uintptr_t)smp_trampoline_end - (uintptr_t)smp_trampoline);
	wrmsr(MSR_GS_BASE, (uintptr_t)smp_cpus[0]);
	smp_cpus[0]->starts = 1;
	return smp_count;
}

void smp_send_init(const struct smp_cpu *cpu)
{
	apic_send(APIC_INIT | APIC_ASSERT, cpu->apic_id);
}

void smp_send_startup(const struct smp_cpu *cpu)
{
	apic_send(APIC_STARTUP | APIC_ASSERT | SMP_BASE >> 12, cpu->apic_id);
}

static void smp_pause(void)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < SMP_PAUSE_TICKS)
		cpu_pause();
}

static void smp_send_all(void (*send)(const struct smp_cpu *cpu))
{
	unsigned int i;

	for (i = 1; i < smp_count; i++)
		if (!smp_cpus[i]->starts)
			send(smp_cpus[i]);
}

bool smp_start_all(uint64_t ticks)
{
	uint64_t start = rdtsc();
	unsigned int i;

	smp_send_all(smp_send_init);
	smp_pause();
	smp_send_all(smp_send_startup);
	for (i = 1; i < smp_count; i++) {
		while (!smp_cpus[i]->starts) {
			if (rdtsc() - start > ticks)
				return false;
			cpu_pause();
		}
	}
	return true;
}
