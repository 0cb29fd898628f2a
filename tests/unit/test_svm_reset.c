/*
 * INIT, whatever SVM is at with the vCPU: what the processor is told of it then is what it is told
 * of a new one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/x86/desc.h"
#include "arch/x86/svm/svm_cpu.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "core/percpu.h"
#include "shim.h"

struct cpu_features cpu_features;

static struct svm_cpu host = { .next_asid = 1, .generation = 1 };
static struct cpu cpu = { .self = &cpu, .backend = &host };
static struct vm vm;
static u32 pages[2][1024] __aligned(PAGE_SIZE);

/* The privileged half: none of it happens here. */
struct cpu *cpu_table[CPU_MAX];
static unsigned ipis;

u32 cpu_count(void)
{
	return 1;
}

void apic_send_ipi(u32 apic_id, u8 vector)
{
	(void)apic_id;
	(void)vector;
	ipis++;
}

void guest_live_reset(struct guest_live *l)
{
	memset(l->dr, 0, sizeof(l->dr));
}

void svm_enter(struct vcpu *v, struct svm_vcpu *x)
{
	(void)v;
	x->vmcb->event = 0;
	x->vmcb->tlb_control = TLB_KEEP;
}

void svm_debug_entry(void)
{
}

void sched_post(struct thread *t, u32 bits)
{
	t->pending |= bits;
}

bool sched_post_quietly(struct thread *t, u32 bits)
{
	t->pending |= bits;
	return true;
}

void sched_yield_spinning(void)
{
}

static void nobody(void *ctx)
{
	(void)ctx;
}

static bool no_extint(void *ctx)
{
	(void)ctx;
	return false;
}

static const struct lapic_ops ops = { .notify = nobody, .extint_pending = no_extint };

/* New, with interrupts and its local APIC switched on. */
static struct vcpu *make(unsigned which)
{
	struct vcpu *v = calloc(1, sizeof(*v));
	struct svm_vcpu *x = calloc(1, sizeof(*x));
	struct lapic_config c = { .bsp = true, .bus = &vm.apic_bus, .ops = &ops, .ctx = v };

	v->vm = &vm;
	v->backend = x;
	x->vmcb = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	memset(x->vmcb, 0, PAGE_SIZE);
	lapic_init(&v->lapic, pages[which], &c);
	svm_backend.vcpu_reset(v);
	v->thread.pending = 0;
	x->vmcb->save.rflags |= RFLAGS_IF;
	lapic_mmio_write(&v->lapic, LAPIC_SVR << 4, 4, 0x1ff);
	return v;
}

static void destroy(struct vcpu *v)
{
	free(svm_of(v)->vmcb);
	free(v->backend);
	lapic_fini(&v->lapic);
	free(v);
}

static void send_irq(struct vcpu *v)
{
	assert_true(lapic_deliver(&v->lapic, 0x51, false));
	svm_backend.deliver_irq(v);
}

/* --- what it is at --- */

static void nothing(struct vcpu *v)
{
	svm_of(v)->vmcb->save.rip = 0x1234;
}

static void shadow_step(struct vcpu *v)
{
	svm_of(v)->vmcb->interrupt_shadow = VMCB_SHADOW;
	svm_keep_shadow(v);
	assert_int_equal(svm_of(v)->stepping, STEP_SHADOWED);
}

static void nmi_window_step(struct vcpu *v)
{
	svm_of(v)->vmcb->interrupt_shadow = VMCB_SHADOW;
	assert_false(svm_backend.deliver_nmi(v));
	assert_int_equal(svm_of(v)->stepping, STEP_SHADOWED);
	assert_true(svm_of(v)->nmi_wanted);
}

static void nmi_handler(struct vcpu *v)
{
	assert_true(svm_backend.deliver_nmi(v));
	svm_backend.run(v);
	assert_true(svm_of(v)->vmcb->misc1 & MISC1_IRET);
}

/* Another NMI waits for the IRET. */
static void iret_step(struct vcpu *v)
{
	nmi_handler(v);
	assert_false(svm_backend.deliver_nmi(v));
	assert_int_equal(svm_exit_iret(v), RUN_RESUME);
	assert_int_equal(svm_of(v)->stepping, STEP_IRET);
}

/* A shadow within an NMI's handler: the step's end leaves IRET's exit on. */
static void step_in_nmi_handler(struct vcpu *v)
{
	nmi_handler(v);
	shadow_step(v);
}

static void irq_amidst_step(struct vcpu *v)
{
	shadow_step(v);
	send_irq(v);
}

static void guarded_irq(struct vcpu *v)
{
	send_irq(v);
	assert_true(ipis);
	svm_backend.run(v);
}

static void nmi_behind_irq(struct vcpu *v)
{
	send_irq(v);
	assert_false(svm_backend.deliver_nmi(v));
	assert_true(svm_of(v)->nmi_wanted);
}

