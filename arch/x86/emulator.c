#include "arch/x86/emulator.h"

#include <string.h>

#include "arch/x86/acpi.h"
#include "arch/x86/cpu.h"

/* "TCGTCGTCGTCG", as a hypervisor names itself in the leaf that KVM and Hyper-V use, too. */
#define HYPERVISOR_LEAF 0x40000000
#define TCG_EBX		0x54474354
#define TCG_ECX		0x43544743
#define TCG_EDX		0x47435447

/* By the name of its firmware. QEMU has the same, but says in CPUID that it is one. */
bool emulator_is_bochs(void)
{
	return !strncmp(acpi_info.oem_id, "BOCHS", 5) && !(cpuid(1, 0).ecx & BIT(31));
}

bool emulator_is_tcg(void)
{
	struct cpuid_regs r;

	if (!(cpuid(1, 0).ecx & BIT(31)))
		return false;
	r = cpuid(HYPERVISOR_LEAF, 0);
	return r.ebx == TCG_EBX && r.ecx == TCG_ECX && r.edx == TCG_EDX;
}
