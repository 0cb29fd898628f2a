/* Sets of processors by number, in memory that may be read and changed by several at once. */
#ifndef NEAP_CORE_CPU_SET_H
#define NEAP_CORE_CPU_SET_H

#include "core/atomic.h"

#define CPU_MAX	      512
#define CPU_SET_WORDS (CPU_MAX / 64)
_Static_assert(CPU_MAX % 64 == 0, "whole words");

struct cpu_set {
	u64 word[CPU_SET_WORDS];
};

/* Whether that CPU, below CPU_MAX, is in it. May run beside changes. */
static inline bool cpu_set_has(const struct cpu_set *set, u32 cpu)
{
	return READ_ONCE(set->word[cpu / 64]) >> (cpu % 64) & 1;
}

/* Not atomic: while nobody else looks. */
static inline void cpu_set_add(struct cpu_set *set, u32 cpu)
{
	set->word[cpu / 64] |= BIT(cpu % 64);
}

/* Full barriers. cpu_set_clear(): true if it was there: of several, one takes it out. */
static inline void cpu_set_mark(struct cpu_set *set, u32 cpu)
{
	atomic_fetch_or(&set->word[cpu / 64], BIT(cpu % 64));
}

/* Takes it out, atomically; true if it was in. */
static inline bool cpu_set_clear(struct cpu_set *set, u32 cpu)
{
	return atomic_fetch_and(&set->word[cpu / 64], ~BIT(cpu % 64)) >> (cpu % 64) & 1;
}

/* All CPUs up to CPU_MAX, there or not. Not beside other changes. */
static inline void cpu_set_add_all(struct cpu_set *set)
{
	for (u32 i = 0; i < CPU_SET_WORDS; i++)
		set->word[i] = UINT64_MAX;
}

/* The first of them from `cpu` on, CPU_MAX: none. */
static inline u32 cpu_set_next(const struct cpu_set *set, u32 cpu)
{
	for (u32 i = cpu / 64; i < CPU_SET_WORDS; i++) {
		u64 word = READ_ONCE(set->word[i]);

		if (i == cpu / 64)
			word &= UINT64_MAX << (cpu % 64);
		if (word)
			return 64 * i + (u32)__builtin_ctzl(word);
	}
	return CPU_MAX;
}

#endif
