/* Physical memory for tests of what lives in it: the "direct map" is an area of the host's memory.
 */
#ifndef NEAP_MM_PHYS_H
#define NEAP_MM_PHYS_H

#include "core/types.h"

/* Where physical address 0 is; see shim_phys_init(). */
extern char *shim_phys;

static inline void *phys_to_virt(hpa_t a)
{
	return shim_phys + a.v;
}

static inline hpa_t virt_to_phys(const void *p)
{
	return HPA((u64)((const char *)p - shim_phys));
}

/* A test that needs these supplies them. */
void *phys_map_device(hpa_t base, u64 size) __must_check;
void *phys_map_framebuffer(hpa_t base, u64 size) __must_check;
const void *phys_map_table(hpa_t base, u64 size) __must_check;

#endif
