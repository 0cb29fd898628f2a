#include "hv/mmu/shootdown.h"
#include "hv/slots_rcu.h"
#include "core/sched.h"
#include "core/panic.h"
#include "hv/backend.h"
#include "hv/vm.h"
#include "mm/host_map.h"
static void each(void (*fn)(void *), void *arg)
{
	for (u32 i = 0; i < cpu_count(); i++) {
		struct thread t;
		if (sched_create(&t, "each", i, fn, arg))
			panic("each");
		while (!sched_is_over(&t))
			sched_yield();
		kstack_free(t.stack_top);
	}
}
static void nothing(void *arg)
{
	(void)arg;
}
static void fl(void *arg)
{
	backend->tdp_flush(arg);
}
void rcu_synchronize(void)
{
	each(nothing, NULL);
}
int shootdown(struct vm *vm)
{
	each(fl, vm);
	return 0;
}
