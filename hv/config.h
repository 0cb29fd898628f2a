/* What the manifest says of one VM. Plain data, owned by the VM built from it. */
#ifndef NEAP_HV_CONFIG_H
#define NEAP_HV_CONFIG_H

#include "core/types.h"

#define VM_NAME_MAX	32
#define VM_CMDLINE_MAX	1024
#define VM_MODULE_MAX	8 /* multiboot modules of one guest */
#define VM_MAX_CPUS	4096
#define MANIFEST_VM_MAX 32 /* VMs in one manifest */
#define MODULE_NAME_MAX 64
#define VM_MIN_MEMORY	(1 * MIB)
#define VM_MAX_MEMORY	(1ull << 40)

struct vm_module_ref {
	char name[MODULE_NAME_MAX];   /* boot module */
	char cmdline[VM_CMDLINE_MAX]; /* its string for a multiboot guest; the name if none given */
};

struct vm_config {
	char name[VM_NAME_MAX];
	unsigned cpus;
	u64 memory; /* bytes, a multiple of PAGE_SIZE */
	char kernel[MODULE_NAME_MAX];
	char initrd[MODULE_NAME_MAX]; /* empty: none */
	char cmdline[VM_CMDLINE_MAX];
	unsigned module_count;
	struct vm_module_ref module[VM_MODULE_MAX];
	/* Devices; all of the board's timers and interrupt controllers are always there. */
	bool uart;	 /* 16550 at 0x3f8, default on */
	bool debug_exit; /* isa-debug-exit at 0xf4, default on */
	/* Hyper-V enlightenments, default off; VP indexes by the vCPU's number, none: the number.
	 */
	bool hyperv;
	unsigned vp_index_count; /* 0, or cpus */
	bool vp_index_reversed;
	u16 vp_index[VM_MAX_CPUS];
	unsigned line; /* of the [vm] header in the manifest, for messages */
};

#endif
