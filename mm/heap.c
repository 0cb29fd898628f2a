#include "mm/heap.h"

#include <string.h>

#include "core/list.h"
#include "core/panic.h"
#include "core/spinlock.h"
#include "mm/frame.h"
#include "mm/phys.h"

/*
 * Small objects live in one-frame slabs of one size class. The slab's header is at the start of its
 * frame, so no small object is page-aligned; whole-frame objects always are: that tells them apart.
 */
static const u16 class_size[] = { 32, 64, 128, 256, 512, 1008, 2016 };
#define CLASS_COUNT ARRAY_SIZE(class_size)

struct slab {
	struct list node; /* in partial[class] while it has a free object */
	void *free;	  /* singly linked through the objects' first words */
	u16 class, used;
	u32 magic;
	u64 pad;
};
#define SLAB_MAGIC  0x534c4142u
#define SLAB_HEADER 64

_Static_assert(sizeof(struct slab) <= SLAB_HEADER, "the header fits");
_Static_assert(SLAB_HEADER + 2 * 2016 <= PAGE_SIZE, "two of the largest class fit a slab");
_Static_assert(SLAB_HEADER % 16 == 0, "objects are aligned to 16");

/* Guards the lists and every slab's header and free chain. */
static struct spinlock lock = SPINLOCK_INIT;
static struct list partial[CLASS_COUNT];

static unsigned order_of(size_t n)
{
	unsigned order = 0;

	while (order <= FRAME_MAX_ORDER && (PAGE_SIZE << order) < n)
		order++;
	return order;
}

static struct slab *slab_new(unsigned class)
{
	hpa_t a = frame_alloc(0);
	struct slab *s;
	char *p;

	if (!a.v)
		return NULL;
	s = phys_to_virt(a);
	*s = (struct slab){ .class = (u16) class, .magic = SLAB_MAGIC };
	for (p = (char *)s + SLAB_HEADER; p + class_size[class] <= (char *)s + PAGE_SIZE;
	     p += class_size[class]) {
		*(void **)p = s->free;
		s->free = p;
	}
	if (!partial[class].next)
		list_init(&partial[class]);
	list_add_tail(&partial[class], &s->node);
	return s;
}

static void *alloc_small(unsigned class)
{
	struct slab *s;
	void *p = NULL;

	spin_lock(&lock);
	if (partial[class].next && !list_empty(&partial[class]))
		s = list_entry(partial[class].next, struct slab, node);
	else
		s = slab_new(class);
	if (s) {
		p = s->free;
		s->free = *(void **)p;
		s->used++;
		if (!s->free)
			list_remove(&s->node);
	}
	spin_unlock(&lock);
	return p ? memset(p, 0, class_size[class]) : NULL;
}

void *heap_alloc(size_t n)
{
	hpa_t a;

	for (unsigned c = 0; c < CLASS_COUNT; c++) {
		if (n <= class_size[c])
			return alloc_small(c);
	}
	a = frame_alloc_zeroed(order_of(n));
	return a.v ? phys_to_virt(a) : NULL;
}

static void free_small(struct slab *s, void *p)
{
	spin_lock(&lock);
	if (s->magic != SLAB_MAGIC || !s->used)
		panic("heap: free of %p, which is no heap object", p);
	if (!s->free)
		list_add_tail(&partial[s->class], &s->node);
	*(void **)p = s->free;
	s->free = p;
	if (--s->used == 0) {
		list_remove(&s->node);
		s->magic = 0;
		frame_free(virt_to_phys(s), 0);
	}
	spin_unlock(&lock);
}

void heap_free(void *p)
{
	hpa_t a;

	if (!p)
		return;
	if (!IS_ALIGNED((uintptr_t)p, PAGE_SIZE)) {
		free_small((struct slab *)ALIGN_DOWN((uintptr_t)p, PAGE_SIZE), p);
		return;
	}
	a = virt_to_phys(p);
	frame_free(a, frame_order(a));
}
