#include "hv/vcpu.h"

#include <errno.h>

#include "arch/x86/trap.h"
#include "core/atomic.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/percpu.h"
#include "core/rcu.h"
#include "hv/backend.h"
#include "hv/emulate/emulate.h"
#include "hv/placement.h"
#include "hv/vcpu_flush.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/host_map.h"
#include "mm/phys.h"

const struct backend_ops *backend;

/* --- what the local APIC wants of its vCPU; any CPU --- */

static void apic_notify(void *ctx)
{
	vcpu_post(ctx, VCPU_IRQ);
}

static void apic_notify_running(void *ctx)
{
	backend->notify_running(ctx);
}

static void apic_nmi(void *ctx)
{
	vcpu_post(ctx, VCPU_NMI);
}

static void apic_init_request(void *ctx)
{
	vcpu_post(ctx, VCPU_INIT);
}

static void apic_sipi(void *ctx, u8 vector)
{
	struct vcpu *v = ctx;

	/* Ordered before the post by its atomic OR; a second SIPI replaces the first, as on a PC.
	 */
	WRITE_ONCE(v->sipi_vector, vector);
	vcpu_post(v, VCPU_SIPI);
}

static bool apic_extint_pending(void *ctx)
{
	const struct vcpu *v = ctx;

	return pic_pending(&v->vm->board.pic);
}

static u8 apic_extint_ack(void *ctx)
{
	const struct vcpu *v = ctx;

	return (u8)pic_ack(&v->vm->board.pic);
}

static void apic_eoi_broadcast(void *ctx, u8 vector)
{
	const struct vcpu *v = ctx;

	ioapic_eoi(&v->vm->board.ioapic, vector);
}

static const struct lapic_ops apic_ops = {
	.notify = apic_notify,
	.notify_running = apic_notify_running,
	.nmi = apic_nmi,
	.init = apic_init_request,
	.sipi = apic_sipi,
	.extint_pending = apic_extint_pending,
	.extint_ack = apic_extint_ack,
	.eoi = apic_eoi_broadcast,
};

/* --- life --- */

static int init_apic(struct vcpu *v)
{
	hpa_t page = frame_alloc_zeroed(0);
	struct lapic_config c = {
		.apic_id = v->index,
		.bsp = v->index == 0,
		.has_x2apic = true,
		.has_tsc_deadline = true,
		.phys_bits = cpu_features.phys_bits,
		.tsc = v->vm->tsc,
		.bus = &v->vm->apic_bus,
		.ops = &apic_ops,
		.ctx = v,
	};

	if (!page.v)
		return -ENOMEM;
	lapic_init(&v->lapic, phys_to_virt(page), &c);
	return 0;
}

void vcpu_destroy(struct vcpu *v)
{
	backend->vcpu_fini(v);
	if (v->lapic.regs) {
		lapic_fini(&v->lapic);
		frame_free(virt_to_phys(v->lapic.regs), 0);
	}
	heap_free(v->emu_cache);
	if (v->thread.stack_top)
		kstack_free(v->thread.stack_top);
	heap_free(v);
}

static void thread_main(void *arg);

/* Takes its state out of this CPU: called by it before another thread runs here. */
static void evict(struct thread *t)
{
	struct vcpu *v = container_of(t, struct vcpu, thread);

	backend->unload(v);
	shootdown_unload(v->vm);
	WRITE_ONCE(this_cpu()->loaded_vcpu, NULL);
}

static void thread_gone(struct thread *t);

_Static_assert(VM_WEIGHT_MAX == SCHED_WEIGHT_MAX && VM_WEIGHT_DEFAULT == SCHED_WEIGHT_DEFAULT,
	       "the manifest's weights are the scheduler's");

static int prepare_thread(struct vcpu *v)
{
	const struct vm_config *config = v->vm->config;
	int err = sched_prepare(&v->thread, config->name, placement_next(&config->processors),
				thread_main, v);

	sched_set_share(&v->thread, config->weight, &config->processors);
	v->thread.evict = evict;
	v->thread.gone = thread_gone;
	return err;
}

