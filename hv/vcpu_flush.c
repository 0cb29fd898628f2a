#include "hv/vcpu_flush.h"

#include "core/atomic.h"
#include "core/patience.h"
#include "hv/backend.h"
#include "hv/vm.h"

#define SPINS_PER_LOOK 4096u /* at the clock */

void vcpu_flush_begin(struct vcpu_flush *f, struct vcpu *self)
{
	f->self = self;
	f->count = 0;
	f->include_self = false;
	/* Full barrier: what the guest wrote into its tables before is seen by who takes a ticket
	 * as high. */
	f->ticket = atomic_fetch_add(&self->vm->flush_ticket, 1ull) + 1;
}

void vcpu_flush_serve(struct vcpu *v)
{
	u64 ticket;

	if (!(READ_ONCE(v->thread.pending) & VCPU_FLUSH))
		return;
	/* Full barrier: a ticket whose owner posts after this is seen as a bit set again. */
	atomic_fetch_and(&v->thread.pending, ~(u32)VCPU_FLUSH);
	ticket = load_acquire(&v->vm->flush_ticket);
	backend->flush_guest(v);
	/* Release: pairs with the acquire in is_over(). */
	store_release(&v->flush_done, ticket);
}

/* It has served the request, or is not running: then it will before it does. */
static bool is_over(const struct vcpu *v, u64 ticket)
{
	return load_acquire(&v->flush_done) >= ticket || !sched_is_running(&v->thread);
}

/* The clock is not read before it is needed: most answer at once. */
static bool is_too_late(struct patience *p)
{
	if (!p->left)
		patience_begin(p, VCPU_FLUSH_WAIT_NS);
	return patience_is_over(p);
}

static void wait_for(const struct vcpu_flush *f, const struct vcpu *target)
{
	struct patience patience = { 0 };

	for (u32 spins = 1; !is_over(target, f->ticket); spins++) {
		vcpu_flush_serve(f->self);
		cpu_relax();
		if (spins % SPINS_PER_LOOK == 0 && is_too_late(&patience)) {
			vm_kill(f->self, "vCPU %u does not answer a TLB flush", target->index);
			return;
		}
	}
}

static void wait_for_all(struct vcpu_flush *f)
{
	for (unsigned i = 0; i < f->count; i++)
		wait_for(f, f->waiting[i]);
	f->count = 0;
}

void vcpu_flush_ask(struct vcpu_flush *f, struct vcpu *target)
{
	if (target == f->self) {
		f->include_self = true;
		return;
	}
	if (!sched_post_quietly(&target->thread, VCPU_FLUSH))
		return;
	if (f->count == VCPU_FLUSH_BATCH)
		wait_for_all(f);
	f->waiting[f->count++] = target;
}

void vcpu_flush_add_all(struct vcpu_flush *f)
{
	struct vm *vm = f->self->vm;
	u64 old = READ_ONCE(vm->flush_all);

	while (old < f->ticket && !atomic_cmpxchg(&vm->flush_all, &old, f->ticket))
		;
	/*
	 * Either a vCPU that is being loaded is found here, or it reads the ticket behind that:
	 * pairs with the full barrier in shootdown_load(). One that is found and has gone
	 * meanwhile flushes once too often.
	 */
	smp_mb();
	for (u32 i = 0; i < cpu_count(); i++) {
		const struct shootdown_cpu *c = &vm->shootdown.cpu[i];

		if (load_acquire(&c->loaded))
			vcpu_flush_add(f, READ_ONCE(c->vcpu));
	}
}

void vcpu_flush_catch_up(struct vcpu *v)
{
	if (unlikely(READ_ONCE(v->flush_done) < READ_ONCE(v->vm->flush_all)))
		atomic_fetch_or(&v->thread.pending, VCPU_FLUSH);
}

void vcpu_flush_finish(struct vcpu_flush *f)
{
	if (f->include_self)
		backend->flush_guest(f->self);
	wait_for_all(f);
}
