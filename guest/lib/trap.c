#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "exit.h"
#include "trap.h"
#include "uart.h"
#include "x86.h"

#define TRAP_STUB_SIZE 16
#define TRAP_SPURIOUS  0xff

struct trap_gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

struct trap_range {
	uint64_t start, end;
};

/* All of it, for the register dump. */
struct trap_registers {
	uint64_t r15, r14, r13, r12, rbp, rbx;
	struct trap_frame frame;
};

extern const char trap_stubs[];
extern const struct trap_range trap_table_start[], trap_table_end[];
extern uint64_t gdt[];
bool trap_dispatch(struct trap_frame *frame);
void trap_die(const struct trap_registers *registers) __attribute__((noreturn));

volatile struct trap_record trap_last;

static void (*trap_handlers[256])(struct trap_frame *);
static struct trap_gate trap_idt[256] __attribute__((aligned(16)));
static struct trap_cpu trap_boot_cpu;

void trap_set_handler(unsigned int vector, void (*handler)(struct trap_frame *))
{
	trap_handlers[vector & 255] = handler;
}

static void trap_print(const struct trap_registers *r)
{
	const struct trap_frame *f = &r->frame;
	char text[640];
	int n = sniprintf(text, sizeof(text),
			  "\ntrap: vector %u error %#lx rip %#lx cr2 %#lx\n"
			  "rax %016lx rbx %016lx rcx %016lx rdx %016lx\n"
			  "rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n"
			  "r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n"
			  "r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n"
			  "rflags %08lx cr0 %08lx cr3 %08lx cr4 %08lx\n",
			  (unsigned int)f->vector, f->error, f->rip, cr2_read(), f->rax, r->rbx,
			  f->rcx, f->rdx, f->rsi, f->rdi, r->rbp, f->rsp, f->r8, f->r9, f->r10,
			  f->r11, r->r12, r->r13, r->r14, r->r15, f->rflags, cr0_read(), cr3_read(),
			  cr4_read());

	uart_write(text, (size_t)n);
}

/* Called by vectors.S when trap_dispatch() would not have the trap. */
void trap_die(const struct trap_registers *registers)
{
	static int dying;

	if (!dying++)
		trap_print(registers);
	exit_machine(TRAP_EXIT_STATUS((unsigned int)registers->frame.vector));
}

static const struct trap_range *trap_find_range(uint64_t rip)
{
	const struct trap_range *r;

	for (r = trap_table_start; r < trap_table_end; r++)
		if (rip >= r->start && rip < r->end)
			return r;
	return NULL;
}

/* Called by vectors.S. False if this trap is the end. */
bool trap_dispatch(struct trap_frame *frame)
{
	void (*handler)(struct trap_frame *) = trap_handlers[frame->vector];
	const struct trap_range *range;

	if (handler) {
		handler(frame);
		return true;
	}
	if (frame->vector == TRAP_SPURIOUS)
		return true;
	range = frame->vector < 32 ? trap_find_range(frame->rip) : NULL;
	if (!range)
		return false;
	trap_last.count++;
	trap_last.vector = (unsigned int)frame->vector;
	trap_last.error = frame->error;
	trap_last.address = cr2_read();
	frame->rip = range->end;
	return true;
}

static unsigned int trap_vector_ist(unsigned int vector)
{
	if (vector >= 32)
		return TRAP_IST_INTERRUPT;
	return vector == 2 || vector == 8 || vector == 18 ? TRAP_IST_ABORT : TRAP_IST_EXCEPTION;
}

void trap_init_cpu(struct trap_cpu *cpu)
{
	uint64_t tss = (uintptr_t)&cpu->tss;
	unsigned int i;

	memcpy(cpu->gdt, gdt, sizeof(cpu->gdt));
	memset(&cpu->tss, 0, sizeof(cpu->tss));
	for (i = 1; i < TRAP_IST_END; i++)
		cpu->tss.ist[i] = (uintptr_t)cpu->stacks[i - 1] + TRAP_STACK_SIZE;
	cpu->tss.io_map = sizeof(cpu->tss);
	/* 64-bit TSS descriptor, 0x89: present, available TSS (SDM 3A, 7.2.3) */
	cpu->gdt[TRAP_GDT_TSS] = (sizeof(cpu->tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
				 (tss >> 24 & 0xff) << 56;
	cpu->gdt[TRAP_GDT_TSS + 1] = tss >> 32;
	gdt_load(cpu->gdt, sizeof(cpu->gdt));
	tr_load(TRAP_GDT_TSS * 8);
	idt_load(trap_idt, sizeof(trap_idt));
}

void trap_init(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++) {
		uintptr_t stub = (uintptr_t)trap_stubs + i * TRAP_STUB_SIZE;

		trap_idt[i] = (struct trap_gate){ .offset_low = (uint16_t)stub,
						  .selector = 0x08,
						  .ist = (uint8_t)trap_vector_ist(i),
						  .type = 0x8e,
						  .offset_middle = (uint16_t)(stub >> 16),
						  .offset_high = (uint32_t)(stub >> 32) };
	}
	trap_init_cpu(&trap_boot_cpu);
}
