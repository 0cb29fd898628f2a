/*
 * mmiowild: accesses physical addresses that nothing answers, with every access size and with many
 * kinds of instructions, at the edges of RAM, of the APICs, of 4 GiB and of the physical address
 * width; every read must give all ones, no write may do anything. Also pokes at the APICs, where
 * only survival counts. Arguments: a part of an instruction's name selects instructions; "zeros"
 * expects zeros (which is what QEMU without a hypervisor reads).
 * Exit status 0; 1 if something read wrong, faulted, or changed memory. Ends with the verdict.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "crc32.h"
#include "mmioprobes.h"
#include "multiboot.h"
#include "paging.h"
#include "trap.h"

#define MMIO_4G	     0x100000000ull
#define MMIO_PF	     14
#define MMIO_PF_RSVD 8 /* error code: a reserved bit was set in a paging entry */
#define MMIO_FILL    0x5a

extern char image_start[], trap_table_end[];

static const char *mmio_select = "";
static uint64_t mmio_ones = ~0ull;
static unsigned int mmio_failures;

static void mmio_fail(const char *what, uint64_t physical)
{
	printf("mmiowild: %s failed at %#lx\n", what, physical);
	mmio_failures++;
}

/* The map's entry that PHYSICAL lies in, NULL if it says nothing about it. */
static const struct multiboot_mmap *mmio_describe(uint64_t physical)
{
	const struct multiboot_mmap *m = NULL;

	while ((m = multiboot_mmap_next(m)))
		if (physical >= m->addr && physical - m->addr < m->len)
			break;
	return m;
}

/* Runs all selected instructions at PHYSICAL. Where something may answer, CHECK is false. */
static void mmio_probe(uint64_t physical, bool check)
{
	volatile void *p = page_map_window(physical, 1ull << page_physical_bits());
	const struct mmio_probe *probe = NULL;

	while ((probe = mmio_probe_next(probe))) {
		unsigned int traps = trap_last.count;

		if (!strstr(probe->name, mmio_select) || physical % probe->align)
			continue;
		if (probe->run(p, mmio_ones) || !check)
			continue;
		if (trap_last.count != traps)
			printf("mmiowild: exception %u: ", trap_last.vector);
		mmio_fail(probe->name, physical);
	}
}

/* The first address behind RAM, and behind what the map describes just after it. */
static uint64_t mmio_behind_ram(uint64_t limit)
{
	uint64_t end = multiboot_ram_end(limit);
	const struct multiboot_mmap *m;

	while ((m = mmio_describe(end)))
		end = m->addr + m->len;
	return end;
}

/* Nothing should answer at PHYSICAL, unless the memory map says otherwise. */
static void mmio_probe_nobody(uint64_t physical)
{
	const struct multiboot_mmap *m = mmio_describe(physical);

	if (!m || m->type != MULTIBOOT_AVAILABLE)
		mmio_probe(physical, !m);
}

/* Eight bytes of which the first four are RAM's last and the others nobody's. */
static void mmio_probe_edge(uint64_t end)
{
	volatile uint32_t *ram = page_map_window(end - 4, ~0ull);
	volatile uint64_t *both = (volatile uint64_t *)ram;
	uint32_t saved = *ram;

	*ram = 0x12345678;
	if (*ram != 0x12345678)
		return; /* not RAM, but something reserved */
	if (*both != (mmio_ones << 32 | 0x12345678))
		mmio_fail("read across the end of RAM", end - 4);
	*both = 0x1122334455667788;
	if (*ram != 0x55667788)
		mmio_fail("write across the end of RAM", end - 4);
	*ram = saved;
}

/* A paging entry with a bit beyond the address width is the processor's own fault to find. */
static void mmio_probe_beyond(unsigned int bits)
{
	volatile uint64_t *p;
	unsigned int traps = trap_last.count;

	if (bits >= 52)
		return;
	p = page_map_window(1ull << bits, 0);
	__asm__ volatile(TRAP_SKIP("mov (%0), %%rax") : : "r"(p) : "rax", "memory");
	if (trap_last.count == traps || trap_last.vector != MMIO_PF ||
	    !(trap_last.error & MMIO_PF_RSVD))
		mmio_fail("reserved-bit page fault", 1ull << bits);
}

static void mmio_probe_all(void)
{
	uint64_t top = 1ull << page_physical_bits(), low = mmio_behind_ram(MMIO_4G);
	uint64_t high = mmio_behind_ram(top) > MMIO_4G ? mmio_behind_ram(top) : MMIO_4G;
	/* behind RAM: start, odd, across pages; holes beside the APICs; behind 4 GiB; the top */
	const uint64_t nobody[] = { low,	low + 0x1003, low + 0x1ffd,  0xd0000000,
				    0xfebffff0, 0xfec01000,   0xfedffff0,    0xfef00000,
				    0xfffbfff0, high,	      high + 0x1ffd, top - 0x200000,
				    top - 16 };
	const uint64_t somebody[] = { 0xfec00000, 0xfec00010, 0xfec00ffd,  0xfee00030,	0xfee00ff0,
				      0xfee00ffd, 0xfee01000, MMIO_4G - 4, MMIO_4G - 16 };
	size_t i;

	for (i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
		mmio_probe_nobody(nobody[i]);
	for (i = 0; i < sizeof(somebody) / sizeof(somebody[0]); i++)
		mmio_probe(somebody[i], false);
	if (low < MMIO_4G)
		mmio_probe_edge(low);
	mmio_probe_beyond(page_physical_bits());
}

int main(int argc, char **argv)
{
	static char canary[65536];
	size_t text = (size_t)(trap_table_end - image_start);
	uint32_t before = crc32(image_start, text), fill;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "zeros"))
			mmio_ones = 0;
		else
			mmio_select = argv[i];
	}
	memset(canary, MMIO_FILL, sizeof(canary));
	fill = crc32(canary, sizeof(canary));
	mmio_probe_all();
	if (crc32(image_start, text) != before || crc32(canary, sizeof(canary)) != fill)
		mmio_fail("memory left alone", (uintptr_t)image_start);
	printf("mmiowild: %u failures\n", mmio_failures);
	return mmio_failures ? 1 : 0;
}
