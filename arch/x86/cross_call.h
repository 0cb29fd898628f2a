/* A function that every processor runs: for what each keeps for itself, its TLBs above all. */
#ifndef NEAP_ARCH_X86_CROSS_CALL_H
#define NEAP_ARCH_X86_CROSS_CALL_H

/* Takes the vector. Boot CPU, once, when interrupts can be had. */
void cross_call_init(void);

/*
 * Runs fn(arg) on every CPU, the caller's too, and returns when all have. On the others it runs as
 * an interrupt, which ends a stay in the guest: it must be short, and take no lock under which
 * someone waits. Worker context, no locks held; lets other threads run while it waits.
 */
void cross_call(void (*fn)(void *arg), void *arg);

#endif
