/*
 * Reference time (TLFS, "Timers"): a counter, and a page by which the guest computes it from its
 * TSC. A guest's TSC begins at 0 when its VM starts, and so does this time: the offset is 0.
 */
#include <errno.h>

#include "core/time.h"
#include "hv/hyperv/hyperv.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

#define UNITS_PER_SECOND 10000000ull

/* HV_REFERENCE_TSC_PAGE. time = (tsc * scale >> 64) + offset; sequence 0: not valid. */
struct tsc_page {
	u32 sequence, reserved;
	u64 scale;
	s64 offset;
};

/* 2^64 * UNITS_PER_SECOND / hz; 0 where that has more than 64 bits. */
static u64 scale_of(u64 hz)
{
	u64 quotient, remainder;

	if (hz <= UNITS_PER_SECOND)
		return 0;
	__asm__("divq %4"
		: "=a"(quotient), "=d"(remainder)
		: "a"(0ull), "d"(UNITS_PER_SECOND), "r"(hz)
		: "cc");
	return quotient;
}

u64 hyperv_reference_time(const struct vm *vm)
{
	u64 tsc = guest_tsc_scale(&vm->tsc, time_now()) + vm->tsc_offset;
	u64 scale = scale_of(vm->tsc.hz);

	if (!scale)
		return time_muldiv(tsc, UNITS_PER_SECOND, vm->tsc.hz);
	return (u64)((unsigned __int128)tsc * scale >> 64);
}

static int show_page(struct vm *vm, gfn_t gfn)
{
	struct tsc_page page = { .scale = scale_of(vm->tsc.hz) };

	page.sequence = page.scale && !vm->hyperv.tsc_moved;
	return overlay_show(vm, &vm->hyperv.tsc_page, gfn, &page, sizeof(page));
}

int hyperv_write_reference_tsc(struct vm *vm, u64 value)
{
	struct hyperv *h = &vm->hyperv;

	if (!(value & HYPERV_PAGE_ENABLED))
		overlay_hide(vm, &h->tsc_page);
	else if (show_page(vm, GFN(value >> PAGE_SHIFT)))
		return -EIO;
	h->reference_tsc = value;
	return 0;
}

/* The page has one scale and offset for all vCPUs. From here on guests use the counter. */
void hyperv_tsc_moved(struct vcpu *v)
{
	struct hyperv *h = &v->vm->hyperv;

	if (!h->on || v->tsc_offset == v->vm->tsc_offset)
		return;
	spin_lock(&h->lock);
	h->tsc_moved = true;
	if (h->tsc_page.shown && show_page(v->vm, h->tsc_page.gfn))
		h->tsc_page.shown = false;
	spin_unlock(&h->lock);
}
