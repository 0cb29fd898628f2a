/* What a change costs, by how many slots there are: from the call to its result, in TSC ticks. */
#include <stdio.h>
#include <stdlib.h>
#include "slots.h"
#include "x86.h"

#define BENCH_RUNS	9
#define BENCH_FIRST_ID	100
#define BENCH_FIRST_GFN 0x40000ull /* 1 GiB; every second frame has a slot */
#define BENCH_TEST_ID	50
#define BENCH_TEST_GFN	0x70000ull
#define BENCH_SOURCE	0x10ull /* any page of RAM: what is measured is the slot, not its memory */

static const unsigned int bench_counts[] = { 1, 100, 1000, 8000, 32000 };
static const char *const bench_names[] = { "create", "move", "flags", "delete" };
static uint64_t bench_whole[4][BENCH_RUNS], bench_worker[4][BENCH_RUNS];

static bool bench_call(enum slots_op op, uint64_t id, uint64_t b, uint64_t *whole, uint64_t *worker)
{
	const struct slots_call call = { op, { id, b, 1, 0, BENCH_SOURCE } };
	uint64_t start = rdtsc();
	int result = slots_do(&call, NULL, worker);

	*whole = rdtsc() - start;
	if (result)
		printf("slots: bench: call %u of slot %u: FAILED: %d\n", op, (unsigned int)id,
		       result);
	return !result;
}

static bool bench_fill(unsigned int *have, unsigned int count)
{
	uint64_t unused;

	for (; *have < count; ++*have)
		if (!bench_call(SLOTS_CREATE, BENCH_FIRST_ID + *have, BENCH_FIRST_GFN + 2 * *have,
				&unused, &unused))
			return false;
	return true;
}

static bool bench_round(unsigned int run)
{
	/* Flags that leave what is mapped alone, as KVM's measurement has it: the dirty log's. */
	return bench_call(SLOTS_CREATE, BENCH_TEST_ID, BENCH_TEST_GFN, &bench_whole[0][run],
			  &bench_worker[0][run]) &&
	       bench_call(SLOTS_MOVE, BENCH_TEST_ID, BENCH_TEST_GFN + 8, &bench_whole[1][run],
			  &bench_worker[1][run]) &&
	       bench_call(SLOTS_FLAGS, BENCH_TEST_ID, SLOTS_DIRTY_LOG, &bench_whole[2][run],
			  &bench_worker[2][run]) &&
	       bench_call(SLOTS_DELETE, BENCH_TEST_ID, 0, &bench_whole[3][run],
			  &bench_worker[3][run]);
}

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

bool slots_bench(void)
{
	unsigned int i, k, have = 0;

	for (i = 0; i < sizeof(bench_counts) / sizeof(bench_counts[0]); i++) {
		if (!bench_fill(&have, bench_counts[i]))
			return false;
		for (k = 0; k < BENCH_RUNS; k++)
			if (!bench_round(k))
				return false;
		for (k = 0; k < 4; k++)
			printf("bench: slots-%s-%u %lu %lu\n", bench_names[k], bench_counts[i],
			       bench_median(bench_worker[k]), bench_median(bench_whole[k]));
	}
	return true;
}
