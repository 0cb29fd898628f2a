/*
 * What hypercalls cost in TSC ticks, guest and hypervisor together: on one processor, where the
 * others are not running: the one named is ready to, the rest halt. "bench: NAME MIN MEDIAN" for
 * scripts.
 */
#include <stdio.h>
#include <stdlib.h>
#include "hyperv.h"

#define RUNS 301

static uint64_t samples[RUNS];
static uint64_t empty;

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print(const char *name)
{
	uint64_t min, median;

	qsort(samples, RUNS, sizeof(samples[0]), compare);
	min = samples[0] > empty ? samples[0] - empty : 0;
	median = samples[RUNS / 2] > empty ? samples[RUNS / 2] - empty : 0;
	printf("bench: %s %lu %lu\n", name, min, median);
}

#define MEASURE(name, ...)                              \
	do {                                            \
		unsigned int i_;                        \
		for (i_ = 0; i_ < RUNS; i_++) {         \
			uint64_t start_ = rdtsc();      \
			__VA_ARGS__;                    \
			samples[i_] = rdtsc() - start_; \
		}                                       \
		print(name);                            \
	} while (0)

static void measure_empty(void)
{
	unsigned int i;

	for (i = 0; i < RUNS; i++) {
		uint64_t start = rdtsc();

		samples[i] = rdtsc() - start;
	}
	qsort(samples, RUNS, sizeof(samples[0]), compare);
	empty = samples[RUNS / 2];
}

/* The input is laid out once: only the call is measured. */
static void measure_flush(unsigned int kind, uint32_t vp)
{
	uint64_t in = (uintptr_t)hv_input, call;

	flush_call(kind, hv_input, vp);
	switch (kind) {
	case 1:
		call = HV_FLUSH_SPACE_EX | HV_VAR(1);
		break;
	case 2:
		call = HV_FLUSH_LIST | HV_COUNT(2);
		break;
	case 3:
		call = HV_FLUSH_LIST_EX | HV_COUNT(1) | HV_VAR(1);
		break;
	case 5:
		call = HV_FLUSH_SPACE_EX;
		break;
	default:
		call = HV_FLUSH_SPACE;
		break;
	}
	MEASURE(flush_names[kind], hv_call(call, in, 0));
}

static void measure_ipi(uint32_t vp)
{
	uint64_t in = (uintptr_t)hv_input;

	ipi_call(1, hv_input, vp);
	MEASURE(ipi_names[1], hv_call(HV_SEND_IPI_EX | HV_VAR(1), in, 0));
	if (vp < 64)
		MEASURE(ipi_names[0], hv_call(HV_SEND_IPI | HV_FAST, HV_VECTOR, 1ul << vp % 64));
}

/* The last processor is the one named. */
void bench(void)
{
	uint32_t vp = workers[smp_count - 1].vp_index;
	unsigned int kind;

	measure_empty();
	MEASURE("unknown", hv_call(0x7777, 0, 0));
	for (kind = 0; kind < FLUSH_KINDS; kind++)
		if ((vp < 64 && (kind != 6 || smp_count <= 64)) || kind == 1 || kind == 3 ||
		    kind == 4 || kind == 5)
			measure_flush(kind, vp);
	measure_ipi(vp);
	printf("bench: empty-pair %lu %lu\n", empty, empty);
}
