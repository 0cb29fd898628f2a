/* What the checks share: reporting, recorded events, and running pieces of assembly. */
#ifndef CONFORM_H
#define CONFORM_H

#include <stdbool.h>
#include <stdint.h>
#include "trap.h"
#include "x86.h"

#define CR0_PE (1ul << 0)
#define CR0_TS (1ul << 3)
#define CR0_WP (1ul << 16)
#define CR0_AM (1ul << 18)
#define CR0_NW (1ul << 29)
#define CR0_CD (1ul << 30)
#define CR0_PG (1ul << 31)

#define FLAG_CF 0x1ul
#define FLAG_ZF 0x40ul
#define FLAG_TF 0x100ul
#define FLAG_IF 0x200ul
#define FLAG_DF 0x400ul
#define FLAG_RF 0x10000ul
#define FLAG_AC 0x40000ul

#define DR6_NONE 0xffff0ff0ul
#define DR6_BD	 0x2000ul
#define DR6_BS	 0x4000ul
#define DR6_STEP (DR6_NONE | DR6_BS)

#define VEC_DB	1u
#define VEC_NMI 2u
#define VEC_BP	3u
#define VEC_UD	6u
#define VEC_DF	8u
#define VEC_GP	13u
#define VEC_PF	14u
#define VEC_AC	17u

#define MSR_TSC	    0x10u
#define MSR_EFER    0xc0000080u
#define MSR_BAD	    0x4b564dffu /* in nobody's range that Neap knows */
#define PORT_NOBODY 0x2f0	/* reads as all ones, ignores writes */

/* --- check.c: one line a check --- */

/* Between them check_equal(); the first difference is what is reported. NAME as of printf(). */
void check_begin(const char *name, ...) __attribute__((format(printf, 1, 2)));
void check_end(void);

/* WHAT: what is compared, for the report. */
void check_equal(const char *what, uint64_t expected, uint64_t got);
void check_true(const char *what, bool is);

/* A check that makes no sense here, and why. */
void check_skip(const char *name, const char *reason);

/* Prints the sums; the program's exit status. */
int check_finish(void);

/* On QEMU, whose emulated processor does this wrong with or without Neap: skips it. */
bool check_skip_qemu(const char *name, const char *reason);

/* --- event.c: exceptions and interrupts as they come --- */

#define EVENTS_MAX 64

struct event {
	unsigned int vector;
	uint64_t error, rip, cs, rflags, rsp, cr2, dr6;
};

/* The first EVENTS_MAX since code_run() or event_forget(); event_count counts on. */
extern struct event events[EVENTS_MAX];
extern volatile unsigned int event_count;

typedef void (*event_hook_t)(struct trap_frame *frame);

/* Records all vectors from here on. */
void event_init(void);
void event_forget(void);

/*
 * What is done with VECTOR beside recording it, until event_unhook(): for #DB and faults in place
 * of the default; for interrupts before their EOI.
 */
void event_set_hook(unsigned int vector, event_hook_t hook);
void event_unhook(void);

/* The defaults, for hooks that want them, too: see code.inc. */
void event_default(struct trap_frame *frame);

/* Which events came: their number, and vector and RIP of the one with INDEX. */
void check_count(unsigned int expected);
void check_event(unsigned int index, unsigned int vector, uint64_t rip);

/* The gate of VECTOR: two words of the IDT. */
uint64_t *event_gate(unsigned int vector);
/* Which of the TSS's stacks VECTOR uses; 0: that of the interrupted code. Returns what it was. */
unsigned int event_set_ist(unsigned int vector, unsigned int ist);
/* Where VECTOR goes. Returns what it was. */
uint64_t event_set_target(unsigned int vector, uint64_t address);

/* --- run.c and call.S: assembly --- */

struct regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags; /* out only */
};

/* A piece of code of NAME in a .S file, with `code` and `end_code` of code.inc. */
struct code {
	const char *start;
	const uint64_t *point;
	unsigned int points;
};
#define CODE_DECLARE(name)        \
	extern const char name[]; \
	extern const uint64_t name##_points[], name##_end[];
#define CODE(name)                           \
	((struct code){ name, name##_points, \
			(unsigned int)(((uintptr_t)name##_end - (uintptr_t)name##_points) / 8) })

/* Forgets the events, and runs CODE with the registers of REGS, which it changes. */
void code_run(struct code code, struct regs *regs);
/* The same with registers that do not matter. */
void code_run_plain(struct code code);
/* Of the code that runs. */
extern const struct code *code_running;

/* --- pages of 4 KiB that checks may map as they like, in a row --- */

#define PAGES 4
extern char pages[PAGES][4096];
#define PTE_DEFAULT 0x3ull
#define PTE_ABSENT  0ull
#define PTE_READ    0x1ull
#define PTE_USER    0x7ull
#define PTE_NX	    (1ull << 63)
/* FLAGS of page INDEX's entry. */
void page_set(unsigned int index, uint64_t flags);

/* --- processor.c --- */
bool cpu_is_amd(void);
bool cpu_is_qemu(void);

/* --- compat.c --- */
/* A GDT with segments of 32 and 16 bits, of which those for the way to real mode begin at
 * REAL_BASE, and with segments of CPL 3. */
void compat_load_gdt(uintptr_t real_base);

/* --- main.c --- */
/* Whether the command line says so: Bochs looks like the processors that it emulates. */
bool main_on_bochs(void);
/* The same for processors that other VMs use, too. */
bool main_is_shared(void);

/* --- the groups --- */
void conform_step(void);
void conform_breakpoint(void);
void conform_fault(void);
void conform_trap(void);
void conform_nmi(const char *mode);
void conform_irq(const char *mode);
void conform_tpr(const char *mode);
void conform_control(void);
void conform_xcr(void);
void conform_instruction(void);
void conform_cpuid(void);
void conform_tsc(void);
void conform_prefix(void);
void conform_compat(void);
void conform_real(void);
void conform_user(void);
void conform_string(void);
void conform_mmio(void);

#endif
