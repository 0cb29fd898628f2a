/*
 * share: how much of the processors this machine gets. All its processors count how often they go
 * round a loop, for so many milliseconds (1000, or the argument) by the first one's TSC. Prints
 * "share: processor I: N" for each and "share: N" for all; exit status 0; 1 if one has not counted.
 *
 * A processor of the machine below may stand still while the time goes on: until all have counted
 * it takes longer, 20 times at most.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "acpi.h"
#include "apic.h"
#include "x86.h"

#define SHARE_START_OTHERS 0xc4608 /* ICR: all but self, start-up, page 8 */
#define SHARE_CODE	   0x8000
#define SHARE_DATA	   0x9000
#define SHARE_MAX	   256
#define SHARE_PATIENCE	   20 /* times the time */

struct share_data {
	uint32_t next; /* the number of the processor that comes next */
	volatile uint32_t stop;
	uint32_t pad[62];
	volatile uint64_t count[SHARE_MAX]; /* at 0x100 */
};

extern const char share_code[], share_code_end[];

/* In real mode, with the data's segment. Who has counted halts. */
__asm__(".pushsection .rodata\n"
	".code16\n"
	".globl share_code, share_code_end\n"
	"share_code:\n"
	"	cli\n"
	"	movw $0x900, %ax\n"
	"	movw %ax, %ds\n"
	"	movl $1, %ebx\n"
	"	lock xaddl %ebx, 0\n"
	"	cmpl $256, %ebx\n"
	"	jae 2f\n"
	"	shll $3, %ebx\n"
	"1:	addl $1, 0x100(%bx)\n"
	"	adcl $0, 0x104(%bx)\n"
	"	cmpl $0, 4\n"
	"	je 1b\n"
	"2:	hlt\n"
	"	jmp 2b\n"
	"share_code_end:\n"
	".code64\n"
	".popsection\n");

/* CPUID 15H: ticks a millisecond. 0: not told. */
static uint64_t share_ticks_per_ms(void)
{
	struct cpuid c;

	if (cpuid(0, 0).eax < 0x15)
		return 0;
	c = cpuid(0x15, 0);
	return c.eax ? (uint64_t)c.ecx * c.ebx / c.eax / 1000 : 0;
}

/* Whether all processors there are have counted. */
static bool share_has_all(const struct share_data *d)
{
	static uint32_t ids[SHARE_MAX];
	unsigned int n = acpi_cpus(ids, SHARE_MAX), i;

	for (i = 1; i < n && i < SHARE_MAX; i++)
		if (!d->count[i])
			return false;
	return true;
}

static int share_print(const struct share_data *d)
{
	unsigned int n = d->next < SHARE_MAX ? d->next : SHARE_MAX, i;
	uint64_t sum = 0;
	int status = 0;

	for (i = 0; i < n; i++) {
		uint64_t count = d->count[i];

		printf("share: processor %u: %llu\n", i, (unsigned long long)count);
		sum += count;
		if (!count)
			status = 1;
	}
	printf("share: %llu\n", (unsigned long long)sum);
	return status;
}

int main(int argc, char **argv)
{
	struct share_data *d = (struct share_data *)SHARE_DATA;
	uint64_t ms = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	uint64_t per_ms = share_ticks_per_ms(), start;

	if (!per_ms) {
		printf("share: the TSC's frequency is not known\n");
		return 1;
	}
	memset(d, 0, sizeof(*d));
	d->next = 1;
	memcpy((void *)SHARE_CODE, share_code, (uintptr_t)share_code_end - (uintptr_t)share_code);
	printf("share: %llu ms\n", (unsigned long long)ms);
	apic_enable();
	apic_write(APIC_ICR, SHARE_START_OTHERS);
	start = rdtsc();
	while (rdtsc() - start < ms * per_ms)
		d->count[0]++;
	while (!share_has_all(d) && rdtsc() - start < SHARE_PATIENCE * ms * per_ms)
		d->count[0]++;
	d->stop = 1;
	return share_print(d);
}
