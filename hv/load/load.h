/* Puts a guest's kernel and what belongs to it into the guest's memory. */
#ifndef NEAP_HV_LOAD_LOAD_H
#define NEAP_HV_LOAD_LOAD_H

#include "core/types.h"
#include "hv/config.h"
#include "hv/load/memmap.h"
#include "hv/start_state.h"

struct vm;

/* One boot module's bytes; they stay unchanged while a guest is loaded from them. */
struct load_source {
	const void *data; /* NULL: there is none */
	u64 size;	  /* bytes */
	const char *name;
};

struct load_images {
	struct load_source kernel;
	struct load_source initrd; /* data NULL: none */
	unsigned module_count;	   /* at most VM_MODULE_MAX, as in the vm_config */
	struct load_source module[VM_MODULE_MAX];
};

/*
 * Loads the guest and says how its first vCPU starts. The kernel's format is found by its magic:
 * a Linux bzImage or a multiboot (version 1) kernel. The VM's memory must be there (map->ram) and
 * not be in use by vCPUs. Three words of the BIOS data area are set. Guest memory that
 * nothing is loaded to is not touched; map's two ACPI areas stay free, and map->rsdp is passed on.
 *
 * A worker's context: takes as long as copying the images does. Errors, each logged with the VM's
 * and the module's name, what was found and what was expected:
 *   -ENOEXEC  not a kernel, a kind not supported, or a damaged one
 *   -EINVAL   the configuration does not suit the kernel (initrd or modules it cannot have)
 *   -E2BIG    the command line is longer than the kernel accepts
 *   -ENOSPC   the guest has too little memory, or not where the kernel wants it
 *   -ENOMEM   the hypervisor's heap is exhausted
 *   -EFAULT   the guest's memory is not there
 * After an error the guest's memory may hold parts of the images; nothing else remains of it.
 */
int load_guest(struct vm *vm, const struct vm_config *cfg, const struct load_images *images,
	       const struct guest_memmap *map, struct start_state *out) __must_check;

#endif
