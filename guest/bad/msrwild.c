/*
 * msrwild: reads every MSR of some ranges, prints the readable ones in runs, and how many they are.
 * Exit status 0; 1 if reading raised anything but #GP.
 */
#include <stdio.h>
#include "x86.h"

#define MSRWILD_VECTOR_GP 13

struct msrwild_range {
	uint32_t first, last;
};

static const struct msrwild_range msrwild_ranges[] = {
	{ 0x00000000, 0x00002000 }, { 0x40000000, 0x40000200 }, { 0x4b564d00, 0x4b564dff },
	{ 0xc0000000, 0xc0002000 }, { 0xc0010000, 0xc0011100 }, { 0xffffff00, 0xffffffff },
};

static unsigned int msrwild_wrong; /* exceptions other than #GP */

static bool msrwild_read(uint32_t msr)
{
	uint64_t value;

	if (rdmsr_try(msr, &value))
		return true;
	if (trap_last.vector != MSRWILD_VECTOR_GP) {
		printf("msrwild: %08x raised vector %u\n", (unsigned int)msr, trap_last.vector);
		msrwild_wrong++;
	}
	return false;
}

static unsigned int msrwild_scan(const struct msrwild_range *range)
{
	unsigned int readable = 0, run = 0;
	uint64_t msr;

	for (msr = range->first; msr <= (uint64_t)range->last + 1; msr++) {
		if (msr <= range->last && msrwild_read((uint32_t)msr)) {
			run++;
			continue;
		}
		if (run)
			printf("msrwild: readable %08lx-%08lx\n", msr - run, msr - 1);
		readable += run;
		run = 0;
	}
	return readable;
}

int main(void)
{
	unsigned int i, readable = 0;

	for (i = 0; i < sizeof(msrwild_ranges) / sizeof(msrwild_ranges[0]); i++)
		readable += msrwild_scan(&msrwild_ranges[i]);
	printf("msrwild: %u readable, %u wrong exceptions\n", readable, msrwild_wrong);
	return msrwild_wrong ? 1 : 0;
}
