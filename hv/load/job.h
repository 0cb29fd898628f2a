/* What the loaders share while they load one guest. Private to hv/load. */
#ifndef NEAP_HV_LOAD_JOB_H
#define NEAP_HV_LOAD_JOB_H

#include "core/log.h"
#include "hv/load/load.h"
#include "hv/load/place.h"

struct load_job {
	struct vm *vm;
	const struct vm_config *cfg;
	const struct load_images *images;
	const struct guest_memmap *map;
	struct place place;
};

#define load_error(job, fmt, ...)                                                         \
	log_error("vm %s: kernel %s: " fmt, (job)->cfg->name, (job)->images->kernel.name, \
		  ##__VA_ARGS__)
#define load_warn(job, fmt, ...)                                                         \
	log_warn("vm %s: kernel %s: " fmt, (job)->cfg->name, (job)->images->kernel.name, \
		 ##__VA_ARGS__)
/* For another module than the kernel; kind is "initrd" or "module". */
#define load_source_error(job, kind, src, fmt, ...) \
	log_error("vm %s: %s %s: " fmt, (job)->cfg->name, (kind), (src)->name, ##__VA_ARGS__)
#define load_source_warn(job, kind, src, fmt, ...) \
	log_warn("vm %s: %s %s: " fmt, (job)->cfg->name, (kind), (src)->name, ##__VA_ARGS__)

/* Says that writing to the guest's memory failed, and returns err. */
int load_copy_failed(const struct load_job *job, const char *what, int err);

#endif
