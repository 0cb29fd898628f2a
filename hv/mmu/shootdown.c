#include "hv/mmu/shootdown.h"

#include <errno.h>

#include "arch/x86/apic.h"
#include "arch/x86/trap.h"
#include "core/atomic.h"
#include "core/log.h"
#include "core/rcu.h"
#include "core/sched.h"
#include "core/time.h"
#include "hv/backend.h"
#include "hv/vm.h"
#include "mm/heap.h"

static struct shootdown_stats stats; /* atomic, each */

int shootdown_init(struct shootdown *s)
{
	s->cpu = heap_alloc(cpu_count() * sizeof(*s->cpu));
	s->wanted = 1;
	return s->cpu ? 0 : -ENOMEM;
}

void shootdown_fini(struct shootdown *s)
{
	heap_free(s->cpu);
	s->cpu = NULL;
}

/* --- the CPU that has it loaded --- */

/* False: nothing is new. */
static bool flush_here(struct shootdown *s)
{
	struct shootdown_cpu *mine = &s->cpu[this_cpu()->id];
	/* Acquire: what the processor reads after the flush is what was there at the request. */
	u64 wanted = load_acquire(&s->wanted);

	if (mine->seen == wanted)
		return false;
	backend->tdp_flush(container_of(s, struct vm, shootdown));
	/* Release: flushed, then said so. Pairs with the acquire in uses_old(). */
	store_release(&mine->seen, wanted);
	return true;
}

void shootdown_load(struct vm *vm)
{
	struct shootdown *s = &vm->shootdown;
	struct cpu *c = this_cpu();

	c->shootdown = s;
	/* Full barrier: either shootdown() finds this CPU loaded, or the count it has raised is
	 * read below. */
	atomic_xchg(&s->cpu[c->id].loaded, 1u);
	if (unlikely(flush_here(s)))
		atomic_fetch_add(&stats.flushes_loading, 1);
}

void shootdown_unload(struct vm *vm)
{
	struct cpu *c = this_cpu();

	c->shootdown = NULL;
	/* Release: it has run for the last time. Pairs with the acquire in uses_old(). */
	store_release(&vm->shootdown.cpu[c->id].loaded, 0u);
}

void shootdown_take_kick(void)
{
	struct shootdown *s = this_cpu()->shootdown;

	if (s && flush_here(s))
		atomic_fetch_add(&stats.flushes_kicked, 1);
}

/* --- who asks for it --- */

static bool uses_old(const struct shootdown *s, u32 cpu, u64 wanted)
{
	return load_acquire(&s->cpu[cpu].loaded) && load_acquire(&s->cpu[cpu].seen) < wanted;
}

static void note_wait(u64 ticks)
{
	u64 old = READ_ONCE(stats.longest_wait);

	while (old < ticks && !atomic_cmpxchg(&stats.longest_wait, &old, ticks))
		;
}

static int wait_for(const struct shootdown *s, u32 cpu, u64 wanted)
{
	struct patience patience;

	patience_begin(&patience, SHOOTDOWN_BOUND_NS);
	while (uses_old(s, cpu, wanted)) {
		/* This one may be the CPU, or another's request may wait for it. */
		shootdown_take_kick();
		if (patience_is_over(&patience)) {
			atomic_fetch_add(&stats.timeouts, 1);
			log_error("mmu: CPU %u does not flush its translations", cpu);
			return -ETIMEDOUT;
		}
		sched_yield();
		cpu_relax();
	}
	return 0;
}

int shootdown(struct vm *vm)
{
	struct shootdown *s = &vm->shootdown;
	u64 start = time_now();
	/* Full barrier: removed first, then asked for. Pairs with the one in shootdown_load(). */
	u64 wanted = atomic_fetch_add(&s->wanted, 1) + 1;
	int err = 0;

	atomic_fetch_add(&stats.requests, 1);
	shootdown_take_kick();
	for (u32 i = 0; i < cpu_count(); i++) {
		if (!uses_old(s, i, wanted))
			continue;
		atomic_fetch_add(&stats.kicks, 1);
		apic_send_ipi(cpu_table[i]->apic_id, VEC_KICK);
	}
	for (u32 i = 0; !err && i < cpu_count(); i++)
		err = wait_for(s, i, wanted);
	note_wait(time_now() - start);
	return err;
}

int shootdown_free(struct vm *vm, const struct ptab_table *tables, unsigned count)
{
	/* The processors have forgotten them: every one that ran the VM has exited and flushed. */
	int err = shootdown(vm);

	if (err)
		return err;
	/* Software that was on its way through them is past. */
	rcu_synchronize();
	for (unsigned i = 0; i < count; i++)
		atomic_fetch_add(&stats.freed, ptab_free(vm->tdp.fmt, tables[i]));
	return 0;
}

int shootdown_and_free(struct vm *vm, gpa_t gpa, unsigned level)
{
	struct ptab_table table;

	/* No walk that begins now finds it. */
	if (level == SHOOTDOWN_ROOT)
		table = ptab_unlink_root(&vm->tdp);
	else
		table = ptab_unlink(&vm->tdp, gpa.v, level);
	return table.pa.v ? shootdown_free(vm, &table, 1) : -ENOENT;
}

void shootdown_get_stats(struct shootdown_stats *out)
{
	const struct shootdown_stats *s = &stats;

	*out = (struct shootdown_stats){ .requests = READ_ONCE(s->requests),
					 .kicks = READ_ONCE(s->kicks),
					 .flushes_kicked = READ_ONCE(s->flushes_kicked),
					 .flushes_loading = READ_ONCE(s->flushes_loading),
					 .timeouts = READ_ONCE(s->timeouts),
					 .longest_wait = READ_ONCE(s->longest_wait),
					 .freed = READ_ONCE(s->freed) };
}

void shootdown_log_stats(void)
{
	struct shootdown_stats s;

	shootdown_get_stats(&s);
	log_info("mmu: %lu shootdowns, %lu kicks, %lu flushes by kicks, %lu at loads, longest %lu "
		 "us, "
		 "%lu timed out; %lu table pages freed",
		 s.requests, s.kicks, s.flushes_kicked, s.flushes_loading,
		 time_ticks_to_ns(s.longest_wait) / 1000, s.timeouts, s.freed);
}
