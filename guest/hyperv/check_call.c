/* What hypercalls answer, and what they do. */
#include <stdio.h>
#include <string.h>
#include "apic.h"
#include "hyperv.h"
#include "paging.h"

#define ROUNDS	     4
#define ROUNDS_STALE 1000	     /* an exit in the midst of one hides what is stale */
#define STORM	     50		     /* calls of each processor */
#define PATIENCE     100000000000ull /* ticks for an IPI to come */
#define PTE_P_RW     3ull
#define FRAMES	     2
#define NO_RAM	     0xfed00000ul

static char watched[WORKERS_MAX][4096] __attribute__((aligned(4096)));
static char frames[WORKERS_MAX][FRAMES][4096] __attribute__((aligned(4096)));

/* --- bad input --- */

static void expect(const char *what, uint64_t wanted, uint64_t input, uint64_t in)
{
	check(what, wanted, hv_call(input, in, 0));
}

void check_status(void)
{
	uint64_t at = (uintptr_t)hv_input;

	memset(hv_input, 0, 4096);
	expect("an unknown call", 2, 0x99, at);
	expect("a reserved bit", 3, HV_FLUSH_SPACE | 1ul << 27, at);
	expect("a count where there is no list", 3, HV_FLUSH_SPACE | HV_COUNT(1), at);
	expect("a start where there is no list", 3, HV_FLUSH_SPACE | HV_START(1), at);
	expect("a list of none", 3, HV_FLUSH_LIST, at);
	expect("a list begun at its end", 3, HV_FLUSH_LIST | HV_COUNT(2) | HV_START(2), at);
	expect("a variable header where there is none", 3, HV_FLUSH_SPACE | HV_VAR(1), at);
	expect("an odd address", 4, HV_FLUSH_SPACE, at + 4);
	expect("a header across the page's end", 4, HV_FLUSH_SPACE, at + 4096 - 16);
	expect("a list across the page's end", 4, HV_FLUSH_LIST | HV_COUNT(510), at);
	expect("a list up to the page's end", HV_COUNT(509), HV_FLUSH_LIST | HV_COUNT(509), at);
	expect("a list gone on with", HV_COUNT(509), HV_FLUSH_LIST | HV_COUNT(509) | HV_START(64),
	       at);
	expect("no RAM", 4, HV_FLUSH_SPACE, NO_RAM);
	expect("nobody", 0, HV_FLUSH_SPACE, at);
	expect("nobody in a sparse set", 0, HV_FLUSH_SPACE_EX, at);
	hv_input[1] = 8;
	expect("an unknown flag", 5, HV_FLUSH_SPACE, at);
	expect("an unknown flag, Ex", 5, HV_FLUSH_SPACE_EX, at);
	hv_input[1] = 0;
	hv_input[2] = 2;
	expect("an unknown format", 5, HV_FLUSH_SPACE_EX, at);
	hv_input[2] = 0;
	hv_input[3] = 3;
	expect("two banks announced, one there", 3, HV_FLUSH_SPACE_EX | HV_VAR(1), at);
	hv_input[0] = 0xf;
	expect("a vector too low", 5, HV_SEND_IPI, at);
	hv_input[0] = 0x100;
	expect("a vector too high", 5, HV_SEND_IPI, at);
	check("the same, fast", 5, hv_call(HV_SEND_IPI | HV_FAST, 0x100, 1));
	hv_input[0] = HV_VECTOR | 1ul << 36;
	expect("another trust level", 5, HV_SEND_IPI_EX, at);
}

/* --- flushes --- */

volatile uint64_t *watch_page(unsigned int index)
{
	return (void *)watched[index];
}

static void map(unsigned int index, uint64_t number)
{
	char *frame = frames[index][number % FRAMES];

	*(volatile uint64_t *)(void *)frame = number;
	page_set_low((uintptr_t)watched[index], (uintptr_t)frame | PTE_P_RW);
}

static void wake(struct worker *w)
{
	check("the IPI that wakes", 0,
	      hv_call(HV_SEND_IPI_EX | HV_VAR(1),
		      (uintptr_t)memcpy(hv_input,
					(uint64_t[]){ HV_VECTOR, 0, 1ul << w->vp_index / 64,
						      1ul << w->vp_index % 64 },
					32),
		      0));
}

