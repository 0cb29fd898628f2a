/* What it costs to read the log of pages that are all dirty, and to write them again then. */
#include <stdio.h>
#include <stdlib.h>
#include "dirty.h"
#include "x86.h"

#define BENCH_RUNS 9

static struct dirty_slot bench_slot = { .id = 203, .gfn = 0x40000 };

static int bench_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t bench_median(uint64_t *samples)
{
	qsort(samples, BENCH_RUNS, sizeof(samples[0]), bench_compare);
	return samples[BENCH_RUNS / 2];
}

static uint64_t bench_write(uint64_t step)
{
	uint64_t start = rdtsc(), page;

	for (page = 0; page < bench_slot.pages; page += step)
		*dirty_page(&bench_slot, page) = 1;
	return rdtsc() - start;
}

static bool bench_reads(const char *name, uint64_t step)
{
	uint64_t worker[BENCH_RUNS], whole[BENCH_RUNS], writing[BENCH_RUNS], start;
	int expected = (int)((bench_slot.pages + step - 1) / step), count;
	unsigned int i;

	for (i = 0; i < BENCH_RUNS; i++) {
		writing[i] = bench_write(step);
		start = rdtsc();
		count = dirty_read(&bench_slot, NULL, &worker[i]);
		whole[i] = rdtsc() - start;
		if (count != expected) {
			printf("dirty: bench: %d pages, not %d: FAILED\n", count, expected);
			return false;
		}
	}
	printf("bench: dirty-%s-%d %lu %lu %lu\n", name, expected, bench_median(worker),
	       bench_median(whole), bench_median(writing));
	return true;
}

static bool bench_slot_of(uint64_t pages)
{
	bench_slot.pages = pages;
	return dirty_create(&bench_slot, SLOTS_DIRTY_LOG) && (bench_write(1), true) &&
	       dirty_read(&bench_slot, NULL, NULL) == (int)pages && bench_reads("all", 1) &&
	       bench_reads("of-each-64", 64) && dirty_delete(&bench_slot);
}

bool dirty_bench(void)
{
	return bench_slot_of(1024) && bench_slot_of(64);
}
