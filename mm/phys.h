/*
 * Physical memory as the hypervisor reaches it. All RAM below the top of the boot memory map is in
 * the direct map (write-back, not executable); device memory is mapped on request.
 */
#ifndef NEAP_MM_PHYS_H
#define NEAP_MM_PHYS_H

#include "core/types.h"

#define PHYS_DIRECT_BASE 0xffff800000000000ull

/* Address of RAM (or firmware tables in RAM) in the direct map. */
static inline void *phys_to_virt(hpa_t a)
{
	return (void *)(PHYS_DIRECT_BASE + a.v);
}

/* The inverse, for pointers into the direct map only (frames and heap objects are there). */
static inline hpa_t virt_to_phys(const void *p)
{
	return HPA((u64)p - PHYS_DIRECT_BASE);
}

/*
 * Maps device registers uncached and returns their address, NULL when out of space. Never unmapped.
 * Boot CPU, at boot. size in bytes; base need not be aligned.
 */
void *phys_map_device(hpa_t base, u64 size) __must_check;

/* The same, write-combining: for frame buffers. */
void *phys_map_framebuffer(hpa_t base, u64 size) __must_check;

/*
 * Maps firmware tables write-back when they lie outside of the direct map, else returns the direct
 * map's address. NULL when out of space or when base+size wraps. Boot CPU, at boot.
 */
const void *phys_map_table(hpa_t base, u64 size) __must_check;

#endif
