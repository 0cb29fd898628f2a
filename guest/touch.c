/*
 * touch: all processors go through the same memory, each in an order of its own, and change how
 * many pages the hypervisor prefetches (test_hypercalls = on): if the first one did so alone, and
 * stood still, the others would go all the way with one number. Each adds one to a
 * word of every page, and leaves its mark in one of its own: at the end all are there, and nothing
 * else is. Numbers above the maximum must be refused.
 *
 * Prints "touch: CPUS CPUs, PAGES pages, CHANGES changes, ok". Exit status 0; 1 if something was
 * wrong, which is said.
 */
#include <errno.h>
#include <stdio.h>
#include "apic.h"
#include "multiboot.h"
#include "smp.h"
#include "x86.h"

#define TOUCH_PAGE	  4096ull
#define TOUCH_CPUS	  64
#define TOUCH_MOST	  128 /* pages that may be prefetched */
#define TOUCH_CALL	  0x4e656110ull
#define TOUCH_START_TICKS 100000000000ull
#define TOUCH_ORDERS	  4

struct touch_page {
	uint64_t count;
	uint64_t mark[TOUCH_CPUS];
	uint64_t rest[(TOUCH_PAGE - 8 - 8 * TOUCH_CPUS) / 8]; /* zeros */
};
_Static_assert(sizeof(struct touch_page) == TOUCH_PAGE, "a page each");

static struct touch_page *touch_pages;
static uint64_t touch_count;
static volatile uint64_t touch_done, touch_started;

/* Sets the number; the one before in *old. */
static int touch_prefetch(uint64_t number, uint64_t *old)
{
	uint64_t rax = TOUCH_CALL, rdx = 0;
	uint32_t vendor = cpuid(0, 0).ebx;

	if (vendor == 0x68747541 || vendor == 0x6f677948)
		__asm__ volatile("vmmcall" : "+a"(rax), "+d"(rdx) : "D"(number) : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(rax), "+d"(rdx) : "D"(number) : "memory");
	if (old)
		*old = rdx;
	return (int)rax;
}

/* The page that comes as the Nth: up, down, by halves in turns, or all over. */
static uint64_t touch_order(unsigned int cpu, uint64_t n)
{
	switch (cpu % TOUCH_ORDERS) {
	case 0:
		return n;
	case 1:
		return touch_count - 1 - n;
	case 2:
		return n / 2 + (n % 2) * (touch_count / 2);
	default:
		return n * 7919 % touch_count; /* a prime: each page once */
	}
}

static void touch_all(unsigned int cpu)
{
	uint64_t n;

	__atomic_fetch_add(&touch_started, 1, __ATOMIC_SEQ_CST);
	for (n = 0; n < touch_count; n++) {
		struct touch_page *page = &touch_pages[touch_order(cpu, n)];

		__atomic_fetch_add(&page->count, 1, __ATOMIC_SEQ_CST);
		page->mark[cpu] = (uintptr_t)page + cpu + 1;
		if (n % 16 == 0)
			touch_prefetch(n / 16 % (TOUCH_MOST + 1), NULL);
	}
	__atomic_fetch_add(&touch_done, 1, __ATOMIC_SEQ_CST);
}

static void touch_other(struct smp_cpu *cpu)
{
	touch_all(cpu->index);
	for (;;)
		__asm__ volatile("hlt" : : : "memory");
}

static bool touch_page_is_right(const struct touch_page *page, unsigned int cpus)
{
	unsigned int i;

	if (page->count != cpus)
		return false;
	for (i = 0; i < TOUCH_CPUS; i++) {
		if (page->mark[i] != (i < cpus ? (uintptr_t)page + i + 1 : 0))
			return false;
	}
	for (i = 0; i < sizeof(page->rest) / 8; i++) {
		if (page->rest[i])
			return false;
	}
	return true;
}

static bool touch_check(unsigned int cpus)
{
	uint64_t n, wrong = 0;

	for (n = 0; n < touch_count; n++) {
		if (touch_page_is_right(&touch_pages[n], cpus))
			continue;
		if (!wrong++)
			printf("touch: page %p is wrong, count %lu\n", (void *)&touch_pages[n],
			       touch_pages[n].count);
	}
	return !wrong;
}

/* The edges of what may be asked for; leaves the number as it was. */
static bool touch_check_call(void)
{
	uint64_t was, old;

	if (touch_prefetch(0, &was) || touch_prefetch(TOUCH_MOST, &old) || old != 0 ||
	    touch_prefetch(TOUCH_MOST + 1, NULL) != -EINVAL ||
	    touch_prefetch(UINT64_MAX, NULL) != -EINVAL || touch_prefetch(was, &old) ||
	    old != TOUCH_MOST) {
		printf("touch: the call is not as it should be\n");
		return false;
	}
	printf("touch: prefetch was %lu\n", was);
	return true;
}

int main(void)
{
	uint64_t end = multiboot_ram_end(0x100000000ull) & -TOUCH_PAGE;
	unsigned int cpus;

	apic_enable();
	cpus = smp_init(touch_other);
	/* The lower half may have a heap, and has the program. */
	touch_pages = (struct touch_page *)(end / 2 & -TOUCH_PAGE);
	touch_count = (end - (uintptr_t)touch_pages) / TOUCH_PAGE & -2ull;
	if (cpus > TOUCH_CPUS || !touch_check_call())
		return 1;
	if (cpus > 1 && !smp_start_all(TOUCH_START_TICKS)) {
		printf("touch: a processor does not start\n");
		return 1;
	}
	touch_all(0);
	while (touch_done < cpus)
		cpu_pause();
	if (!touch_check(cpus))
		return 1;
	printf("touch: %u CPUs, %lu pages, %lu changes, ok\n", cpus, touch_count,
	       cpus * ((touch_count + 15) / 16));
	return 0;
}
