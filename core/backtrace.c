#include "core/backtrace.h"

#include "core/log.h"
#include "core/symbols.h"

_Static_assert(BACKTRACE_MAX >= 2 && BACKTRACE_MAX <= 64, "a screen's worth");

/* What `push %rbp; mov %rsp, %rbp` leaves on the stack. */
struct frame {
	u64 rbp;
	u64 ret;
};

static bool frame_is_valid(u64 rbp, u64 low, u64 high)
{
	return IS_ALIGNED(rbp, sizeof(u64)) && rbp >= low && high - low >= sizeof(struct frame) &&
	       rbp <= high - sizeof(struct frame);
}

/*
 * A return address follows its call, which for a call that never returns can be the last
 * instruction of a function: so callers are looked up one byte back.
 */
static void log_frame(unsigned n, u64 addr, bool is_return)
{
	u64 offset;
	const char *name = symbol_find(addr - is_return, &offset);

	if (name)
		log_error("  #%u 0x%lx %s+0x%lx", n, addr, name, offset + is_return);
	else
		log_error("  #%u 0x%lx", n, addr);
}

void backtrace_log(u64 rip, u64 rbp, u64 stack_low, u64 stack_high)
{
	log_frame(0, rip, false);
	for (unsigned n = 1; n < BACKTRACE_MAX; n++) {
		const struct frame *f = (const struct frame *)rbp;

		if (stack_high < stack_low || !frame_is_valid(rbp, stack_low, stack_high) ||
		    !f->ret)
			return;
		log_frame(n, f->ret, true);
		/* Callers' frames lie higher; anything else would be a loop or damage. */
		if (f->rbp <= rbp)
			return;
		rbp = f->rbp;
	}
}
