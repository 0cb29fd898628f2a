#include "arch/x86/cross_call.h"

#include "arch/x86/apic.h"
#include "arch/x86/trap.h"
#include "core/atomic.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/patience.h"
#include "core/percpu.h"
#include "core/sched.h"
#include "core/time.h"

#define PATIENCE_NS (10 * NSEC_PER_SEC)
#define SOON_NS	    200000ull /* to answer takes microseconds: a turn of others is longer */

/* Guards the call under way. Held across sched_yield(): whoever wants it yields, too. */
static struct spinlock lock = SPINLOCK_INIT;
static void (*call_fn)(void *arg);
static void *call_arg;
static u32 left; /* atomic: CPUs that have not run it yet */

static void call_irq(void *unused)
{
	(void)unused;
	call_fn(call_arg);
	/* Release, by the atomic: pairs with the acquire of the caller, who then reads nothing of
	 * ours, but frees what we have forgotten. */
	atomic_fetch_add(&left, (u32)-1);
}

void cross_call_init(void)
{
	if (trap_set_irq_handler(VEC_CALL, call_irq, NULL))
		panic("boot: the vector of cross-calls is taken");
}

static void send_to_others(void)
{
	for (u32 i = 0; i < cpu_count(); i++) {
		if (cpu_table[i] != this_cpu())
			apic_send_ipi(cpu_table[i]->apic_id, VEC_CALL);
	}
}

/* Nobody else waits for it, so it may as well last: but it is to be known. */
static void wait_for_others(void)
{
	u64 soon = time_now() + time_ns_to_ticks(SOON_NS);
	struct patience patience;
	bool told = false;

	patience_begin(&patience, PATIENCE_NS);
	while (load_acquire(&left)) {
		if (time_now() < soon) {
			trap_irq_window();
			cpu_relax();
			continue;
		}
		if (!told && patience_is_over(&patience)) {
			log_warn("cross-call: %u processors have not answered yet",
				 load_acquire(&left));
			told = true;
		}
		sched_yield();
	}
}

void cross_call(void (*fn)(void *arg), void *arg)
{
	while (!spin_trylock(&lock))
		sched_yield();
	call_fn = fn;
	call_arg = arg;
	/* Release: who takes the interrupt sees what to call. */
	store_release(&left, cpu_count() - 1);
	send_to_others();
	fn(arg);
	wait_for_others();
	spin_unlock(&lock);
}
