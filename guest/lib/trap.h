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

/* Loads the TSS and the IDT. Called once, before main(). */
void trap_init(void);

#endif
