#include "fault.h"

#include "core/percpu.h"

/* Each is its CPU's own. */
static struct fault {
	struct thread *thread;
	u32 left;
	bool happened;
} faults[CPU_MAX];

void fault_set(struct thread *thread, u32 n)
{
	faults[this_cpu()->id] = (struct fault){ thread, n, false };
}

bool fault_end(void)
{
	struct fault *f = &faults[this_cpu()->id];

	f->thread = NULL;
	return f->happened;
}

static bool fails(void)
{
	struct fault *f = percpu_ready() ? &faults[this_cpu()->id] : NULL;

	if (!f || !f->thread || f->thread != sched_current() || !f->left || --f->left)
		return false;
	return f->happened = true;
}

/* Within a file calls are not wrapped: frame_alloc_zeroed()'s of frame_alloc(), for one. */
hpa_t __real_frame_alloc(unsigned order);
hpa_t __wrap_frame_alloc(unsigned order);
hpa_t __wrap_frame_alloc(unsigned order)
{
	return fails() ? HPA(0) : __real_frame_alloc(order);
}

hpa_t __real_frame_alloc_zeroed(unsigned order);
hpa_t __wrap_frame_alloc_zeroed(unsigned order);
hpa_t __wrap_frame_alloc_zeroed(unsigned order)
{
	return fails() ? HPA(0) : __real_frame_alloc_zeroed(order);
}

void *__real_heap_alloc(size_t n);
void *__wrap_heap_alloc(size_t n);
void *__wrap_heap_alloc(size_t n)
{
	return fails() ? NULL : __real_heap_alloc(n);
}

void *__real_kstack_alloc(void);
void *__wrap_kstack_alloc(void);
void *__wrap_kstack_alloc(void)
{
	return fails() ? NULL : __real_kstack_alloc();
}
