/* What the manifest says of one VM. Plain data, owned by the VM built from it. */
#ifndef NEAP_HV_CONFIG_H
#define NEAP_HV_CONFIG_H

#include "core/cpu_set.h"
#include "core/types.h"

#define VM_NAME_MAX	     32
#define VM_CMDLINE_MAX	     1024
#define VM_MODULE_MAX	     8 /* multiboot modules of one guest */
#define VM_MAX_CPUS	     4096
#define MANIFEST_VM_MAX	     32 /* VMs in one manifest */
#define MODULE_NAME_MAX	     64
#define VM_WEIGHT_DEFAULT    100
#define VM_WEIGHT_MAX	     1000
#define VM_PREFETCH_DEFAULT  16
#define VM_TSC_STEP	     1000	     /* Hz; CPUID tells the frequency in kHz */
#define VM_TSC_MIN	     1000000ull	     /* 1 MHz */
#define VM_TSC_MAX	     100000000000ull /* 100 GHz */
#define VM_MIN_MEMORY	     (1 * MIB)
#define VM_MAX_MEMORY	     (1ull << 40)
#define VM_MAX_REBOOTS	     1000000u
#define VM_REBOOTS_UNLIMITED UINT32_MAX
_Static_assert(VM_MAX_REBOOTS < VM_REBOOTS_UNLIMITED, "no number means without end");

/* When the VM's memory is mapped. Its frames are there from the start. */
enum vm_populate {
	VM_POPULATE_EAGER,   /* all of it before it starts */
	VM_POPULATE_LAZY,    /* at the first touch, in the largest pages */
	VM_POPULATE_LAZY_4K, /* the same, in pages of 4 KiB */
};

struct vm_module_ref {
	char name[MODULE_NAME_MAX];   /* boot module */
	char cmdline[VM_CMDLINE_MAX]; /* its string for a multiboot guest; the name if none given */
};

struct vm_config {
	char name[VM_NAME_MAX];
	unsigned cpus;
	u32 weight;		   /* of each vCPU: its part where vCPUs compete for a processor */
	bool processors_given;	   /* the next one is the manifest's, and has to be there */
	struct cpu_set processors; /* where the vCPUs may run; not empty */
	u64 memory;		   /* bytes, a multiple of PAGE_SIZE */
	enum vm_populate populate;
	u32 prefetch; /* pages mapped beside one that is touched; MAX_PTE_PREFETCH */
	u64 tsc_hz;   /* a multiple of VM_TSC_STEP; 0: the processor's */
	char kernel[MODULE_NAME_MAX];
	char initrd[MODULE_NAME_MAX]; /* empty: none */
	char cmdline[VM_CMDLINE_MAX];
	unsigned module_count;
	struct vm_module_ref module[VM_MODULE_MAX];
	/* Devices; all of the board's timers and interrupt controllers are always there. */
	bool uart;	      /* 16550 at 0x3f8, default on */
	bool debug_exit;      /* isa-debug-exit at 0xf4, default on */
	bool test_hypercalls; /* hv/slot_call.h, default off */
	/* Hyper-V enlightenments, default off; VP indexes by the vCPU's number, none: the number.
	 */
	bool hyperv;
	unsigned vp_index_count; /* 0, or cpus */
	bool vp_index_reversed;
	u16 vp_index[VM_MAX_CPUS];
	u32 reboots;   /* restarts after a reset: as many, or VM_REBOOTS_UNLIMITED, the default */
	unsigned line; /* of the [vm] header in the manifest, for messages */
};

#endif
