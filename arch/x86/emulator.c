#include "arch/x86/emulator.h"

#include <string.h>

#include "arch/x86/acpi.h"
#include "arch/x86/cpu.h"

/* By the name of its firmware. QEMU has the same, but says in CPUID that it is one. */
bool emulator_is_bochs(void)
{
	return !strncmp(acpi_info.oem_id, "BOCHS", 5) && !(cpuid(1, 0).ecx & BIT(31));
}

bool emulator_is_tcg(void)
{
	struct cpuid_regs r = cpuid(0x40000000, 0);

	return (cpuid(1, 0).ecx & BIT(31)) && !memcmp(&r.ebx, "TCGTCGTCGTCG", 12);
}
