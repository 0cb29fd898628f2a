/*
 * What a guest may write into its control registers and EFER, whatever the processor makes of it:
 * the rules of the manuals over values as the guest sees them. Pure functions.
 */
#ifndef NEAP_HV_CR_H
#define NEAP_HV_CR_H

#include "core/types.h"

struct cpuid_table;

/* CR4 bits that go with the features the guest's CPUID offers; a write of another faults. */
u64 cr4_offered(const struct cpuid_table *t);

/* EFER bits, likewise. LMA is the processor's and not among them. */
u64 efer_offered(const struct cpuid_table *t);

/* MOV to CR0 (SDM vol. 2): `code64` when executed in 64-bit code. False: #GP(0). */
bool cr0_write_valid(u64 value, u64 old, u64 cr4, u64 efer, bool code64);

/* MOV to CR4. False: #GP(0). */
bool cr4_write_valid(u64 value, u64 old, u64 cr3, u64 efer, u64 offered);

/* WRMSR to EFER: *value becomes what the register then holds (LMA as it was). False: #GP(0). */
bool efer_write_valid(u64 *value, u64 old, u64 cr0, u64 offered);

/* WRMSR to IA32_PAT: each byte a memory type (SDM vol. 3 12.12.2). */
bool pat_valid(u64 value);

#endif
