/* A machine of local APICs that only count what they are told, for the tests of the APICs. */
#ifndef NEAP_TESTS_APIC_FAKE_H
#define NEAP_TESTS_APIC_FAKE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/apic_bus.h"
#include "hv/dev/lapic.h"
#include "shim.h"

struct fake_cpu {
	u32 page[1024] __aligned(4096);
	struct lapic l;
	unsigned notified, nmis, inits, sipis, eois;
	u8 sipi_vector, eoi_vector, extint_vector;
	unsigned extints; /* the PIC has so many */
};

struct fake_vm {
	struct apic_bus bus;
	struct fake_cpu **cpu;
	unsigned n;
	unsigned lookups, steps; /* of the bus, in cpu */
};

static inline void fake_notify(void *ctx)
{
	atomic_fetch_add(&((struct fake_cpu *)ctx)->notified, 1);
}

static inline void fake_nmi(void *ctx)
{
	((struct fake_cpu *)ctx)->nmis++;
}

static inline void fake_init(void *ctx)
{
	((struct fake_cpu *)ctx)->inits++;
}

static inline void fake_sipi(void *ctx, u8 vector)
{
	struct fake_cpu *cpu = ctx;

	cpu->sipis++;
	cpu->sipi_vector = vector;
}

static inline bool fake_extint_pending(void *ctx)
{
	return ((struct fake_cpu *)ctx)->extints > 0;
}

static inline u8 fake_extint_ack(void *ctx)
{
	struct fake_cpu *cpu = ctx;

	cpu->extints--;
	return cpu->extint_vector;
}

static inline void fake_eoi(void *ctx, u8 vector)
{
	struct fake_cpu *cpu = ctx;

	cpu->eois++;
	cpu->eoi_vector = vector;
}

static const struct lapic_ops fake_lapic_ops = {
	.notify = fake_notify,
	.nmi = fake_nmi,
	.init = fake_init,
	.sipi = fake_sipi,
	.extint_pending = fake_extint_pending,
	.extint_ack = fake_extint_ack,
	.eoi = fake_eoi,
};

static inline struct lapic *fake_by_id(void *ctx, u32 id)
{
	struct fake_vm *vm = ctx;

	atomic_fetch_add(&vm->lookups, 1);
	return id < vm->n ? &vm->cpu[id]->l : NULL;
}

static inline struct lapic *fake_next(void *ctx, u32 *cursor)
{
	struct fake_vm *vm = ctx;

	atomic_fetch_add(&vm->steps, 1);
	return *cursor < vm->n ? &vm->cpu[(*cursor)++]->l : NULL;
}

static const struct apic_bus_ops fake_bus_ops = { .lapic_by_id = fake_by_id, .next = fake_next };

/* n local APICs with ids 0 to n-1, in power-up state. */
static inline struct fake_vm *fake_vm_new(unsigned n)
{
	struct fake_vm *vm = calloc(1, sizeof(*vm));

	vm->cpu = calloc(n, sizeof(*vm->cpu));
	apic_bus_init(&vm->bus, &fake_bus_ops, vm);
	for (unsigned i = 0; i < n; i++) {
		struct fake_cpu *cpu = aligned_alloc(4096, ALIGN_UP(sizeof(*cpu), 4096));
		struct lapic_config config = {
			.apic_id = i,
			.bsp = i == 0,
			.has_x2apic = true,
			.has_tsc_deadline = true,
			.phys_bits = 40,
			.bus = &vm->bus,
			.ops = &fake_lapic_ops,
			.ctx = cpu,
		};

		memset(cpu, 0, sizeof(*cpu));
		lapic_init(&cpu->l, cpu->page, &config);
		vm->cpu[vm->n++] = cpu;
	}
	return vm;
}

static inline void fake_vm_free(struct fake_vm *vm)
{
	for (unsigned i = 0; i < vm->n; i++) {
		lapic_fini(&vm->cpu[i]->l);
		free(vm->cpu[i]);
	}
	assert_int_equal(vm->bus.xapic_count, 0);
	free(vm->cpu);
	free(vm);
}

#define FAKE_BASE_XAPIC	 (LAPIC_BASE_DEFAULT | LAPIC_BASE_ENABLE)
#define FAKE_BASE_X2APIC (FAKE_BASE_XAPIC | LAPIC_BASE_EXTD)

/* Guest accesses in xAPIC mode, by register. */
static inline u32 mmio_get(struct lapic *l, unsigned reg)
{
	return (u32)lapic_mmio_read(l, reg * 16, 4);
}

static inline void mmio_set(struct lapic *l, unsigned reg, u32 value)
{
	lapic_mmio_write(l, reg * 16, 4, value);
}

/* In x2APIC mode; must not fault. */
static inline u64 msr_get(struct lapic *l, unsigned reg)
{
	u64 value = 0;

	assert_int_equal(lapic_msr_read(l, LAPIC_X2APIC_MSR + reg, &value), 0);
	return value;
}

static inline void msr_set(struct lapic *l, unsigned reg, u64 value)
{
	assert_int_equal(lapic_msr_write(l, LAPIC_X2APIC_MSR + reg, value), 0);
}

/* Software-enables an APIC, in either mode. */
static inline void fake_enable(struct lapic *l)
{
	if (lapic_mode(l) == LAPIC_MODE_X2APIC)
		msr_set(l, LAPIC_SVR, 0x1ff);
	else
		mmio_set(l, LAPIC_SVR, 0x1ff);
}

static inline void fake_x2apic(struct lapic *l)
{
	assert_int_equal(lapic_set_base(l, FAKE_BASE_X2APIC), 0);
}

/* Takes one interrupt the way a processor does; -1 when there is none. */
static inline int fake_take(struct lapic *l)
{
	int vector = lapic_pending_vector(l);

	return vector < 0 ? -1 : lapic_accept(l, vector);
}

/* As fake_take(), and ends it. */
static inline int fake_serve(struct lapic *l)
{
	int vector = fake_take(l);

	if (vector >= 0)
		lapic_eoi(l);
	return vector;
}

#endif
