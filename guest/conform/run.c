/* Running a piece of assembly, and the pages it may play with. */
#include <string.h>
#include "conform.h"

void code_call(const char *start, struct regs *regs);

extern volatile uint64_t page_low[];

const struct code *code_running;
char pages[PAGES][4096] __attribute__((aligned(4096)));

void code_run(struct code code, struct regs *regs)
{
	static struct code running;

	running = code;
	code_running = &running;
	event_forget();
	code_call(code.start, regs);
}

void code_run_plain(struct code code)
{
	struct regs regs;

	memset(&regs, 0, sizeof(regs));
	code_run(code, &regs);
}

void page_set(unsigned int index, uint64_t flags)
{
	uintptr_t address = (uintptr_t)pages[index];

	page_low[address >> 12] = address | flags;
	page_invalidate(address);
}
