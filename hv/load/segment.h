/* A piece of a kernel file that goes to a fixed place in guest memory. Private to hv/load. */
#ifndef NEAP_HV_LOAD_SEGMENT_H
#define NEAP_HV_LOAD_SEGMENT_H

#include "hv/load/job.h"

struct segment {
	u64 offset, file_size; /* bytes of the file, from the offset on */
	u64 addr, mem_size;    /* where they go; what is more than file_size is zeroed */
};

/*
 * Claims the room and fills it. file_size <= mem_size; offset and addr below 2^33. Errors are
 * logged: -ENOEXEC, the file is too short; -ENOSPC, no RAM there; -EFAULT.
 */
int segment_load(struct load_job *job, const u8 *file, const struct segment *seg) __must_check;

#endif
