/* sbrk(): newlib's malloc grows into the largest piece of RAM that nothing else lives in. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "multiboot.h"

#define HEAP_LOWEST 0x100000ull	   /* below: firmware's data, the loader's leftovers */
#define HEAP_LIMIT  0x100000000ull /* what start.S maps */
#define HEAP_PAGE   0xfffull

extern char image_start[], image_end[];
void *sbrk(ptrdiff_t increment);

struct heap_range {
	uint64_t start, end;
};

static struct heap_range heap;
static uint64_t heap_break;

static struct heap_range heap_range(uint64_t start, uint64_t len)
{
	return (struct heap_range){ start & ~HEAP_PAGE, (start + len + HEAP_PAGE) & ~HEAP_PAGE };
}

/* The INDEXth range that is in use, in whole pages. False behind the last. */
static bool heap_used(unsigned int index, struct heap_range *used)
{
	const struct multiboot_info *info = multiboot_info;
	const struct multiboot_module *module;

	switch (index) {
	case 0:
		*used = heap_range((uintptr_t)image_start, (uint64_t)(image_end - image_start));
		return true;
	case 1:
		*used = heap_range((uintptr_t)info, sizeof(*info));
		return true;
	case 2:
		*used = heap_range((uintptr_t)multiboot_cmdline(), strlen(multiboot_cmdline()) + 1);
		return true;
	case 3:
		*used = heap_range(info->mmap_addr, info->mmap_length);
		return true;
	case 4:
		*used = heap_range(info->mods_addr, info->mods_count * sizeof(*module));
		return true;
	}
	module = multiboot_module((index - 5) / 2);
	if (!module)
		return false;
	if (index % 2)
		*used = heap_range(module->start, module->end - module->start);
	else
		*used = heap_range((uintptr_t)multiboot_module_string(module),
				   strlen(multiboot_module_string(module)) + 1);
	return true;
}

/* Takes GAP as the heap if it is larger, once cut down to what begins at its start unused. */
static void heap_offer(struct heap_range gap)
{
	struct heap_range used;
	unsigned int i;

	gap.start = gap.start < HEAP_LOWEST ? HEAP_LOWEST : (gap.start + HEAP_PAGE) & ~HEAP_PAGE;
	gap.end = gap.end > HEAP_LIMIT ? HEAP_LIMIT : gap.end & ~HEAP_PAGE;
	for (i = 0; heap_used(i, &used); i++) {
		if (used.end > gap.start && used.start < gap.end)
			gap.end = used.start;
	}
	if (gap.end > gap.start && gap.end - gap.start > heap.end - heap.start)
		heap = gap;
}

/* The largest gap begins where a piece of RAM does, or behind something in use. */
static void heap_choose(void)
{
	const struct multiboot_mmap *m = NULL;
	struct heap_range used;
	unsigned int i;

	while ((m = multiboot_mmap_next(m))) {
		if (m->type != MULTIBOOT_AVAILABLE)
			continue;
		heap_offer((struct heap_range){ m->addr, m->addr + m->len });
		for (i = 0; heap_used(i, &used); i++)
			if (used.end > m->addr && used.end < m->addr + m->len)
				heap_offer((struct heap_range){ used.end, m->addr + m->len });
	}
	heap_break = heap.start;
}

void *sbrk(ptrdiff_t increment)
{
	uint64_t old;

	if (!heap.end)
		heap_choose();
	old = heap_break;
	if (increment > (ptrdiff_t)(heap.end - old) || increment < (ptrdiff_t)(heap.start - old)) {
		errno = ENOMEM;
		return (void *)-1;
	}
	heap_break = old + (uint64_t)increment;
	return (void *)old;
}
