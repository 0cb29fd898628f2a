/*
 * Page tables freed while processors use them. Each CPU plays the processor of a vCPU: it walks to
 * the last table and keeps it, as paging-structure caches do, across whatever it does, until it is
 * told to flush. One takes tables out and frees them, by shootdown_and_free(): a CPU that used one
 * of them later would come upon the poison it is filled with.
 */
#include "torture.h"

#include "tables.h"

#include "arch/x86/trap.h"
#include "core/time.h"
#include "hv/mmu/shootdown.h"
#include "hv/vm.h"
#include "mm/heap.h"
#include "mm/phys.h"

#define PRESENT	    BIT(0)
#define FLAGS	    (PRESENT | BIT(1))
#define BASE	    (5 * GIB)
#define REGIONS	    8 /* of 2 MiB, a table each */
#define PHYS(va)    HPA((va) % (1ull << 40))
#define WRITER	    0u /* the CPU whose worker maps and frees */
#define RUN_LOOPS   64
#define COUNT_USES  0
#define COUNT_FREED 1

static const struct ptab_fmt format = {
	.name = "torture",
	.present = PRESENT,
	.table_flags = FLAGS,
	.large = BIT(7),
	.addr_mask = 0x000ffffffffff000ull,
	.levels = 4,
	.max_leaf_level = 1,
};

/* What a processor has cached: the table of each region; NULL: it walks. Its CPU's. */
static struct cache {
	const u64 *table[REGIONS];
} * caches;

static struct vm *vm;
static u64 free_before;
static u32 missing; /* the region that has no table; the writer's */
static bool no_flush;

void tables_flush(struct vm *v)
{
	struct cache *c = caches ? &caches[this_cpu()->id] : NULL;

	/* The VMs of part_vms.c have nothing cached here. */
	if (v != vm)
		return;
	/* The fault: one CPU at times says that it has, and has not. */
	if (!c || (no_flush && this_cpu()->id == cpu_count() - 1))
		return;
	*c = (struct cache){ 0 };
}

static u64 va_of(u32 region)
{
	return BASE + region * 2 * MIB;
}

static bool is_table(u64 e)
{
	return (e & PRESENT) && e != PTAB_POISON;
}

/* The processor's walk, from the root to the last table; NULL: none is there. */
static const u64 *walk(u64 va)
{
	const u64 *table = phys_to_virt(vm->tdp.root);

	for (unsigned level = format.levels; level > 1; level--) {
		u64 e = READ_ONCE(table[va >> (PAGE_SHIFT + 9 * (level - 1)) & (PTAB_ENTRIES - 1)]);

		if (!is_table(e)) {
			TORTURE_CHECK(e != PTAB_POISON, "a walk comes upon a freed table");
			return NULL;
		}
		table = phys_to_virt(HPA(e & format.addr_mask));
	}
	return table;
}

/* A guest's access. */
static void access(struct torture_worker *w)
{
	u32 region = torture_random(w, REGIONS), i = torture_random(w, PTAB_ENTRIES);
	struct cache *c = &caches[w->cpu];
	u64 va = va_of(region) + i * PAGE_SIZE, e;

	if (!c->table[region])
		c->table[region] = walk(va);
	if (!c->table[region])
		return; /* an exit: nothing is mapped */
	e = READ_ONCE(c->table[region][i]);
	TORTURE_CHECK(e == (PHYS(va).v | FLAGS) || e == 0,
		      "the processor finds 0x%lx for 0x%lx in a table it has cached", e, va);
	w->count[COUNT_USES]++;
}

/* A vCPU comes and goes; while it is here interrupts end its run, and the cache stays. */
static void run_vcpu(struct torture_worker *w)
{
	shootdown_load(vm);
	for (u32 i = torture_random(w, 8); i; i--) {
		for (unsigned k = 0; k < RUN_LOOPS && !torture_failed(); k++)
			access(w);
		trap_irq_window();
		if (torture_random(w, 4) == 0)
			sched_yield();
	}
	shootdown_unload(vm);
}

static void map(u32 region)
{
	u64 va = va_of(region);
	int err = ptab_map(&vm->tdp, va, PHYS(va), 2 * MIB, FLAGS);

	TORTURE_CHECK(!err, "mapping 0x%lx: error %d", va, -err);
}

static void renew(struct torture_worker *w)
{
	u32 region = (missing + 1 + torture_random(w, REGIONS - 1)) % REGIONS;
	int err = shootdown_and_free(vm, GPA(va_of(region)), 2);

	TORTURE_CHECK(!err, "freeing the table at 0x%lx: error %d", va_of(region), -err);
	w->count[COUNT_FREED]++;
	/* The memory is another region's table at once. */
	map(missing);
	missing = region;
}

static void work(struct torture_worker *w)
{
	while (torture_going(w)) {
		if (w->cpu == WRITER)
			renew(w);
		if (w->cpu != WRITER || torture_random(w, 4) == 0)
			run_vcpu(w);
	}
}

static bool enough(void)
{
	return torture_sum(COUNT_USES) && torture_sum(COUNT_FREED);
}

static void begin(void)
{
	torture_need(enough);
	no_flush = torture_fault("rcu-flush");
	free_before = torture_free_frames();
	caches = torture_alloc(cpu_count() * sizeof(*caches));
	vm = torture_alloc(sizeof(*vm));
	TORTURE_CHECK(!shootdown_init(&vm->shootdown) && !ptab_init(&vm->tdp, &format),
		      "no memory for a VM");
	missing = 0;
	for (u32 i = 1; i < REGIONS && !torture_failed(); i++)
		map(i);
}

static void end(void)
{
	TORTURE_CHECK(enough(), "nothing was used, or freed");
	TORTURE_CHECK(!shootdown_and_free(vm, GPA(0), SHOOTDOWN_ROOT), "the root is not freed");
	shootdown_fini(&vm->shootdown);
	heap_free(vm);
	heap_free(caches);
	caches = NULL;
	vm = NULL;
	TORTURE_CHECK(torture_free_frames() == free_before, "%lu frames were free, now %lu",
		      free_before, torture_free_frames());
	shootdown_log_stats();
}

const struct torture_part part_tables = { "tables", begin, work, end };
