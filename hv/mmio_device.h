/* Accesses of guest-physical addresses that are no RAM: by whichever device has them. */
#ifndef NEAP_HV_MMIO_DEVICE_H
#define NEAP_HV_MMIO_DEVICE_H

#include "hv/vcpu.h"
#include "hv/vm.h"

#define MMIO_LAPIC_PAGE 0xfee00ull /* gfn of the default APIC base */

/* Whether that is the vCPU's local APIC, which is memory in xAPIC mode only. */
static force_inline bool mmio_is_lapic(const struct vcpu *v, gpa_t gpa)
{
	return gpa_to_gfn(gpa).v == MMIO_LAPIC_PAGE && lapic_mode(&v->lapic) == LAPIC_MODE_XAPIC;
}

/* size is 1, 2, 4 or 8 bytes, in one page; the value is zero-extended. vCPU's own thread. */
static force_inline u64 mmio_device_read(struct vcpu *v, gpa_t gpa, unsigned size)
{
	if (mmio_is_lapic(v, gpa))
		return lapic_mmio_read(&v->lapic, (u32)gpa.v & 0xfff, size);
	return io_bus_read(&v->vm->mmio, gpa.v, size);
}

/* Bits of value beyond size are not looked at. */
static force_inline void mmio_device_write(struct vcpu *v, gpa_t gpa, unsigned size, u64 value)
{
	if (mmio_is_lapic(v, gpa))
		lapic_mmio_write(&v->lapic, (u32)gpa.v & 0xfff, size, value);
	else
		io_bus_write(&v->vm->mmio, gpa.v, size, value);
}

#endif
