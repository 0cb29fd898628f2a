/* Exceptions and interrupts, recorded as they come. */
#include "apic.h"
#include "conform.h"

#define EVENT_STEPS_MAX 48 /* a step that finds no end is ended */
#define EVENT_SPURIOUS	0xff

struct event events[EVENTS_MAX];
volatile unsigned int event_count;

static event_hook_t event_hooks[256];

static uint64_t dr6_read(void)
{
	uint64_t value;

	__asm__ volatile("mov %%db6, %0" : "=r"(value));
	return value;
}

static void dr6_clear(void)
{
	__asm__ volatile("mov %0, %%db6" : : "r"(DR6_NONE));
}

static uint64_t event_last_point(void)
{
	return code_running->point[code_running->points - 1];
}

static void event_debug(struct trap_frame *frame)
{
	/* A breakpoint on an instruction is a fault: RF lets it pass now. */
	if (events[event_count - 1].dr6 & 0xf)
		frame->rflags |= FLAG_RF;
	if (frame->rip == event_last_point() || event_count >= EVENT_STEPS_MAX)
		frame->rflags &= ~FLAG_TF;
}

void event_default(struct trap_frame *frame)
{
	if (frame->vector == VEC_DB)
		event_debug(frame);
	else if (frame->vector < 32 && frame->vector != VEC_NMI && frame->vector != VEC_BP)
		frame->rip = event_last_point();
}

static void event_record(struct trap_frame *frame)
{
	event_hook_t hook = event_hooks[frame->vector];
	uint64_t dr6 = dr6_read();

	if (event_count < EVENTS_MAX)
		events[event_count] = (struct event){ .vector = (unsigned int)frame->vector,
						      .error = frame->error,
						      .rip = frame->rip,
						      .cs = frame->cs,
						      .rflags = frame->rflags,
						      .rsp = frame->rsp,
						      .cr2 = cr2_read(),
						      .dr6 = dr6 };
	event_count++;
	if (frame->vector == VEC_DB)
		dr6_clear();
	if (hook)
		hook(frame);
	else
		event_default(frame);
	if (frame->vector >= 32 && frame->vector != EVENT_SPURIOUS)
		apic_eoi();
}

void event_forget(void)
{
	event_count = 0;
}

void event_set_hook(unsigned int vector, event_hook_t hook)
{
	event_hooks[vector] = hook;
}

void event_unhook(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		event_hooks[i] = NULL;
}

void event_init(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		trap_set_handler(i, event_record);
	dr6_clear();
}

void check_count(unsigned int expected)
{
	check_equal("number of events", expected, event_count);
}

void check_event(unsigned int index, unsigned int vector, uint64_t rip)
{
	if (index >= event_count || index >= EVENTS_MAX) {
		check_equal("number of events", index + 1, event_count);
		return;
	}
	check_equal("vector", vector, events[index].vector);
	check_equal("RIP", rip, events[index].rip);
}

uint64_t *event_gate(unsigned int vector)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idt;

	__asm__ volatile("sidt %0" : "=m"(idt));
	return (uint64_t *)idt.base + 2 * vector;
}

unsigned int event_set_ist(unsigned int vector, unsigned int ist)
{
	uint64_t *gate = event_gate(vector);
	unsigned int old = (unsigned int)(gate[0] >> 32) & 7;

	gate[0] = (gate[0] & ~(7ull << 32)) | (uint64_t)ist << 32;
	return old;
}

uint64_t event_set_target(unsigned int vector, uint64_t address)
{
	uint64_t *gate = event_gate(vector);
	uint64_t old = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;

	gate[0] = (gate[0] & 0x0000ffffffff0000ull) | (address & 0xffff) |
		  (address & 0xffff0000) << 32;
	gate[1] = address >> 32;
	return old;
}
