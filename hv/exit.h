/*
 * What exits have in common on both kinds of processor: the backends decode the exit and call
 * these. All run on the vCPU's own thread with its state loaded; all are bounded.
 */
#ifndef NEAP_HV_EXIT_H
#define NEAP_HV_EXIT_H

#include "hv/vcpu.h"
#include "hv/vm.h"

/* IN or OUT with the value in RAX. size 1, 2 or 4. */
void exit_port_in(struct vcpu *vcpu, u16 port, unsigned size);
void exit_port_out(struct vcpu *vcpu, u16 port, unsigned size);

/* The same for most of them: of one byte, at a port below IO_BUS_LOW. */
static force_inline void exit_low_port_in(struct vcpu *vcpu, u64 port)
{
	const struct io_range *r = io_bus_low_range(&vcpu->vm->pio, port);
	u8 value = 0xff;

	if (likely(io_range_holds(r, port)))
		value = (u8)r->ops->read(r->dev, port - r->base, 1);
	/* The rest of RAX stays. */
	*(u8 *)&vcpu->regs.r[REG_RAX] = value;
}

/* A write of AL to a port below IO_BUS_LOW; of ports that nobody has it is lost. */
static force_inline void exit_low_port_out(struct vcpu *vcpu, u64 port)
{
	const struct io_range *r = io_bus_low_range(&vcpu->vm->pio, port);

	if (likely(io_range_holds(r, port)))
		r->ops->write(r->dev, port - r->base, 1, (u8)vcpu->regs.r[REG_RAX]);
}

/* A hypercall by number in RAX; the result goes to RAX. */
void exit_hypercall(struct vcpu *vcpu);

/* XSETBV: 0, or -EINVAL: inject #GP(0). */
int exit_xsetbv(struct vcpu *vcpu) __must_check;

/* Prints the one-screen report of a dying guest. */
void exit_report(struct vcpu *vcpu, const char *why);

/* Logs how many exits of which kind a VM's vCPUs have taken: the most frequent. Its vCPUs have
 * ended. */
void exit_print_statistics(struct vm *vm);

/* The last exits of the vCPU loaded on the calling CPU, for a panic. */
void exit_print_trace(void);

/* The last exit of the vCPU loaded on any CPU, for a report about that; what is read may be a
 * moment old. An RCU reader. */
void exit_print_last(const struct cpu *cpu);

/* RAX of the answer to an unknown hypercall. */
#define HYPERCALL_UNKNOWN ((u64)-1)

#endif
