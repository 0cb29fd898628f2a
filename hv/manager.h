/*
 * The manager: a worker thread that reads the manifest, builds and starts the VMs, takes them down
 * when they have ended, starts a VM again that reset itself, and switches the machine off after the
 * last.
 */
#ifndef NEAP_HV_MANAGER_H
#define NEAP_HV_MANAGER_H

struct vm;

/* Starts the thread. Boot CPU, once, when everything else works. Panics without memory. */
void manager_start(void);

/* The last vCPU thread of a VM is about to end. That thread's context. */
void manager_vm_ended(struct vm *vm);

#endif
