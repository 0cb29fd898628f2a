#include "boot/backend_select.h"

#include <errno.h>

#include "arch/x86/cpu.h"
#include "core/log.h"
#include "hv/backend.h"

#define CPUID1_ECX_HYPERVISOR BIT(31)

/* What a person can change about a processor that offers neither. */
static void say_what_to_change(void)
{
	const struct cpu_features *f = &cpu_features;

	log_error("virtualization: this processor offers neither VMX (Intel VT-x) nor SVM (AMD-V)");
	if (cpuid(1, 0).ecx & CPUID1_ECX_HYPERVISOR)
		log_error("virtualization: it is a virtual machine's: switch on nested "
			  "virtualization "
			  "in its hypervisor (QEMU with KVM: -cpu host; without: -cpu max)");
	else if (f->intel)
		log_error(
			"virtualization: if the processor has it, switch on \"Intel Virtualization "
			"Technology\" (VT-x) in the firmware's set-up");
	else if (f->amd)
		log_error("virtualization: if the processor has it, switch on \"SVM Mode\" (AMD-V) "
			  "in "
			  "the firmware's set-up");
}

int backend_select(void)
{
	if (cpu_features.svm)
		backend = &svm_backend;
	else if (cpu_features.vmx)
		backend = &vmx_backend;
	if (backend)
		return backend->probe();
	say_what_to_change();
	return -ENODEV;
}
