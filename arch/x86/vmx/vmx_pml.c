/*
 * Page-modification logging (SDM vol. 3 29.3.6). The processor writes an address for each dirty bit
 * that it sets, from the end of a page to its beginning, and exits when there is no place left,
 * before the write that would need one. The index is the next place to be written.
 */
#include <errno.h>

#include "arch/x86/vmx/vmx_vcpu.h"
#include "hv/mmu/dirty_log.h"
#include "mm/frame.h"
#include "mm/phys.h"

#define PML_ENTRIES 512u
_Static_assert(PML_ENTRIES * sizeof(u64) == PAGE_SIZE, "the log is a page");

int vmx_pml_init(struct vcpu *v)
{
	hpa_t page;

	if (!vmx_caps.pml)
		return 0;
	page = frame_alloc(0);
	if (!page.v)
		return -ENOMEM;
	vmx_of(v)->pml = phys_to_virt(page);
	return 0;
}

void vmx_pml_fini(struct vcpu *v)
{
	if (vmx_of(v)->pml)
		frame_free(virt_to_phys(vmx_of(v)->pml), 0);
}

void vmx_pml_reset(struct vcpu *v)
{
	struct vmx_vcpu *x = vmx_of(v);

	if (!vmx_caps.pml)
		return;
	if (x->pml_used) {
		/* An INIT: what was written before it is not forgotten. */
		vmx_pml_drain(v);
		return;
	}
	x->pml_used = true;
	vmcs_write64(VMCS_PML_ADDRESS, virt_to_phys(x->pml).v);
	vmcs_write16(VMCS_PML_INDEX, PML_ENTRIES - 1);
}

void vmx_pml_drain(struct vcpu *v)
{
	const struct vmx_vcpu *x = vmx_of(v);
	struct slot_cache cache = { 0 };
	u32 next;

	if (!vmx_caps.pml || !x->current || !x->pml_used)
		return;
	next = vmcs_read16(VMCS_PML_INDEX);
	if (likely(next == PML_ENTRIES - 1))
		return;
	/* A full log's index has gone below 0. */
	next = next < PML_ENTRIES ? next + 1 : 0;
	for (; next < PML_ENTRIES; next++)
		dirty_log_mark_gfn(v->vm, &cache, gpa_to_gfn(GPA(x->pml[next])));
	vmcs_write16(VMCS_PML_INDEX, PML_ENTRIES - 1);
}
