#include "hv/guest_mem.h"

#include <errno.h>
#include <string.h>

#include "core/sched.h"
#include "hv/mmu/dirty_log.h"
#include "hv/vm.h"
#include "mm/phys.h"

/* Large copies are made in parts of this size at most, with a window after each. */
#define PART_MAX (2 * MIB)

enum copy_kind { COPY_READ, COPY_WRITE, COPY_ZERO };

/* Where gpa is, in which slot, with *left the bytes that follow it in host memory, too; NULL: not
 * to be had. */
static char *find(struct vm *vm, u64 gpa, enum copy_kind kind, const struct slot **slot, u64 *left)
{
	gfn_t gfn = gpa_to_gfn(GPA(gpa));
	struct slot_set *set = slots_active(&vm->slots);
	const struct slot *s = slot_set_find(set, gfn);
	const struct slot_extent *e;
	u64 offset;

	if (!s || (s->flags & SLOT_INVALID) || (kind != COPY_READ && (s->flags & SLOT_READ_ONLY)))
		return NULL;
	e = slot_backing_find(s->backing, gfn.v - s->base.v);
	offset = gpa - ((s->base.v + e->page) << PAGE_SHIFT);
	*slot = s;
	*left = MIN((e->pages << PAGE_SHIFT) - offset, PART_MAX);
	return (char *)phys_to_virt(hfn_to_hpa(e->frame)) + offset;
}

/* n > 0 bytes from gpa on, of this slot, have been written. */
static void mark(const struct slot *slot, u64 gpa, u64 n)
{
	if (likely(!slot->log))
		return;
	for (u64 gfn = gpa >> PAGE_SHIFT; gfn <= (gpa + n - 1) >> PAGE_SHIFT; gfn++)
		dirty_log_mark(slot, GFN(gfn));
}

static int copy(struct vm *vm, u64 gpa, void *in, const void *out, size_t n, enum copy_kind kind)
{
	while (n) {
		u64 left = 0;
		const struct slot *slot = NULL;
		char *p = find(vm, gpa, kind, &slot, &left);
		size_t part = MIN(left, n);

		if (!p)
			return -EFAULT;
		if (kind == COPY_READ)
			in = (char *)memcpy(in, p, part) + part;
		else if (kind == COPY_WRITE)
			out = (const char *)out + (memcpy(p, out, part), part);
		else
			memset(p, 0, part);
		if (kind != COPY_READ)
			mark(slot, gpa, part);
		gpa += part;
		n -= part;
		/* Nothing that was found is used behind it. Only workers copy more than a page: a
		 * vCPU does not leave its processor in the middle of an exit. */
		if (n && part >= PAGE_SIZE)
			sched_pause();
	}
	return 0;
}

int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t n)
{
	return copy(vm, gpa.v, buf, NULL, n, COPY_READ);
}

int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t n)
{
	return copy(vm, gpa.v, NULL, buf, n, COPY_WRITE);
}

int guest_mem_zero(struct vm *vm, gpa_t gpa, size_t n)
{
	return copy(vm, gpa.v, NULL, NULL, n, COPY_ZERO);
}
