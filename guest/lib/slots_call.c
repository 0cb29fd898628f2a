#include <errno.h>
#include "slots_call.h"
#include "x86.h"

#define CALL_BASE 0x4e656100ull

static bool call_is_amd(void)
{
	static uint32_t vendor;

	if (!vendor)
		vendor = cpuid(0, 0).ebx;
	return vendor == 0x68747541 || vendor == 0x6f677948;
}

int slots_make(const struct slots_call *call, uint64_t *ticks)
{
	uint64_t rax = CALL_BASE + call->op, rdi = call->arg[0], rsi = call->arg[1];
	uint64_t rdx = call->arg[2], fourth = call->arg[3], fifth = call->arg[4];
	register uint64_t r8 __asm__("r8") = fourth;
	register uint64_t r9 __asm__("r9") = fifth;

	if (call_is_amd())
		__asm__ volatile("vmmcall"
				 : "+a"(rax), "+d"(rdx)
				 : "D"(rdi), "S"(rsi), "r"(r8), "r"(r9)
				 : "memory");
	else
		__asm__ volatile("vmcall"
				 : "+a"(rax), "+d"(rdx)
				 : "D"(rdi), "S"(rsi), "r"(r8), "r"(r9)
				 : "memory");
	if (ticks)
		*ticks = rdx;
	return (int)rax;
}

int slots_do(const struct slots_call *call, void (*idle)(void), uint64_t *ticks)
{
	static const struct slots_call ask = { .op = SLOTS_RESULT };
	int result = slots_make(call, NULL);

	while (result == 0 || result == -EINPROGRESS) {
		result = slots_make(&ask, ticks);
		if (result != -EINPROGRESS)
			break;
		if (idle)
			idle();
	}
	return result;
}