static void start_watching(unsigned int index)
{
	struct worker *w = &workers[index];

	w->epoch = w->seen = w->stale = 0;
	map(index, 1);
	page_invalidate((uintptr_t)watched[index]);
	w->watch = 1;
	wake(w);
}

/* The mapping changes, and after the flush the old one may not be used. */
static void change(unsigned int index, uint64_t number, unsigned int kind, bool leave_out)
{
	struct worker *w = &workers[index];

	map(index, number);
	if (!leave_out)
		check(flush_names[kind], 0, flush_call(kind, hv_input, w->vp_index));
	w->epoch = number;
	while (w->seen != number)
		cpu_pause();
}

static void check_flush_of(unsigned int index, bool leave_out)
{
	struct worker *w = &workers[index];
	uint64_t number = 1;
	unsigned int kind, round, rounds = leave_out ? ROUNDS_STALE : ROUNDS;

	start_watching(index);
	w->epoch = number;
	while (w->seen != number)
		cpu_pause();
	for (kind = 0; kind < FLUSH_KINDS && !w->stale; kind++) {
		for (round = 0; round < rounds && !w->stale; round++)
			change(index, ++number, kind, leave_out);
		if (w->stale)
			printf("hyperv: processor %u: stale after %s\n", index, flush_names[kind]);
	}
	checks_failed += w->stale != 0;
	w->watch = 0;
}

/* Itself: the page it reads is flushed by its own call. */
static void check_flush_of_self(bool leave_out)
{
	uint64_t number;
	unsigned int kind;

	for (kind = 0, number = 1; kind < FLUSH_KINDS; kind++, number++) {
		map(0, number);
		if (!leave_out)
			check(flush_names[kind], 0,
			      flush_call(kind, hv_input, workers[0].vp_index));
		check("its own page", leave_out && number > 1 ? 1 : number, *watch_page(0));
	}
}

void check_flush(bool leave_out)
{
	unsigned int i;

	check_flush_of_self(false);
	for (i = 1; i < smp_count; i++)
		check_flush_of(i, leave_out);
	printf("hyperv: %u processors flushed in %u ways\n", smp_count, FLUSH_KINDS);
}

/* --- IPIs --- */

static uint32_t total(void)
{
	uint32_t sum = 0;
	unsigned int i;

	for (i = 0; i < smp_count; i++)
		sum += workers[i].interrupts;
	return sum;
}

static void wait_for_total(uint32_t wanted)
{
	uint64_t start = rdtsc();

	while (total() != wanted && rdtsc() - start < PATIENCE)
		cpu_pause();
	check("IPIs that came", wanted, total());
}

static void check_one_ipi(unsigned int kind, unsigned int index)
{
	struct worker *w = &workers[index];
	uint32_t before = w->interrupts, sum = total();
	bool all = ipi_names_all(kind);

	check(ipi_names[kind], 0, ipi_call(kind, hv_input, w->vp_index));
	wait_for_total(sum + (all ? smp_count : 1));
	check("it went where it should", before + 1, w->interrupts);
}

void check_ipi(void)
{
	unsigned int kind, i;

	for (kind = 0; kind < IPI_KINDS; kind++)
		for (i = 0; i < smp_count; i++)
			check_one_ipi(kind, i);
	/* Nobody has these indexes. */
	check("to nobody", 0, hv_call(HV_SEND_IPI | HV_FAST, HV_VECTOR, 1ul << 63));
	check("to nobody, far away", 0, ipi_call(1, hv_input, 4095));
	printf("hyperv: %u processors interrupted in %u ways\n", smp_count, IPI_KINDS);
}

/* --- all flush all at once --- */

void check_storm(void)
{
	unsigned int i;

	for (i = 1; i < smp_count; i++) {
		workers[i].storm = 1;
		wake(&workers[i]);
	}
	for (i = 0; i < STORM; i++)
		check("a flush in the storm", 0, flush_call(4, hv_input, 0));
	for (i = 1; i < smp_count; i++) {
		while (workers[i].storms < STORM)
			check("a flush in the storm", 0, flush_call(4, hv_input, 0));
		workers[i].storm = 0;
	}
	printf("hyperv: %u processors flushed each other\n", smp_count);
}