int vcpu_create(struct vm *vm, u32 index, struct vcpu **out)
{
	struct vcpu *v = heap_alloc(sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->vm = vm;
	v->index = index;
	v->emu_cache = heap_alloc(sizeof(*v->emu_cache));
	/* Before anybody can post to it: other vCPUs may run, and send interrupts, before it does.
	 */
	err = prepare_thread(v);
	if (!err)
		err = v->emu_cache ? init_apic(v) : -ENOMEM;
	if (!err)
		err = backend->vcpu_init(v);
	if (!err)
		err = vcpu_table_add(&vm->vcpus, index, v);
	if (err) {
		vcpu_destroy(v);
		return err;
	}
	*out = v;
	return 0;
}

/* --- the loop --- */

/*
 * An interrupt that waits already ends the HLT at once; it is looked for here, as nobody posts it
 * again. An NMI goes before it: that one wakes, and has interrupts looked for after it.
 */
void vcpu_halt(struct vcpu *v)
{
	if (unlikely(READ_ONCE(v->thread.pending) & VCPU_NMI) || !backend->deliver_irq_to_halted(v))
		v->activity = VCPU_HALTED;
}

/* Makes this vCPU's state the one in the processor's registers. */
static void ensure_loaded(struct vcpu *v)
{
	struct cpu *c = this_cpu();

	if (likely(c->loaded_vcpu == v))
		return;
	WRITE_ONCE(c->loaded_vcpu, v);
	sched_hold();
	WRITE_ONCE(v->vm->shootdown.cpu[c->id].vcpu, v);
	shootdown_load(v->vm);
	vcpu_flush_catch_up(v);
	backend->load(v);
}

static void power_up(struct vcpu *v, const struct start_state *state)
{
	ensure_loaded(v);
	backend->vcpu_reset(v);
	lapic_set_tsc_offset(&v->lapic, v->tsc_offset);
	if (state)
		backend->vcpu_set_start(v, state);
	v->activity = v->index == 0 ? VCPU_RUNNING : VCPU_WAIT_FOR_SIPI;
}

static bool take(struct vcpu *v, u32 bit)
{
	if (!(READ_ONCE(v->thread.pending) & bit))
		return false;
	/* Full barrier: what is posted after this is seen as a bit set again. */
	atomic_fetch_and(&v->thread.pending, ~bit);
	return true;
}

static void handle_init_sipi(struct vcpu *v)
{
	if (take(v, VCPU_INIT)) {
		/* Gone with the rest: it would strike the code that the start-up IPI begins. */
		(void)take(v, VCPU_NMI);
		lapic_reset(&v->lapic, false);
		backend->vcpu_reset(v);
		v->activity = v->index == 0 ? VCPU_RUNNING : VCPU_WAIT_FOR_SIPI;
	}
	if (take(v, VCPU_SIPI) && v->activity == VCPU_WAIT_FOR_SIPI) {
		backend->vcpu_set_sipi(v, READ_ONCE(v->sipi_vector));
		v->activity = VCPU_RUNNING;
		/* What was posted until now nobody has looked at. */
		vcpu_post(v, VCPU_IRQ);
	}
}

static void handle_interrupts(struct vcpu *v)
{
	if (take(v, VCPU_NMI) && v->activity != VCPU_WAIT_FOR_SIPI) {
		/* What came in a HLT with IF clear was looked at, and left: see to it again. */
		if (v->activity == VCPU_HALTED)
			vcpu_post(v, VCPU_IRQ);
		v->activity = VCPU_RUNNING;
		(void)backend->deliver_nmi(v);
	}
	if (take(v, VCPU_IRQ) && v->activity != VCPU_WAIT_FOR_SIPI) {
		if (v->activity == VCPU_RUNNING)
			backend->deliver_irq(v);
		else if (backend->deliver_irq_to_halted(v))
			v->activity = VCPU_RUNNING;
	}
}

/* All pending work; false when the thread is to end. */
static bool handle_pending(struct vcpu *v)
{
	u32 pending = READ_ONCE(v->thread.pending);

	if (pending & VCPU_STOP)
		return false;
	if (pending & THREAD_RESCHED) {
		sched_preempt();
		ensure_loaded(v);
	}
	if (pending & VCPU_FLUSH)
		vcpu_flush_serve(v);
	if (pending & (VCPU_INIT | VCPU_SIPI))
		handle_init_sipi(v);
	if (pending & (VCPU_IRQ | VCPU_NMI))
		handle_interrupts(v);
	return true;
}

static void loop(struct vcpu *v)
{
	for (;;) {
		rcu_quiescent();
		while (READ_ONCE(v->thread.pending)) {
			if (!handle_pending(v))
				return;
			/* Others can keep something pending for long: that must not keep this CPU's
			 * timers and kicks waiting. */
			trap_irq_window();
		}
		if (v->activity == VCPU_RUNNING) {
			backend->run(v);
			continue;
		}
		/* What came while the processor was to take it in: see to it before sleeping. */
		if (lapic_park(&v->lapic) && v->activity == VCPU_HALTED) {
			vcpu_post(v, VCPU_IRQ);
			continue;
		}
		sched_block(VCPU_WAKE);
		ensure_loaded(v);
	}
}

static void thread_main(void *arg)
{
	struct vcpu *v = arg;
	struct vm *vm = v->vm;

	power_up(v, v->index == 0 ? &vm->start : NULL);
	loop(v);
	/* The state dies with the thread: nothing may unload it later into freed memory. */
	sched_let_go();
}

/* The thread has left its stack: from the last one's end on nothing of the VM is in use. */
static void thread_gone(struct thread *t)
{
	struct vcpu *v = t->arg;

	vm_vcpu_ended(v->vm);
}

void vcpu_start(struct vcpu *v)
{
	sched_start(&v->thread);
}
