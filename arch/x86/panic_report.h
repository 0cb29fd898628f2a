/* What a panic prints; see core/panic.h for the way in. */
#ifndef NEAP_ARCH_X86_PANIC_REPORT_H
#define NEAP_ARCH_X86_PANIC_REPORT_H

#include "arch/x86/trap.h"

/* An exception in the hypervisor itself. */
void panic_exception(const struct trap_frame *f) __noreturn __cold;

/* True once some CPU has begun to panic; the others stop at their next NMI. */
bool panic_in_progress(void);

/* Called once by the panicking CPU to print the last VM-exits; NULL until hv sets it. At boot. */
void panic_set_exit_reporter(void (*fn)(void));

#endif
