#include "arch/x86/trap.h"

#include <errno.h>

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "arch/x86/panic_report.h"
#include "core/percpu.h"
#include "core/rcu.h"

static struct {
	irq_handler_t fn;
	void *arg;
} handlers[256];

void trap_handle(struct trap_frame *f);

int trap_set_irq_handler(u8 vector, irq_handler_t fn, void *arg)
{
	if (vector < 0x20)
		return -EINVAL;
	if (handlers[vector].fn)
		return -EBUSY;
	handlers[vector].fn = fn;
	handlers[vector].arg = arg;
	return 0;
}

void trap_dispatch_irq(u8 vector)
{
	this_cpu()->irq_count++;
	if (vector == VEC_SPURIOUS)
		return; /* SDM vol. 3 11.9: no EOI for the spurious vector */
	apic_eoi();
	if (handlers[vector].fn)
		handlers[vector].fn(handlers[vector].arg);
	else
		this_cpu()->irq_unexpected++;
}

void trap_handle_nmi(void)
{
	this_cpu()->nmi_count++;
	if (panic_in_progress())
		cpu_halt_forever();
}

void trap_irq_window(void)
{
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

void trap_handle(struct trap_frame *f)
{
	if (f->vector == VEC_NMI) {
		trap_handle_nmi();
	} else if (f->vector >= 0x20) {
		rcu_idle_exit();
		trap_dispatch_irq((u8)f->vector);
	} else {
		panic_exception(f);
	}
}
