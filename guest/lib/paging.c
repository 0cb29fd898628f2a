#include "paging.h"
#include "x86.h"

#define PAGE_WINDOW	  0x100000000ull /* just behind the identity map of start.S */
#define PAGE_WINDOW_PDPTE 4
#define PAGE_FLAGS_TABLE  0x03 /* present, writable */
#define PAGE_FLAGS_2M	  0x9b /* the same, uncached, a leaf */

extern volatile uint64_t page_pdpt[], page_low[];

static volatile uint64_t page_window[512] __attribute__((aligned(4096)));

void page_set_low(uintptr_t address, uint64_t entry)
{
	page_low[address >> 12] = entry;
}

void page_forbid(uintptr_t address)
{
	page_set_low(address, 0);
	page_invalidate(address);
}

volatile void *page_map_window(uint64_t physical, uint64_t limit)
{
	uint64_t base = physical & ~(PAGE_SIZE_2M - 1);

	page_window[0] = base | PAGE_FLAGS_2M;
	page_window[1] = base + PAGE_SIZE_2M < limit ? (base + PAGE_SIZE_2M) | PAGE_FLAGS_2M : 0;
	page_pdpt[PAGE_WINDOW_PDPTE] = (uintptr_t)page_window | PAGE_FLAGS_TABLE;
	page_invalidate(PAGE_WINDOW);
	page_invalidate(PAGE_WINDOW + PAGE_SIZE_2M);
	return (volatile void *)(PAGE_WINDOW + (physical - base));
}

unsigned int page_physical_bits(void)
{
	return cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
}
