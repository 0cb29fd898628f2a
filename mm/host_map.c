#include "mm/host_map.h"

#include <errno.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/cross_call.h"
#include "boot/boot_info.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/spinlock.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/ptab.h"

#define PTE_P	BIT(0)
#define PTE_W	BIT(1)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_A	BIT(5)
#define PTE_D	BIT(6)
#define PTE_PS	BIT(7)
#define PTE_G	BIT(8)
#define PTE_NX	BIT(63)
/* Accessed and dirty are preset: nobody looks at them, and the processor need not set them. */
#define PTE_COMMON (PTE_P | PTE_A | PTE_D | PTE_G)

#define DEVICE_BASE 0xffffa00000000000ull
#define DEVICE_SIZE (64 * GIB)
#define STACK_BASE  0xffffc00000000000ull
#define STACK_SLOT  (KSTACK_SIZE + PAGE_SIZE)
#define STACK_MAX   8192
#define STACK_WORDS (STACK_MAX / 64)
_Static_assert(STACK_MAX % 64 == 0, "a bit each, in whole words");
#define IMAGE_BASE 0xffffffff80000000ull
#define LOW_MIB	   MIB
#define BOOT_REACH (4 * GIB) /* what the entry code mapped */

extern char image_start[], text_end[], rodata_end[], image_end[];

static struct ptab_fmt host_fmt = {
	.name = "host",
	.present = PTE_P,
	.table_flags = PTE_P | PTE_W | PTE_A,
	.large = PTE_PS,
	.addr_mask = 0x000ffffffffff000ull,
	.levels = 4,
	.max_leaf_level = 2,
};
static struct ptab host;
static u64 nx; /* PTE_NX where the processor has it */
static u64 direct_top;
static hpa_t trampoline;

/* Guards device_next and the stacks' bits. */
static struct spinlock lock = SPINLOCK_INIT;
static u64 device_next = DEVICE_BASE;
static u64 stack_taken[STACK_WORDS];  /* a bit a slot: somebody's, or about to be unmapped */
static u64 stack_mapped[STACK_WORDS]; /* some of its frames are there */

/* Until the frame allocator has all memory it lives on one early range, [early, early_end). */
static u64 early, early_end;

static bool overlaps(u64 a, u64 an, u64 b, u64 bn)
{
	return a < b + bn && b < a + an;
}

/* What boot loader and image occupy: the i-th such range, false past the last. */
static bool boot_reserved(unsigned i, u64 *base, u64 *size)
{
	const struct boot_info *b = &boot_info;

	if (i == 0) {
		*base = 0;
		*size = LOW_MIB;
	} else if (i == 1) {
		*base = b->image_base.v;
		*size = b->image_size;
	} else if (i == 2) {
		*base = ALIGN_DOWN(b->rsdp.v, PAGE_SIZE);
		*size = 2 * PAGE_SIZE;
	} else if (i - 3 < b->module_count) {
		*base = b->module[i - 3].base.v;
		*size = b->module[i - 3].size;
	} else {
		return false;
	}
	*size = ALIGN_UP(*base + *size, PAGE_SIZE) - ALIGN_DOWN(*base, PAGE_SIZE);
	*base = ALIGN_DOWN(*base, PAGE_SIZE);
	return true;
}

/*
 * The first stretch of [*base, end) that nothing reserved touches; false when none is left. Regions
 * that the firmware calls other than RAM win over RAM that overlaps them.
 */
static bool next_free(u64 *base, u64 *size, u64 end)
{
	u64 b, n;

again:
	if (*base >= end)
		return false;
	*size = end - *base;
	for (unsigned i = 0; i < boot_info.region_count; i++) {
		const struct boot_region *r = &boot_info.region[i];

		if (r->type == BOOT_RAM || !overlaps(*base, *size, r->base, r->size))
			continue;
		if (r->base <= *base) {
			*base = r->base + r->size;
			goto again;
		}
		*size = r->base - *base;
	}
	for (unsigned i = 0; boot_reserved(i, &b, &n); i++) {
		if (!overlaps(*base, *size, b, n))
			continue;
		if (b <= *base) {
			*base = b + n;
			goto again;
		}
		*size = b - *base;
	}
	return true;
}

