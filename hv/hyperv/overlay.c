#include "hv/hyperv/overlay.h"

#include <errno.h>

#include "hv/guest_mem.h"
#include "mm/heap.h"

int overlay_init(struct overlay *o)
{
	*o = (struct overlay){ .kept = heap_alloc(PAGE_SIZE) };
	return o->kept ? 0 : -ENOMEM;
}

void overlay_fini(struct overlay *o)
{
	heap_free(o->kept);
	o->kept = NULL;
}

void overlay_hide(struct vm *vm, struct overlay *o)
{
	if (!o->shown)
		return;
	o->shown = false;
	/* It was RAM when it was shown. Should it be none any more there is nothing to give back.
	 */
	if (guest_mem_write(vm, gfn_to_gpa(o->gfn), o->kept, PAGE_SIZE))
		return;
}

static bool is_ram(struct vm *vm, gfn_t gfn)
{
	u64 word;

	return gfn.v <= UINT64_MAX >> PAGE_SHIFT &&
	       guest_mem_read(vm, gfn_to_gpa(gfn), &word, sizeof(word)) == 0;
}

int overlay_show(struct vm *vm, struct overlay *o, gfn_t gfn, const void *bytes, size_t n)
{
	gpa_t gpa = gfn_to_gpa(gfn);

	if (!is_ram(vm, gfn))
		return -EFAULT;
	overlay_hide(vm, o);
	if (guest_mem_read(vm, gpa, o->kept, PAGE_SIZE) || guest_mem_zero(vm, gpa, PAGE_SIZE) ||
	    guest_mem_write(vm, gpa, bytes, n))
		return -EFAULT;
	o->gfn = gfn;
	o->shown = true;
	return 0;
}
