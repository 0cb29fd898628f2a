#include "hv/load/segment.h"

#include <errno.h>

#include "hv/guest_mem.h"

int segment_load(struct load_job *job, const u8 *file, const struct segment *seg)
{
	u64 size = job->images->kernel.size;
	int err;

	if (seg->offset > size || seg->file_size > size - seg->offset) {
		load_error(job, "truncated kernel of %lu bytes; expected %lu at least",
			   (unsigned long)size, (unsigned long)(seg->offset + seg->file_size));
		return -ENOEXEC;
	}
	err = place_claim(&job->place, seg->addr, seg->mem_size);
	if (err == -EFAULT) {
		load_error(job,
			   "needs %lu KiB at 0x%lx, where the VM has no RAM (memory = %lu KiB)",
			   (unsigned long)DIV_ROUND_UP(seg->mem_size, KIB),
			   (unsigned long)seg->addr, (unsigned long)(job->cfg->memory / KIB));
		return -ENOSPC;
	}
	if (err) {
		load_error(job, "its segments are in too many pieces; expected at most %u",
			   PLACE_USED_MAX);
		return -ENOEXEC;
	}
	if (seg->file_size)
		err = guest_mem_write(job->vm, GPA(seg->addr), file + seg->offset, seg->file_size);
	if (!err && seg->mem_size > seg->file_size)
		err = guest_mem_zero(job->vm, GPA(seg->addr + seg->file_size),
				     seg->mem_size - seg->file_size);
	return err ? load_copy_failed(job, "the kernel", err) : 0;
}
