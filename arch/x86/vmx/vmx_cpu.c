#include "arch/x86/vmx/vmx_cpu.h"

#include <errno.h>

#include "arch/x86/cpu.h"
#include "arch/x86/vmx/caps.h"
#include "arch/x86/vmx/vmcs.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/percpu.h"
#include "mm/frame.h"
#include "mm/phys.h"

#define INVEPT_SINGLE  1ull
#define INVEPT_ALL     2ull
#define INVVPID_SINGLE 1ull

hpa_t vmx_alloc_region(void)
{
	hpa_t a = frame_alloc_zeroed(0);

	if (a.v)
		*(u32 *)phys_to_virt(a) = vmx_caps.revision;
	return a;
}

static bool vmxon(hpa_t region)
{
	bool failed;

	__asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");
	return !failed;
}

/* SDM vol. 3 24.7: the lock bit must be set before VMXON; firmware may have left it open. */
static void unlock_feature_control(void)
{
	u64 fc = rdmsr(MSR_FEATURE_CONTROL);

	if (!(fc & FEATURE_LOCKED))
		wrmsr(MSR_FEATURE_CONTROL, fc | FEATURE_LOCKED | FEATURE_VMX);
}

int vmx_cpu_init(void)
{
	hpa_t region = vmx_alloc_region();

	if (!region.v)
		return -ENOMEM;
	unlock_feature_control();
	write_cr0((read_cr0() | vmx_caps.cr0_fixed0) & vmx_caps.cr0_fixed1);
	write_cr4((read_cr4() | CR4_VMXE | vmx_caps.cr4_fixed0) & vmx_caps.cr4_fixed1);
	if (!vmxon(region)) {
		log_error("vmx: VMXON is refused on CPU %u", this_cpu()->id);
		frame_free(region, 0);
		return -ENODEV;
	}
	vmx_invept(0);
	return 0;
}

void vmcs_access_failed(u32 field, u32 write)
{
	/* The instruction error is itself a field: not read here, it may be what fails. */
	panic("vmx: %s of field 0x%x failed", write ? "VMWRITE" : "VMREAD", field);
}

void vmx_vmclear(hpa_t vmcs)
{
	bool failed;

	__asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs.v) : "memory");
	if (failed)
		panic("vmx: VMCLEAR of 0x%lx failed", vmcs.v);
}

void vmx_vmptrld(hpa_t vmcs)
{
	bool failed;

	__asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs.v) : "memory");
	if (failed)
		panic("vmx: VMPTRLD of 0x%lx failed", vmcs.v);
}

void vmx_invept(u64 eptp)
{
	struct {
		u64 eptp, reserved;
	} d = { eptp, 0 };
	bool failed, single = eptp && (vmx_caps.ept_vpid & EPT_CAP_INV_SINGLE);

	__asm__ volatile("invept %1, %2"
			 : "=@ccbe"(failed)
			 : "m"(d), "r"(single ? INVEPT_SINGLE : INVEPT_ALL)
			 : "memory");
	if (failed)
		panic("vmx: INVEPT failed");
}

void vmx_invvpid(u16 vpid)
{
	struct {
		u64 vpid, address;
	} d = { vpid, 0 };
	bool failed;

	__asm__ volatile("invvpid %1, %2"
			 : "=@ccbe"(failed)
			 : "m"(d), "r"(INVVPID_SINGLE)
			 : "memory");
	if (failed)
		panic("vmx: INVVPID of VPID %u failed", vpid);
}
