#ifndef GUEST_PAGING_H
#define GUEST_PAGING_H

#include <stdint.h>

#define PAGE_SIZE_2M 0x200000ull

/* Makes the 4 KiB page at ADDRESS, below 2 MiB, fault. */
void page_forbid(uintptr_t address);

/*
 * Sets the entry of the 4 KiB page at ADDRESS, below 2 MiB, which all processors share; no TLB is
 * flushed.
 */
void page_set_low(uintptr_t address, uint64_t entry);

/*
 * Maps the 2 MiB page that PHYSICAL is in, and the one behind it unless it begins at or above
 * LIMIT, and returns PHYSICAL's virtual address. One such window exists: the next call moves it.
 * PHYSICAL may be any number below 2^52, also one the processor must refuse.
 */
volatile void *page_map_window(uint64_t physical, uint64_t limit);

/* The processor's physical address width in bits (CPUID 0x80000008). */
unsigned int page_physical_bits(void);

#endif
