/* A virtual machine. */
#ifndef NEAP_HV_VM_H
#define NEAP_HV_VM_H

#include "core/log.h"
#include "core/spinlock.h"
#include "hv/config.h"
#include "hv/console.h"
#include "hv/cpuid.h"
#include "hv/dev/apic_bus.h"
#include "hv/dev/board.h"
#include "hv/guest_tsc.h"
#include "hv/hyperv/hyperv.h"
#include "hv/io_bus.h"
#include "hv/load/memmap.h"
#include "hv/mmu/shootdown.h"
#include "hv/mmu/tdp.h"
#include "hv/slot_call.h"
#include "hv/slots.h"
#include "hv/start_state.h"
#include "hv/vcpu_table.h"
#include "mm/ptab.h"

/* How a VM came to its end. */
enum vm_end_kind { VM_END_POWER_OFF, VM_END_RESET, VM_END_DEBUG_EXIT, VM_END_KILLED };

/* Exit statuses of Neap's own; those from the debug-exit port are odd, these are even. */
#define VM_STATUS_KILLED      2
#define VM_STATUS_NOT_STARTED 4
#define VM_STATUS_REBOOTS     8 /* more resets than it may have; 6 is the boot's */

enum vm_state { VM_BUILDING, VM_RUNNING, VM_STOPPING, VM_ENDED };

struct vm {
	struct vm_config *config;
	u32 id;		      /* 1, 2, ... in the manifest's order */
	enum log_level level; /* of lines that say how it gets on; errors are errors */
	u32 state;	      /* enum vm_state, atomic */
	u32 exit_status;
	enum vm_end_kind end_kind; /* these three: set by whoever moves state to VM_STOPPING */
	const char *end_reason;	   /* static string */
	struct start_state start;  /* of the first vCPU */
	struct vcpu_table vcpus;
	u32 running_vcpus; /* atomic: threads not yet ended */
	struct ptab tdp;
	struct tdp_leaves leaves;   /* of tdp; fixed once built */
	u32 prefetch;		    /* atomic: hv/mmu/prefetch.h */
	struct shootdown shootdown; /* of tdp */
	struct guest_memmap memmap;
	struct slots slots;
	struct slot_call slot_call;
	hpa_t apic_access_page; /* the backend's: a frame mapped where the local APICs are */
	struct io_bus pio, mmio;
	struct cpuid_table cpuid;
	struct apic_bus apic_bus;
	struct board board;
	struct hyperv hyperv;
	u64 flush_ticket; /* atomic: flushes begun; see hv/vcpu_flush.h */
	u64 flush_all;	  /* the last ticket of a flush of all vCPUs; only grows */
	struct vm_console console;
	u64 start_tsc;
	struct guest_tsc tsc; /* fixed once built */
	u64 tsc_offset;	      /* every vCPU's at power-up: vm_start() */
	struct list node;     /* manager.c's list of ended VMs */
};

/*
 * Builds a VM from its manifest section; config stays the caller's and must outlive the VM. Worker
 * context. On success a line is logged at that level, which the VM keeps for what is said of it
 * later. On error a line has been logged and nothing is left behind: -ENOENT (a module is missing),
 * -ENOMEM, the loader's.
 */
int vm_create(struct vm_config *config, u32 id, enum log_level level, struct vm **out) __must_check;

/* Lets it run: its TSC starts from 0 here. Worker context, once. */
void vm_start(struct vm *vm);

/*
 * Frees everything it had, kernel stacks too: to the last frame. Its vCPUs' threads have ended, as
 * manager_vm_ended() tells, or were never started. Worker context; interrupts every CPU once.
 */
void vm_destroy(struct vm *vm);

/*
 * Ends a VM: every vCPU leaves the guest and its thread ends. reason is a static string for the
 * log. Any context; the first caller wins.
 */
void vm_stop(struct vm *vm, u32 status, enum vm_end_kind kind, const char *reason);

/* A fatal condition of the guest on this vCPU: prints the report, then vm_stop(). vCPU's own
 * thread. */
void vm_kill(struct vcpu *vcpu, const char *fmt, ...) __printf(2, 3);

/* The calls of vcpu.c when a vCPU's thread has left its stack for good: the last one hands the VM
 * to the manager. Any context. */
void vm_vcpu_ended(struct vm *vm);

#endif
