/* What CPUID says from leaf 0x40000000 on of a VM with the Hyper-V enlightenments. */
#ifndef NEAP_HV_HYPERV_HYPERV_CPUID_H
#define NEAP_HV_HYPERV_HYPERV_CPUID_H

#include "arch/x86/cpu.h"

#define HYPERV_CPUID_LEAVES 7

/* Leaves 0x40000000 + 0 .. HYPERV_CPUID_LEAVES - 1. Any context. */
void hyperv_cpuid_fill(struct cpuid_regs leaf[HYPERV_CPUID_LEAVES]);

#endif
