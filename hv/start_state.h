/* The state in which a loader wants a guest's first vCPU to begin. */
#ifndef NEAP_HV_START_STATE_H
#define NEAP_HV_START_STATE_H

#include "hv/regs.h"

enum start_mode {
	START_PROT32, /* flat 32-bit protected mode, paging off */
	START_LONG64, /* 64-bit mode, cr3 gives identity-mapped page tables in guest memory */
};

/* Segments are flat with these selectors; the loader writes a matching GDT at gdt_base. */
#define START_CS 0x10
#define START_DS 0x18

struct start_state {
	enum start_mode mode;
	u64 rip;
	u64 cr3;
	u64 gdt_base; /* guest-physical */
	u32 gdt_limit;
	struct guest_regs regs;
};

#endif
