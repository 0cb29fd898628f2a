#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include <stdint.h>

/*
 * The state a trap interrupted, as vectors.S pushes it: without the registers that C functions
 * preserve. A handler may change any of it.
 */
struct trap_frame {
	uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* The last exception that TRAP_SKIP swallowed, and how many there were. */
struct trap_record {
	unsigned int count, vector;
	uint64_t error, address; /* address: CR2 */
};
extern volatile struct trap_record trap_last;

/*
 * Assembly text that runs INSNS; an exception within them is recorded in trap_last and execution
 * goes on behind them. Only for inline assembly.
 */
#define TRAP_SKIP(insns)                                                                 \
	"81:\n\t" insns "\n82:\n\t.pushsection .trap_table, \"a\"\n\t.quad 81b, 82b\n\t" \
	".popsection\n\t"

/* Exit status of a guest that died of exception VECTOR (anything above 31 counts as 31). */
#define TRAP_EXIT_STATUS(vector) (96 + ((vector) < 31 ? (vector) : 31))

/*
 * Calls HANDLER for VECTOR, with interrupts off and on a stack of its own; NULL takes it away.
 * A vector without handler that no TRAP_SKIP covers prints the registers and ends the VM.
 */
void trap_set_handler(unsigned int vector, void (*handler)(struct trap_frame *frame));

/*
 * Every gate switches stacks, so that newlib's red zone survives. One stack for interrupts (they
 * do not nest), one for exceptions, one for those that may strike within an exception.
 */
enum { TRAP_IST_INTERRUPT = 1, TRAP_IST_EXCEPTION, TRAP_IST_ABORT, TRAP_IST_END };

#define TRAP_STACK_SIZE	 8192
#define TRAP_GDT_TSS	 3
#define TRAP_GDT_ENTRIES (TRAP_GDT_TSS + 2)

struct trap_tss {
	uint32_t reserved;
	uint64_t rsp[3], ist[8]; /* ist[0] is reserved by the architecture */
	uint64_t reserved1;
	uint16_t reserved2, io_map;
} __attribute__((packed));

/* What each processor has of its own: segment table, TSS and the stacks of its gates. */
struct trap_cpu {
	char stacks[TRAP_IST_END - 1][TRAP_STACK_SIZE] __attribute__((aligned(16)));
	uint64_t gdt[TRAP_GDT_ENTRIES];
	struct trap_tss tss;
};

/* Loads this processor's segment table and TSS, which are filled in anew, and the IDT of all. */
void trap_init_cpu(struct trap_cpu *cpu);

/* Makes the IDT, and loads all of it on the first processor. Called once, before main(). */
void trap_init(void);

#endif
