/* What can be told of an initrd without unpacking it. Private to hv/load. */
#ifndef NEAP_HV_LOAD_INITRD_H
#define NEAP_HV_LOAD_INITRD_H

#include "hv/load/job.h"

/*
 * Looks at the formats the Linux kernel unpacks. -EINVAL (logged): empty, or an uncompressed cpio
 * archive that is cut short. An unknown format is only warned of: it may be a file system image.
 * A cut in compressed data is left for the guest to find, since that takes unpacking it.
 */
int initrd_check(const struct load_job *job, const struct load_source *src) __must_check;

#endif