/* Its delivery was interrupted, and is not repeated. */
static void half_an_event(struct vcpu *v)
{
	svm_of(v)->vmcb->exit_int_info = EVENT_VALID | EVENT_NMI << EVENT_TYPE_SHIFT | 2;
	svm_save_vectoring(v);
	svm_of(v)->vmcb->exit_int_info = 0;
}

static void irq_window(struct vcpu *v)
{
	svm_of(v)->vmcb->save.rflags &= ~RFLAGS_IF;
	send_irq(v);
	assert_true(svm_of(v)->vmcb->misc1 & MISC1_VINTR);
}

static void cr8_exits(struct vcpu *v)
{
	lapic_set_tpr(&v->lapic, 0xf5);
	svm_agree_on_tpr(v);
	send_irq(v);
	assert_true(svm_of(v)->vmcb->intercept_cr & CR_WRITE(8));
}

static const struct {
	const char *name;
	void (*begin)(struct vcpu *v);
} states[] = {
	{ "nothing", nothing },
	{ "a step in a shadow", shadow_step },
	{ "a step before an NMI", nmi_window_step },
	{ "an NMI's handler", nmi_handler },
	{ "a step over IRET", iret_step },
	{ "a step in an NMI's handler", step_in_nmi_handler },
	{ "an interrupt amidst a step", irq_amidst_step },
	{ "behind an interrupt", guarded_irq },
	{ "an NMI behind an interrupt", nmi_behind_irq },
	{ "an event half delivered", half_an_event },
	{ "an interrupt window", irq_window },
	{ "exits of CR8", cr8_exits },
};

/* As hv/vcpu.c does it. */
static void take_init(struct vcpu *v)
{
	v->thread.pending = 0;
	lapic_reset(&v->lapic, false);
	svm_backend.vcpu_reset(v);
}

static void expect_as_new(struct vcpu *v, const struct vcpu *fresh, const char *what)
{
	const u8 *is = (const u8 *)svm_of(v)->vmcb, *should = (const u8 *)svm_of(fresh)->vmcb;

	for (size_t i = 0; i < sizeof(struct vmcb); i++) {
		if (is[i] != should[i])
			fail_msg("%s: byte 0x%zx of the VMCB is 0x%x, not 0x%x", what, i, is[i],
				 should[i]);
	}
	assert_memory_equal(&v->regs, &fresh->regs, sizeof(v->regs));
	/* Nothing that was asked of the one before is left to come. */
	assert_int_equal(v->thread.pending, VCPU_IRQ);
	svm_retry_nmi(v);
	assert_int_equal(v->thread.pending, VCPU_IRQ);
	svm_requeue_vectoring(v);
	assert_int_equal(svm_of(v)->vmcb->event, 0);
}

/* What comes first is delivered as to a new one: none of it waits for the end of a step. */
static void expect_deliveries(struct vcpu *v)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	/* A #DB is the guest's own. */
	assert_false(svm_step_done(v));
	assert_int_equal(vmcb->save.dr6, DR6_RESET);
	svm_backend.deliver_irq(v);
	assert_int_equal(vmcb->event, 0);
	assert_true(svm_backend.deliver_nmi(v));
	assert_int_equal(vmcb->event, EVENT_VALID | EVENT_NMI << EVENT_TYPE_SHIFT | VEC_NMI);
}

static void check(unsigned state, u64 flags, u64 dr6, bool debug_exits)
{
	struct vcpu *fresh, *v;

	svm_caps = (struct svm_caps){ .asids = 16, .flush_by_asid = true, .nrip = true };
	svm_caps.debug_exits = debug_exits;
	svm_caps.pause_filter = debug_exits;
	fresh = make(0);
	take_init(fresh);
	v = make(1);
	svm_of(v)->vmcb->save.rflags |= flags;
	svm_of(v)->vmcb->save.dr6 |= dr6;
	ipis = 0;
	states[state].begin(v);
	take_init(v);
	/* Which ASID it has, and how much is flushed of it, is of no concern. */
	assert_int_not_equal(svm_of(v)->vmcb->tlb_control, TLB_KEEP);
	svm_of(v)->vmcb->tlb_control = svm_of(fresh)->vmcb->tlb_control;
	svm_of(v)->vmcb->asid = svm_of(fresh)->vmcb->asid;
	expect_as_new(v, fresh, states[state].name);
	expect_deliveries(v);
	destroy(v);
	destroy(fresh);
}

static void test_reset(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		for (unsigned exits = 0; exits < 2; exits++) {
			check(i, 0, 0, exits);
			/* The guest steps itself, and has not cleared what it was told. */
			check(i, RFLAGS_TF | RFLAGS_RF, DR6_BS | 5, exits);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_reset) };

	shim_use_cpu(&cpu);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
