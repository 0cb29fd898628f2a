/*
 * Guest memory as the loaders and devices see it: copies by guest-physical address, checked
 * against the slots that back the guest. Unit tests supply their own.
 */
#ifndef NEAP_HV_GUEST_MEM_H
#define NEAP_HV_GUEST_MEM_H

#include "core/types.h"

struct vm;

/*
 * Copies n bytes; the range may cross pages and slots. 0, or -EFAULT when any byte has no RAM
 * behind it, or is written where the slot is read-only, or the slot is about to go (then nothing
 * may be relied on). Any context that RCU calls a reader; long copies by a worker open interrupt
 * windows.
 */
int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t n) __must_check;
int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t n) __must_check;
int guest_mem_zero(struct vm *vm, gpa_t gpa, size_t n) __must_check;

#endif
