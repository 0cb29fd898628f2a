/* The userspace RCU library's flavour with quiescent states (liburcu-qsbr), as it is documented. */
#define _LGPL_SOURCE /* its read side inlined */
#include <urcu-qsbr.h>

static int *shared;

static void peer_init(void)
{
}

static void peer_thread(unsigned i)
{
	(void)i;
	rcu_register_thread();
}

static void peer_thread_end(void)
{
	rcu_unregister_thread();
}

static inline const int *peer_read(void)
{
	const int *p;

	rcu_read_lock();
	p = rcu_dereference(shared);
	rcu_read_unlock();
	return p;
}

static inline void peer_quiescent(void)
{
	rcu_quiescent_state();
}

static void peer_publish(int *p)
{
	rcu_assign_pointer(shared, p);
}

static void peer_synchronize(void)
{
	synchronize_rcu();
}

#include "tests/bench/rcu_bench.h"
