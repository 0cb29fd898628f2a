#ifndef GUEST_EXIT_H
#define GUEST_EXIT_H

#define EXIT_PORT      0xf4 /* Neap's and QEMU's isa-debug-exit */
#define EXIT_NO_LOADER 95   /* status: not started by a multiboot 1 loader */

/*
 * Ends the VM with STATUS (0 to 127), without flushing stdio: programs call exit().
 * QEMU's own exit status is then (STATUS << 1) | 1. Halts for good where the port is missing.
 */
void exit_machine(int status) __attribute__((noreturn));

#endif