/* Calls fn on every free stretch of RAM. */
static void for_each_free(void (*fn)(u64 base, u64 size))
{
	for (unsigned i = 0; i < boot_info.region_count; i++) {
		const struct boot_region *r = &boot_info.region[i];
		u64 base = r->base, size;

		if (r->type != BOOT_RAM)
			continue;
		while (next_free(&base, &size, r->base + r->size)) {
			fn(base, size);
			base += size;
		}
	}
}

/* Keeps the largest stretch that the entry code's mapping reaches. */
static void consider_early(u64 base, u64 size)
{
	u64 end = MIN(base + size, BOOT_REACH);

	base = ALIGN_UP(base, PAGE_SIZE);
	end = ALIGN_DOWN(end, PAGE_SIZE);
	if (base < end && end - base > early_end - early) {
		early = base;
		early_end = end;
	}
}

static u64 ram_top(void)
{
	u64 top = 0;

	for (unsigned i = 0; i < boot_info.region_count; i++) {
		const struct boot_region *r = &boot_info.region[i];

		if (r->type == BOOT_RAM || r->type == BOOT_ACPI_RECLAIM || r->type == BOOT_ACPI_NVS)
			top = MAX(top, r->base + r->size);
	}
	return ALIGN_DOWN(top, PAGE_SIZE);
}

static void map(u64 va, u64 pa, u64 size, u64 flags)
{
	int err = ptab_map(&host, va, HPA(pa), size, flags);

	if (err)
		panic("host map: 0x%lx to 0x%lx, 0x%lx bytes: error %d", va, pa, size, err);
}

/* The direct map of one region, with the image's read-only part read-only here, too. */
static void map_direct(u64 base, u64 size)
{
	u64 ro = boot_info.image_base.v, ro_end = ro + (u64)(rodata_end - image_start);
	u64 end = base + size;

	while (base < end) {
		u64 stop = end, flags = PTE_COMMON | PTE_W | nx;

		if (base < ro) {
			stop = MIN(end, ro);
		} else if (base < ro_end) {
			stop = MIN(end, ro_end);
			flags &= ~PTE_W;
		}
		map(PHYS_DIRECT_BASE + base, base, stop - base, flags);
		base = stop;
	}
}

static void map_image(void)
{
	u64 phys = boot_info.image_base.v, start = (u64)image_start;

	map(start, phys, (u64)(text_end - image_start), PTE_COMMON);
	map((u64)text_end, phys + ((u64)text_end - start), (u64)(rodata_end - text_end),
	    PTE_COMMON | nx);
	map((u64)rodata_end, phys + ((u64)rodata_end - start), (u64)(image_end - rodata_end),
	    PTE_COMMON | PTE_W | nx);
}

/* RAM regions may overlap in a broken firmware map: map each frame range once, in ascending order.
 */
static void map_ram(void)
{
	u64 done = 0;

	for (;;) {
		u64 base = UINT64_MAX, end = 0;

		for (unsigned i = 0; i < boot_info.region_count; i++) {
			const struct boot_region *r = &boot_info.region[i];
			u64 b = MAX(ALIGN_DOWN(r->base, PAGE_SIZE), done);
			u64 e = ALIGN_UP(r->base + r->size, PAGE_SIZE);

			if (r->type == BOOT_RESERVED || r->type == BOOT_BAD || b >= e || b >= base)
				continue;
			base = b;
			end = e;
		}
		if (base == UINT64_MAX)
			return;
		map_direct(base, end - base);
		done = end;
	}
}

/* Everything that is free but for the part used so far by the early range. */
static void add_free(u64 base, u64 size)
{
	frame_add(HPA(base), size);
}

static u64 early_take(u64 size)
{
	u64 a = early;

	size = ALIGN_UP(size, PAGE_SIZE);
	if (size > early_end - early)
		panic("memory: not enough below 4 GiB to start (0x%lx bytes wanted)", size);
	early += size;
	memset(phys_to_virt(HPA(a)), 0, size);
	return a;
}

