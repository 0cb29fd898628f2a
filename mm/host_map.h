/*
 * The hypervisor's own address space, shared by all CPUs:
 *   ffff8000'00000000  direct map of RAM, not executable; the image's text and constants read-only
 *   ffffa000'00000000  devices, firmware tables, frame buffers (bump-allocated, never unmapped)
 *   ffffc000'00000000  stacks, each above an unmapped guard page
 *   ffffffff'80000000  the image: text executable and read-only, constants read-only, data not
 * executable
 */
#ifndef NEAP_MM_HOST_MAP_H
#define NEAP_MM_HOST_MAP_H

#include "core/types.h"

#define KSTACK_SIZE 16384

/*
 * Builds the address space from boot_info, switches to it and starts the frame allocator with all
 * free RAM. Boot CPU, once; panics when memory does not suffice for that.
 */
void host_map_init(void);

/* CR3 of the address space; below 4 GiB, so that a starting CPU can load it from 32-bit code. */
hpa_t host_map_root(void);

/* Low frame for the AP start-up code, below 1 MiB; mapped executable at its own address until
 * released. */
hpa_t host_map_trampoline(void) __must_check;
void host_map_trampoline_release(void);

/* A stack of KSTACK_SIZE bytes with a guard page below; returns its top, NULL when out of memory.
 */
void *kstack_alloc(void) __must_check;

/* Any context, on another stack; it is kept for the next one who wants one. */
void kstack_free(void *top);

/* Gives the memory of those kept to the frame allocator. Worker context, no locks held. */
void kstack_trim(void);

/* True when a is in some stack's guard page: the way a panic tells a stack overflow. */
bool kstack_is_guard(u64 a);

#endif
