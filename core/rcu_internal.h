/* What the files of RCU share. */
#ifndef NEAP_CORE_RCU_INTERNAL_H
#define NEAP_CORE_RCU_INTERNAL_H

#include "core/rcu.h"

/* rcu_begin(); `me` is not kicked, for it is about to say itself that it is quiescent. NULL: every
 * CPU is. */
u64 rcu_begin_from(const struct cpu *me) __must_check;

/* rcu_is_over() as somebody has found out already: one load. */
bool rcu_is_known_over(u64 gp) __must_check;

/* Names the CPU that is waited for, and kicks it again. */
void rcu_report_stall(u64 gp);

/* Interrupts that CPU, so that it passes a quiescent state; counted. Does not wait for that. */
void rcu_kick(const struct cpu *cpu);

#endif
