/* The instructions that C has no words for. */
#ifndef GUEST_X86_H
#define GUEST_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "trap.h"

#define MSR_TSC_ADJUST	 0x3b
#define MSR_APIC_BASE	 0x1b
#define MSR_PAT		 0x277
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_GS_BASE	 0xc0000101u

#define CR4_OSXSAVE (1ul << 18)
#define CR4_SMEP    (1ul << 20)

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid c;

	__asm__ volatile("cpuid"
			 : "=a"(c.eax), "=b"(c.ebx), "=c"(c.ecx), "=d"(c.edx)
			 : "a"(leaf), "c"(subleaf));
	return c;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* False, and *VALUE 0, where reading the MSR is an exception. */
static inline bool rdmsr_try(uint32_t msr, uint64_t *value)
{
	unsigned int traps = trap_last.count;
	uint32_t low = 0, high = 0;

	__asm__ volatile(TRAP_SKIP("rdmsr") : "+a"(low), "+d"(high) : "c"(msr) : "memory");
	*value = (uint64_t)high << 32 | low;
	return trap_last.count == traps;
}

/* X86_PORT(b, uint8_t) defines inb() and outb(). */
#define X86_PORT(suffix, type)                                                                   \
	static inline type in##suffix(uint16_t port)                                             \
	{                                                                                        \
		type value;                                                                      \
		__asm__ volatile("in" #suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");  \
		return value;                                                                    \
	}                                                                                        \
	static inline void out##suffix(uint16_t port, type value)                                \
	{                                                                                        \
		__asm__ volatile("out" #suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory"); \
	}
X86_PORT(b, uint8_t)
X86_PORT(w, uint16_t)
X86_PORT(l, uint32_t)

/* X86_CR(4) defines cr4_read() and cr4_write(). */
#define X86_CR(n)                                                                  \
	static inline uint64_t cr##n##_read(void)                                  \
	{                                                                          \
		uint64_t value;                                                    \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory"); \
		return value;                                                      \
	}                                                                          \
	static inline void cr##n##_write(uint64_t value)                           \
	{                                                                          \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");     \
	}
X86_CR(0)
X86_CR(2)
X86_CR(3)
X86_CR(4)

static inline uint8_t mmio_read8(uintptr_t a)
{
	return *(volatile uint8_t *)a;
}

static inline uint32_t mmio_read32(uintptr_t a)
{
	return *(volatile uint32_t *)a;
}

static inline void mmio_write32(uintptr_t a, uint32_t value)
{
	*(volatile uint32_t *)a = value;
}

static inline void page_invalidate(uintptr_t a)
{
	__asm__ volatile("invlpg (%0)" : : "r"(a) : "memory");
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* Enables interrupts and halts with nothing in between, and disables them again. */
static inline void irq_wait(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void tr_load(uint16_t selector)
{
	__asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

/* X86_TABLE(idt) defines idt_load(); a table of no bytes has the limit 0. */
#define X86_TABLE(name)                                                                   \
	static inline void name##_load(const void *table, size_t size)                    \
	{                                                                                 \
		struct {                                                                  \
			uint16_t limit;                                                   \
			uint64_t base;                                                    \
		} __attribute__((packed)) pointer = { (uint16_t)(size ? size - 1 : 0),    \
						      (uintptr_t)table };                 \
		__asm__ volatile("l" #name " %0" : : "m"(pointer) : "memory");            \
	}
X86_TABLE(gdt)
X86_TABLE(idt)

/*
 * One hypercall in KVM's registers (number in rax, result in rax), with the number also in rcx,
 * where Hyper-V expects it. An exception leaves rax alone and shows in trap_last.
 */
static inline uint64_t hypercall_intel(uint64_t number)
{
	uint64_t rcx = number, rdx = 0;

	__asm__ volatile(TRAP_SKIP("vmcall")
			 : "+a"(number), "+c"(rcx), "+d"(rdx)
			 :
			 : "r8", "memory");
	return number;
}

static inline uint64_t hypercall_amd(uint64_t number)
{
	uint64_t rcx = number, rdx = 0;

	__asm__ volatile(TRAP_SKIP("vmmcall")
			 : "+a"(number), "+c"(rcx), "+d"(rdx)
			 :
			 : "r8", "memory");
	return number;
}

#endif
