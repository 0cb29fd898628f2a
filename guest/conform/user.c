/* CPL 3: exits from there, and exceptions. */
#include <string.h>
#include "conform.h"

#define USER_CS	   0x53u /* as in user_code.S */
#define USER_STACK 0x800 /* in the page of the data */
#define USER_PIECE 32	 /* bytes copied of each */

#define PTE_U	  4ull
#define PTE_TABLE 0xffffffffff000ull

#define USER_LIST(X) \
	X(cpuid)     \
	X(load)      \
	X(rdmsr)     \
	X(in)        \
	X(hlt)       \
	X(cr0)       \
	X(wbinvd)
#define USER_DECLARE(name) extern const char user_##name[], user_##name##_end[];
USER_LIST(USER_DECLARE)
CODE_DECLARE(user_enter)
extern uint64_t user_stack;
extern volatile uint64_t page_pml4[];

/* A step traps once, and goes on; everything else returns to the kernel. */
static void user_leave(struct trap_frame *frame)
{
	if (frame->vector == VEC_DB && event_count == 1) {
		frame->rflags &= ~FLAG_TF;
		return;
	}
	frame->cs = 0x08;
	frame->ss = 0x10;
	frame->rsp = user_stack;
	frame->rflags &= ~(FLAG_TF | FLAG_AC);
	frame->rip = CODE(user_enter).point[0];
}

/* CPL 3 may use page INDEX, or not. The tables above let it. */
static void user_page(unsigned int index, bool on)
{
	volatile uint64_t *pdpt = (volatile uint64_t *)(page_pml4[0] & PTE_TABLE);
	volatile uint64_t *pd = (volatile uint64_t *)(pdpt[0] & PTE_TABLE);

	page_pml4[0] |= PTE_U;
	pdpt[0] |= PTE_U;
	pd[0] |= PTE_U;
	page_set(index, on ? PTE_USER : PTE_DEFAULT);
}

/* Copies the code from START to where it may run. */
static void user_run(const char *start, uint64_t flags)
{
	struct regs r;

	memset(&r, 0, sizeof(r));
	memcpy(pages[0], start, USER_PIECE);
	r.rsi = (uintptr_t)pages[0];
	r.rdi = (uintptr_t)pages[1];
	r.rdx = (uintptr_t)pages[1] + USER_STACK;
	r.rcx = MSR_TSC_ADJUST;
	r.r11 = flags | 2;
	code_run(CODE(user_enter), &r);
}

static void user_check_event(unsigned int index, unsigned int vector, uint64_t offset)
{
	check_event(index, vector, (uintptr_t)pages[0] + offset);
	check_equal("CS", USER_CS, events[index].cs);
	check_equal("error code", 0, events[index].error);
}

static void user_check_faults(const char *name, const char *start, uint64_t flags,
			      unsigned int vector)
{
	check_begin("user-%s-faults", name);
	user_run(start, flags);
	user_check_event(0, vector, 0);
	check_count(1);
	check_end();
}

/* It is executed, alone and stepped; then comes UD2. */
static void user_check_works(const char *name, const char *start, const char *end)
{
	uint64_t length = (uintptr_t)end - (uintptr_t)start;

	check_begin("user-%s-works", name);
	user_run(start, 0);
	user_check_event(0, VEC_UD, length);
	check_count(1);
	user_run(start, FLAG_TF);
	user_check_event(0, VEC_DB, length);
	check_equal("DR6", DR6_STEP, events[0].dr6);
	user_check_event(1, VEC_UD, length);
	check_count(2);
	check_end();
}

void conform_user(void)
{
	static const unsigned int vectors[] = { VEC_DB, VEC_UD, VEC_GP, VEC_PF, VEC_AC };
	unsigned int i;

	compat_load_gdt(0);
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		event_set_hook(vectors[i], user_leave);
	user_page(0, true);
	user_page(1, true);
	user_check_works("cpuid", user_cpuid, user_cpuid_end);
	user_check_works("load", user_load, user_load_end);
	user_check_faults("rdmsr", user_rdmsr, 0, VEC_GP);
	user_check_faults("in", user_in, 0, VEC_GP);
	user_check_faults("hlt", user_hlt, 0, VEC_GP);
	user_check_faults("cr0", user_cr0, 0, VEC_GP);
	user_check_faults("wbinvd", user_wbinvd, 0, VEC_GP);
	if (!check_skip_qemu("user-unaligned", "QEMU checks no alignment")) {
		cr0_write(cr0_read() | CR0_AM);
		user_check_faults("unaligned", user_load, FLAG_AC, VEC_AC);
		cr0_write(cr0_read() & ~CR0_AM);
	}
	user_page(0, false);
	user_page(1, false);
	event_unhook();
}
