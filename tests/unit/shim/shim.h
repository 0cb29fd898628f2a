/* What the host gives to the hypervisor's own files under test. */
#ifndef NEAP_TESTS_SHIM_H
#define NEAP_TESTS_SHIM_H

#include <setjmp.h>

#include "core/types.h"
#include "core/timer.h"

/* The fake clock: time_now() returns it; time_hz() is SHIM_HZ. */
#define SHIM_HZ 1000000000ull
void shim_set_time(u64 ticks);

/* Advances the clock to `ticks`, running each armed timer at its deadline, in order. */
void shim_run_until(u64 ticks);

/* The heap: objects not yet freed, and a failure to inject: the n-th next allocation returns NULL
 * (0: none). */
size_t shim_heap_live(void);
void shim_heap_fail_after(unsigned n);

/* Lines logged so far at a level or worse (enum log_level), and the last of them. */
unsigned shim_log_count(void);
const char *shim_log_last(void);
/* True when any line logged since shim_log_reset() contains the text. */
bool shim_log_contains(const char *text);
void shim_log_reset(void);

/*
 * True when the statement panics; the program goes on behind it. What a lock guards stays locked:
 * locks that the panic leaves behind are the test's to reset.
 */
#define SHIM_PANICS(statement)                  \
	({                                      \
		jmp_buf jump_;                  \
		bool volatile panicked_ = true; \
		shim_panic_jump = &jump_;       \
		if (setjmp(jump_) == 0) {       \
			statement;              \
			panicked_ = false;      \
		}                               \
		shim_panic_jump = NULL;         \
		panicked_;                      \
	})
extern jmp_buf *shim_panic_jump;
const char *shim_panic_text(void);

/* Physical memory of that many bytes, all zeros and made up as it is touched; see shim/mm/phys.h.
 */
void shim_phys_init(u64 size);
void shim_phys_fini(void);

/* this_cpu() of the calling thread. */
struct cpu;
void shim_use_cpu(struct cpu *cpu);

#endif
