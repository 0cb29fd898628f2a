/* Exceptions and interrupts in the hypervisor itself. */
#ifndef NEAP_ARCH_X86_TRAP_H
#define NEAP_ARCH_X86_TRAP_H

#include "core/types.h"

/* Registers as trap_entry.S pushes them. */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, unused, rbx, rdx, rcx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* Interrupt vectors of our own; 0x30 up to here are device interrupts. */
#define VEC_DEVICE_FIRST 0x30
#define VEC_DEVICE_LAST	 0xdf
#define VEC_TIMER	 0xf0
#define VEC_KICK	 0xf1
#define VEC_ERROR	 0xf2
#define VEC_POSTED	 0xf3 /* posted interrupts wait for the vCPU that runs here */
#define VEC_CALL	 0xf4
#define VEC_HEARTBEAT	 0xf5
#define VEC_SPURIOUS	 0xff

/* Called for the vector with interrupts off; the dispatcher has already sent the EOI. */
typedef void (*irq_handler_t)(void *arg);

/* Registers the handler of a vector; boot CPU, at boot. -EBUSY, -EINVAL. */
int trap_set_irq_handler(u8 vector, irq_handler_t fn, void *arg) __must_check;

/*
 * Handles one interrupt: EOI, then its handler. From the IDT while a CPU is in a window, and from
 * VM-exits that acknowledge the interrupt.
 */
void trap_dispatch_irq(u8 vector);

/* Lets pending interrupts in: the only places, besides guests and idle, where they are taken. */
void trap_irq_window(void);

/* An NMI reached this CPU, in the hypervisor or as a VM-exit: nothing to do but to have left the
 * guest. */
void trap_handle_nmi(void);

#endif
