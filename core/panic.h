/* A broken invariant of our own stops the machine; nothing a guest or an input does may get here.
 */
#ifndef NEAP_CORE_PANIC_H
#define NEAP_CORE_PANIC_H

#include "core/types.h"

/* Prints the message, registers, backtrace and the last VM-exits, stops all CPUs. Any context. */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn __cold;

#define ASSERT(cond)                                                                     \
	do {                                                                             \
		if (unlikely(!(cond)))                                                   \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond); \
	} while (0)

#endif
