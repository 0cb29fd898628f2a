/*
 * CPUID as the guest sees it: a policy written as one table (hv/cpuid.c), evaluated once per VM
 * into an array that the exit looks up by leaf.
 */
#ifndef NEAP_HV_CPUID_H
#define NEAP_HV_CPUID_H

#include "arch/x86/cpu.h"

struct vcpu;

#define CPUID_BASIC_LEAVES 0x20 /* 0 .. 0x1f, 0x40000000 .. and 0x80000000 .. */
#define CPUID_MAX_ENTRIES  112
#define CPUID_HV_BASE	   0x40000000u
#define CPUID_NEAP_BEHIND  0x40000100u /* as hypervisors do whose own leaves are not the first */
#define CPUID_TIMING	   0x10u       /* from either, the leaf with frequencies */
#define CPUID_EXT_BASE	   0x80000000u

enum cpuid_dynamic {
	CPUID_STATIC,
	CPUID_LEAF1,	/* initial APIC id, OSXSAVE */
	CPUID_LEAF7,	/* OSPKE */
	CPUID_TOPOLOGY, /* x2APIC id */
	CPUID_XSTATE,	/* size for the XCR0 in force */
	CPUID_AMD_NODE, /* extended APIC id, core id */
};

struct cpuid_entry {
	struct cpuid_regs r;
	u32 subleaf;
	/* Both zero in the usual case, which is then one test. */
	union {
		struct {
			u8 more;    /* entries that follow for further subleaves of the same leaf */
			u8 dynamic; /* enum cpuid_dynamic */
		};
		u16 special;
	};
} __aligned(32); /* a shift away from its index */

struct cpuid_table {
	/* Index of the leaf's first entry in entry[]; entry[0] is the all-zero answer. */
	u8 basic[CPUID_BASIC_LEAVES], hv[CPUID_BASIC_LEAVES], ext[CPUID_BASIC_LEAVES];
	u8 behind[CPUID_BASIC_LEAVES]; /* CPUID_NEAP_BEHIND .. */
	u32 max_basic, max_ext;
	u32 count;
	struct cpuid_entry entry[CPUID_MAX_ENTRIES];
};
_Static_assert(CPUID_MAX_ENTRIES <= 256, "an index fits a byte");

/* Fills the table for a VM with that many vCPUs. has_* say what the backend can give. Boot or
 * worker. */
struct cpuid_limits {
	unsigned cpus;
	bool rdtscp, invpcid, xsaves;
	bool hyperv; /* Hyper-V's leaves; Neap's own signature is then in CPUID_NEAP_BEHIND */
	u64 tsc_hz;
};
void cpuid_table_init(struct cpuid_table *t, const struct cpuid_limits *limits);

/* The leaf's first entry; one that answers zero when there is none. */
static inline const struct cpuid_entry *cpuid_table_find(const struct cpuid_table *t, u32 leaf)
{
	if (likely(leaf < CPUID_BASIC_LEAVES))
		return &t->entry[t->basic[leaf]];
	if (leaf - CPUID_EXT_BASE < CPUID_BASIC_LEAVES)
		return &t->entry[t->ext[leaf - CPUID_EXT_BASE]];
	if (leaf - CPUID_HV_BASE < CPUID_BASIC_LEAVES)
		return &t->entry[t->hv[leaf - CPUID_HV_BASE]];
	if (leaf - CPUID_NEAP_BEHIND < CPUID_BASIC_LEAVES)
		return &t->entry[t->behind[leaf - CPUID_NEAP_BEHIND]];
	return &t->entry[0];
}

/* Feature tests for the MSR and register policies, from the table the guest sees. */
bool cpuid_table_has(const struct cpuid_table *t, u32 leaf, u32 subleaf, unsigned reg, u32 bits);
enum { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

#endif