/* Page tables are needed before the allocator has memory the entry code did not map. */
static void start_frames(void)
{
	u64 frames = direct_top >> PAGE_SHIFT, states, reach;

	states = early_take(frames);
	frame_init(phys_to_virt(HPA(states)), HFN(frames));
	/* Tables for the direct map in 4 KiB pages at worst near the edges: 64 per GiB is ample. */
	reach = MIN(early_end - early, (direct_top / GIB + 1) * 64 * PAGE_SIZE + 4 * MIB);
	frame_add(HPA(early), reach);
	early += reach;
}

static u64 early_start;

static void add_rest(u64 base, u64 size)
{
	u64 end = base + size;

	if (!overlaps(base, size, early_start, early - early_start)) {
		add_free(base, size);
		return;
	}
	if (base < early_start)
		add_free(base, early_start - base);
	if (end > early)
		add_free(early, end - early);
}

static u64 stack_bottom(unsigned slot)
{
	return STACK_BASE + slot * STACK_SLOT + PAGE_SIZE;
}

/*
 * Tables for all stacks there can ever be: so a stack that is given back leaves no table behind.
 * They are some eighty. Before CR3 is loaded: no TLB has seen the page.
 */
static void make_stack_tables(void)
{
	hpa_t any = trampoline;

	for (u64 va = STACK_BASE; va < stack_bottom(STACK_MAX); va += ptab_level_size(2)) {
		map(va, any.v, PAGE_SIZE, PTE_P | nx);
		if (ptab_unmap(&host, va, PAGE_SIZE))
			panic("host map: a page cannot be unmapped again");
	}
}

void host_map_init(void)
{
	nx = cpu_features.nx ? PTE_NX : 0;
	host_fmt.max_leaf_level = cpu_features.gbpages ? 3 : 2;
	direct_top = ram_top();
	trampoline = boot_find_low_page();
	for_each_free(consider_early);
	early_start = early;
	start_frames();
	if (ptab_init(&host, &host_fmt))
		panic("memory: no frame for the first page table");
	map_image();
	map_ram();
	if (trampoline.v)
		map(trampoline.v, trampoline.v, PAGE_SIZE, PTE_P | PTE_A);
	make_stack_tables();
	write_cr3(host.root.v);
	for_each_free(add_rest);
}

hpa_t host_map_root(void)
{
	return host.root;
}

hpa_t host_map_trampoline(void)
{
	return trampoline;
}

void host_map_trampoline_release(void)
{
	if (trampoline.v && ptab_unmap(&host, trampoline.v, PAGE_SIZE) == 0)
		invlpg((void *)trampoline.v);
}

static void *map_window(hpa_t base, u64 size, u64 flags)
{
	u64 offset = base.v & (PAGE_SIZE - 1), va;

	if (!size || base.v + size < base.v)
		return NULL;
	size = ALIGN_UP(size + offset, PAGE_SIZE);
	spin_lock(&lock);
	va = device_next;
	if (size > DEVICE_BASE + DEVICE_SIZE - va ||
	    ptab_map(&host, va, HPA(base.v - offset), size, flags | nx))
		va = 0;
	else
		device_next += size + PAGE_SIZE;
	spin_unlock(&lock);
	return va ? (void *)(va + offset) : NULL;
}

void *phys_map_device(hpa_t base, u64 size)
{
	/* PAT entry 3, uncached. */
	return map_window(base, size, PTE_COMMON | PTE_W | PTE_PCD | PTE_PWT);
}

void *phys_map_framebuffer(hpa_t base, u64 size)
{
	/* PAT entry 1, write-combining. */
	return map_window(base, size, PTE_COMMON | PTE_W | PTE_PWT);
}

const void *phys_map_table(hpa_t base, u64 size)
{
	hpa_t pa;

	if (base.v + size < base.v)
		return NULL;
	if (ptab_translate(&host, PHYS_DIRECT_BASE + base.v, &pa) &&
	    ptab_translate(&host, PHYS_DIRECT_BASE + base.v + size - 1, &pa))
		return phys_to_virt(base);
	return map_window(base, size, PTE_COMMON);
}

/* --- stacks --- */

/* The first slot whose bit is clear in `without` and, if it is given, set in `with`; STACK_MAX:
 * none. */
