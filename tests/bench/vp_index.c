/*
 * What it takes to find the vCPU with a VP index, by Neap's map and by looking at one vCPU after
 * the other: ticks of the build machine's TSC for one look-up, the best of some rounds. A line for
 * each number of vCPUs: with every index its position, and with all reversed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "hv/hyperv/vp_index.h"
#include "mm/heap.h"

#define LOOKUPS 4096u
#define ROUNDS	50u

static struct vp_index map;
static u16 all[VP_INDEX_MAX];
/* The vCPUs of the scan, far enough apart that each is a cache line of its own, as real ones are.
 */
static struct {
	u32 index;
	char rest[252];
} vcpus[VP_INDEX_MAX];
static volatile u32 sink;

void *heap_alloc(size_t n)
{
	return calloc(1, n);
}

void heap_free(void *p)
{
	free(p);
}

/* Nobody else looks. */
void rcu_synchronize(void)
{
}

static u32 by_map(u32 index, u32 count)
{
	(void)count;
	return vp_index_find(&map, (vp_index_t){ index });
}

static u32 by_scan(u32 index, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		if (READ_ONCE(vcpus[i].index) == index)
			return i;
	}
	return VP_POSITION_NONE;
}

/* Ticks a look-up; the indexes come in no order. */
static double measure(u32 (*find)(u32, u32), u32 count)
{
	u64 best = UINT64_MAX;

	for (unsigned r = 0; r < ROUNDS; r++) {
		u64 start = __builtin_ia32_rdtsc(), ticks;

		for (u32 i = 0; i < LOOKUPS; i++)
			sink = find(i * 2654435761u % count, count);
		ticks = __builtin_ia32_rdtsc() - start;
		best = MIN(best, ticks);
	}
	return (double)best / LOOKUPS;
}

static void set(u32 count, bool reversed)
{
	vp_index_init(&map, VP_INDEX_MAX, count);
	for (u32 i = 0; i < count; i++)
		vcpus[i].index = all[i] = (u16)(reversed ? count - 1 - i : i);
	if (vp_index_set_all(&map, all))
		abort();
}

int main(void)
{
	printf("%8s %10s %10s %10s\n", "vCPUs", "identity", "reversed", "scan");
	for (u32 count = 2; count <= VP_INDEX_MAX; count *= 2) {
		double identity, reversed, scan;

		set(count, false);
		identity = measure(by_map, count);
		vp_index_fini(&map);
		set(count, true);
		reversed = measure(by_map, count);
		scan = measure(by_scan, count);
		vp_index_fini(&map);
		printf("%8u %10.1f %10.1f %10.1f\n", count, identity, reversed, scan);
	}
	return 0;
}
