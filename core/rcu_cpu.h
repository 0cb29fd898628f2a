/* What RCU keeps for each CPU, in struct cpu. Users of RCU need core/rcu.h only. */
#ifndef NEAP_CORE_RCU_CPU_H
#define NEAP_CORE_RCU_CPU_H

#include "core/patience.h"
#include "core/timer.h"

struct rcu_head;

/* The CPU's own but where it says otherwise; others read the counts for statistics. */
struct rcu_cpu {
	u64 seen;  /* the last grace period this CPU was quiescent in; others read it */
	u32 idle;  /* it holds no reference until it clears this; others read it */
	u32 count; /* callbacks in the queue */
	struct rcu_head *first; /* oldest first, so by ascending number of the grace period */
	struct rcu_head **last;
	struct timer timer;    /* armed while the queue holds something */
	struct patience stall; /* of the oldest callback */
	u32 high;	       /* the most there have been in the queue */
	u64 queued;	       /* callbacks ever taken; read by rcu_barrier() */
	u64 ran;	       /* callbacks that have returned; released to rcu_barrier() */
	u64 refused;	       /* found the queue full */
	u64 paid;	       /* of those: waited for a grace period instead */
};

#endif
