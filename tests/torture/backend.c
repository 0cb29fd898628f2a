/*
 * The torture runs no guest, and so on any processor. Its backend takes the guest's place: where
 * others enter the guest, a step of a program is done here that sends interrupts to the VM's other
 * vCPUs, halts, prints, and at some time resets the machine or switches it off.
 */
#include <errno.h>

#include "arch/x86/svm/npt.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc.h"
#include "boot/backend_select.h"
#include "hv/backend.h"
#include "hv/dev/lapic_regs.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "tables.h"
#include "torture.h"

#define TSC_FAULT      1234567ull /* ticks */
#define STEPS_MEAN     64	  /* until the machine ends */
#define STEPS_PRINTING 16	  /* a serial line is slow */
#define IPI_VECTOR     0x40
#define ICR_INIT       0x000c4500u /* to all but the sender */
#define ICR_STARTUP    0x000c4608u
#define ICR_FIXED      (0x000c4000u | IPI_VECTOR)
#define ICR_NMI	       0x000c4400u

struct program {
	u64 random;
	u64 steps;
};

static int nothing(void)
{
	return 0;
}

/*
 * Each processor's last step before its TSC is compared. The fault: another start of counting, by
 * an odd distance and in another direction for every second processor.
 */
static int cpu_init(void)
{
	u64 by = (u64)this_cpu()->id * TSC_FAULT;

	if (by && torture_fault("tsc"))
		wrmsr(MSR_TSC, tsc_read() + (this_cpu()->id % 2 ? by : -by));
	return 0;
}

static void print(void)
{
}

static void of_vcpu(struct vcpu *v)
{
	(void)v;
}

static int vm_init(struct vm *vm)
{
	vm->apic_access_page = frame_alloc_zeroed(0);
	return vm->apic_access_page.v ? 0 : -ENOMEM;
}

static void vm_fini(struct vm *vm)
{
	if (vm->apic_access_page.v)
		frame_free(vm->apic_access_page, 0);
}

static int vcpu_init(struct vcpu *v)
{
	struct program *p = heap_alloc(sizeof(*p));

	v->backend = p;
	if (!p)
		return -ENOMEM;
	p->random = ((u64)v ^ v->vm->tsc_offset) | 1;
	return 0;
}

static void vcpu_fini(struct vcpu *v)
{
	heap_free(v->backend);
	v->backend = NULL;
}

static void reset(struct vcpu *v)
{
	lapic_mmio_write(&v->lapic, LAPIC_SVR * 16, 4, LAPIC_SVR_ENABLE | 0xff);
}

static void set_start(struct vcpu *v, const struct start_state *state)
{
	(void)v;
	(void)state;
}

static void set_sipi(struct vcpu *v, u8 vector)
{
	(void)vector;
	reset(v);
}

static u32 choose(struct program *p, u32 n)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (u32)((p->random >> 32) * n >> 32);
}

static void send(struct vcpu *v, u32 icr)
{
	lapic_mmio_write(&v->lapic, LAPIC_ICR * 16, 4, icr);
}

static void end_machine(struct vcpu *v, struct program *p)
{
	static const u16 port[] = { 0xcf9, 0x64, 0xf4 };
	static const u8 value[] = { 0x06, 0xfe, 0 };
	u32 way = choose(p, ARRAY_SIZE(port));

	io_bus_write(&v->vm->pio, port[way], 1, value[way]);
}

static void step(struct vcpu *v, struct program *p)
{
	static const u32 icr[] = { ICR_FIXED, ICR_FIXED, ICR_NMI, ICR_STARTUP, ICR_INIT };
	u32 what = choose(p, STEPS_MEAN);

	if (p->steps++ == 0 && v->index == 0) {
		send(v, ICR_INIT);
		send(v, ICR_STARTUP);
	} else if (what == 0) {
		end_machine(v, p);
	} else if (what < 16) {
		send(v, icr[choose(p, ARRAY_SIZE(icr))]);
	} else if (what < 20 && v->index) {
		vcpu_halt(v);
	} else if (what < 24 && p->steps < STEPS_PRINTING) {
		io_bus_write(&v->vm->pio, UART_COM1_PORT, 1, '\n');
	}
}

/* Until something is pending, as in a guest; interrupts are let in as an exit does. */
static void run(struct vcpu *v)
{
	do {
		step(v, v->backend);
		trap_irq_window();
	} while (v->activity == VCPU_RUNNING && !READ_ONCE(v->thread.pending));
}

static void deliver_irq(struct vcpu *v)
{
	int vector = lapic_pending_vector(&v->lapic);

	if (vector >= 0) {
		(void)lapic_accept(&v->lapic, vector);
		lapic_eoi(&v->lapic);
		vcpu_post(v, VCPU_IRQ);
	}
}

static bool deliver_nmi(struct vcpu *v)
{
	(void)v;
	return true;
}

static bool deliver_irq_to_halted(struct vcpu *v)
{
	if (lapic_pending_vector(&v->lapic) < 0)
		return false;
	deliver_irq(v);
	return true;
}

/* The VMs' TSCs are the processor's. */
static struct tsc_scaling tsc_scaling(void)
{
	return (struct tsc_scaling){ 0, 0 };
}

static enum dirty_method torture_dirty_method(void)
{
	return DIRTY_BITS;
}

static const struct backend_ops torture_backend = {
	.name = "torture",
	.probe = nothing,
	.cpu_init = cpu_init,
	.print = print,
	.tdp_format = npt_format,
	.tdp_ram_flags = npt_ram_flags,
	.tdp_rom_flags = npt_rom_flags,
	.dirty_method = torture_dirty_method,
	.tdp_flush = tables_flush,
	.vm_init = vm_init,
	.vm_fini = vm_fini,
	.vcpu_init = vcpu_init,
	.vcpu_fini = vcpu_fini,
	.vcpu_reset = reset,
	.vcpu_set_start = set_start,
	.vcpu_set_sipi = set_sipi,
	.load = of_vcpu,
	.unload = of_vcpu,
	.run = run,
	.deliver_irq = deliver_irq,
	.deliver_nmi = deliver_nmi,
	.deliver_irq_to_halted = deliver_irq_to_halted,
	.tsc_scaling = tsc_scaling,
	.update_tsc = of_vcpu,
	.update_apic_mode = of_vcpu,
};

int backend_select(void)
{
	backend = &torture_backend;
	return backend->probe();
}
