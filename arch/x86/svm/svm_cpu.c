#include "arch/x86/svm/svm_cpu.h"

#include <errno.h>

#include "arch/x86/cpu.h"
#include "arch/x86/svm/svm_caps.h"
#include "mm/frame.h"
#include "mm/heap.h"

#define TSC_RATIO_ONE BIT(32) /* 8.32 fixed point (APM vol. 2 15.30.5) */

static void cpu_fini(struct svm_cpu *c)
{
	if (c->host_save.v)
		frame_free(c->host_save, 0);
	if (c->host_vmcb.v)
		frame_free(c->host_vmcb, 0);
	heap_free(c);
}

static void switch_on(const struct svm_cpu *c)
{
	/* Off but not locked: firmware leaves the choice to us. */
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
		wrmsr(MSR_VM_CR, rdmsr(MSR_VM_CR) & ~VM_CR_SVMDIS);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, c->host_save.v);
	__asm__ volatile("vmsave %0" : : "a"(c->host_vmcb.v) : "memory");
}

/* The register acts in guests only. */
void svm_set_tsc_ratio(u64 ratio)
{
	struct svm_cpu *c = svm_this_cpu();

	ratio = ratio ? ratio : TSC_RATIO_ONE;
	if (!svm_caps.tsc_ratio || c->tsc_ratio == ratio)
		return;
	wrmsr(MSR_TSC_RATIO, ratio);
	c->tsc_ratio = ratio;
}

static void begin_generation(struct svm_cpu *c)
{
	c->generation++;
	c->next_asid = 1;
	c->flush_all = true;
}

int svm_cpu_init(void)
{
	struct svm_cpu *c = heap_alloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->host_save = frame_alloc_zeroed(0);
	c->host_vmcb = frame_alloc_zeroed(0);
	if (!c->host_save.v || !c->host_vmcb.v) {
		cpu_fini(c);
		return -ENOMEM;
	}
	begin_generation(c);
	this_cpu()->backend = c;
	switch_on(c);
	svm_set_tsc_ratio(TSC_RATIO_ONE);
	return 0;
}

u32 svm_asid_next(struct svm_cpu *c)
{
	if (c->next_asid >= svm_caps.asids)
		begin_generation(c);
	return c->next_asid++;
}

void svm_asid_forget(void)
{
	begin_generation(svm_this_cpu());
}