static unsigned find_slot(const u64 *with, const u64 *without)
{
	for (unsigned i = 0; i < STACK_WORDS; i++) {
		u64 word = (with ? with[i] : UINT64_MAX) & ~without[i];

		if (word)
			return 64 * i + (unsigned)__builtin_ctzl(word);
	}
	return STACK_MAX;
}

/* Gives a slot the frames that it lacks; those it got before an error stay for the next try. */
static bool complete_stack(unsigned slot)
{
	u64 bottom = stack_bottom(slot);
	hpa_t f;

	for (u64 va = bottom; va < bottom + KSTACK_SIZE; va += PAGE_SIZE) {
		if (ptab_translate(&host, va, &f))
			continue;
		f = frame_alloc(0);
		if (!f.v)
			return false;
		map(va, f.v, PAGE_SIZE, PTE_COMMON | PTE_W | nx);
		stack_mapped[slot / 64] |= BIT(slot % 64);
	}
	return true;
}

void *kstack_alloc(void)
{
	void *top = NULL;
	unsigned slot;

	spin_lock(&lock);
	slot = find_slot(stack_mapped, stack_taken);
	if (slot == STACK_MAX)
		slot = find_slot(NULL, stack_taken);
	if (slot != STACK_MAX && complete_stack(slot)) {
		stack_taken[slot / 64] |= BIT(slot % 64);
		top = (void *)(stack_bottom(slot) + KSTACK_SIZE);
	}
	spin_unlock(&lock);
	return top;
}

void kstack_free(void *top)
{
	unsigned slot = (unsigned)(((u64)top - STACK_BASE) / STACK_SLOT - 1);

	spin_lock(&lock);
	if (slot >= STACK_MAX || !(stack_taken[slot / 64] & BIT(slot % 64)))
		panic("host map: free of %p, which is no stack", top);
	stack_taken[slot / 64] &= ~BIT(slot % 64);
	spin_unlock(&lock);
}

/* Chains the frame at va, if there is one, by its first word, and unmaps it. */
static void unmap_stack_page(u64 va, hpa_t *frames)
{
	hpa_t f;

	if (!ptab_translate(&host, va, &f))
		return;
	if (ptab_unmap(&host, va, PAGE_SIZE))
		panic("host map: a stack cannot be unmapped");
	*(hpa_t *)phys_to_virt(f) = *frames;
	*frames = f;
}

/* Unmaps the stacks that nobody has. Until everybody's TLB has forgotten them they are taken. */
static hpa_t unmap_idle_stacks(u64 unmapped[STACK_WORDS])
{
	hpa_t frames = HPA(0);
	unsigned slot;

	spin_lock(&lock);
	while ((slot = find_slot(stack_mapped, stack_taken)) != STACK_MAX) {
		for (u64 i = 0; i < KSTACK_SIZE; i += PAGE_SIZE)
			unmap_stack_page(stack_bottom(slot) + i, &frames);
		stack_mapped[slot / 64] &= ~BIT(slot % 64);
		stack_taken[slot / 64] |= BIT(slot % 64);
		unmapped[slot / 64] |= BIT(slot % 64);
	}
	spin_unlock(&lock);
	return frames;
}

static void flush_tlb(void *arg)
{
	(void)arg;
	cpu_flush_tlb();
}

void kstack_trim(void)
{
	u64 unmapped[STACK_WORDS] = { 0 };
	hpa_t frames = unmap_idle_stacks(unmapped);

	if (!frames.v)
		return;
	cross_call(flush_tlb, NULL);
	while (frames.v) {
		hpa_t next = *(hpa_t *)phys_to_virt(frames);

		frame_free(frames, 0);
		frames = next;
	}
	spin_lock(&lock);
	for (unsigned i = 0; i < STACK_WORDS; i++)
		stack_taken[i] &= ~unmapped[i];
	spin_unlock(&lock);
}

bool kstack_is_guard(u64 a)
{
	if (a < STACK_BASE || a >= STACK_BASE + STACK_MAX * STACK_SLOT)
		return false;
	return (a - STACK_BASE) % STACK_SLOT < PAGE_SIZE;
}
