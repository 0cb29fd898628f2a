#ifndef NEAP_HV_SLOTS_RCU_H
#define NEAP_HV_SLOTS_RCU_H
#include "core/atomic.h"
#define rcu_dereference(p)	 load_acquire(&(p))
#define rcu_assign_pointer(p, v) store_release(&(p), v)
void rcu_synchronize(void);
#endif
