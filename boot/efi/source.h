/* Where the manifest and the modules are read from: a volume, or a TFTP server. */
#ifndef NEAP_BOOT_EFI_SOURCE_H
#define NEAP_BOOT_EFI_SOURCE_H

#include "boot/efi/efi_lib.h"

/* Longest path: directory of the boot file, "boot/modules/", name. */
#define SOURCE_PATH_MAX 400

struct loaded_file {
	u64 base, size; /* in pages of its own */
};

/* A place where things may lie; paths without a slash in front. */
struct layout {
	const char *modules; /* directory, with its slash; the manifest is in it */
	const char *cmdline; /* file with Neap's command line */
};

struct source {
	/*
	 * Reads a whole file into memory of its own. path has slashes between its parts and none in
	 * front. EFI_NOT_FOUND: there is no such file; EFI_OUT_OF_RESOURCES: no memory for it.
	 * Prints nothing; out is then of no use.
	 */
	EFI_STATUS (*load)(struct source *source, const char *path, struct loaded_file *out);
	const char *root;	    /* printed before a path */
	const struct layout *place; /* where things are looked for, in this order */
	unsigned places;
};

/*
 * The file system on the device that we were loaded from, also iPXE's with its images in it; NULL:
 * it has none.
 */
struct source *source_volume(EFI_HANDLE device);

/* The server that we were loaded from over the network; NULL: we were not, or not by IPv4. */
struct source *source_server(EFI_HANDLE device);

#endif
