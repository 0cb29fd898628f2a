/*
 * Several processors: found in the MADT, started by INIT and start-up IPI, each with a stack, a
 * segment table and stacks for traps of its own. smp_this() is in GS.
 */
#ifndef GUEST_SMP_H
#define GUEST_SMP_H

#include <stdbool.h>
#include <stdint.h>
#include "trap.h"
#include "x86.h"

#define SMP_MAX_CPUS   1024
#define SMP_MAX_ID     4096	/* APIC ids are below this */
#define SMP_STACK_SIZE 16384
#define SMP_BASE       0x8000 /* of the trampoline: below 1 MiB, where loaders leave nothing */

struct smp_cpu {
	struct smp_cpu *self; /* smp_trampoline.S knows the offsets of these two */
	char *stack_top;
	uint32_t index;	  /* 0: the first, which runs main() */
	uint32_t apic_id;
	volatile uint32_t starts; /* how often it came up */
	struct trap_cpu traps;
	char stack[SMP_STACK_SIZE] __attribute__((aligned(16)));
};

extern unsigned int smp_count;
extern struct smp_cpu *smp_cpus[SMP_MAX_CPUS]; /* by index */

/*
 * Finds the processors and prepares each; they do not run yet. ENTRY is where they come to, again
 * after each start, with interrupts off and the local APIC as it was left by INIT; it must not
 * return. Returns their number: 1 where no MADT tells of more.
 */
unsigned int smp_init(void (*entry)(struct smp_cpu *cpu));

/* INIT and then the start-up IPI, by this processor's local APIC. Does not wait for the result. */
void smp_send_init(const struct smp_cpu *cpu);
void smp_send_startup(const struct smp_cpu *cpu);

/* Starts all that do not run, and waits for TICKS of the TSC; false if one has not come by then. */
bool smp_start_all(uint64_t ticks);

/* The processor it runs on, after smp_init(). */
static inline struct smp_cpu *smp_this(void)
{
	struct smp_cpu *cpu;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

#endif
