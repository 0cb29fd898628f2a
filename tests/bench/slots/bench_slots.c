/*
 * Slots by how many there are, on the build machine, beside an array that is copied at each change.
 * Prints a line for each figure: bench: COUNT OPERATION SLOTS-NS ARRAY-NS, medians of several runs;
 * 0: does not apply. Grace periods take no time here: what is measured is the structures' own work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "array.h"
#include "hv/slots.h"
#include "shim.h"
#include "tests/unit/ptab_fake.h"

#define PHYS	(1 * GIB)
#define STRIDE	4 /* guest frames from one slot to the next: half of them are empty */
#define PAGES	2
#define RUNS	7
#define LOOKUPS 200000
#define CHANGES 400

static const u32 counts[] = { 10, 100, 509, 8192, 32764 };

static struct slots slots;
static struct slot_cache cache;
static struct array_slots array;
static struct slot_backing *memory;
static struct ptab table;
static u64 seed = 1;
static volatile u64 sink;

static const struct ptab_fmt fmt = { PTAB_FAKE_FORMAT, .max_leaf_level = 3 };

void rcu_synchronize(void)
{
}

static int flush(struct slots *s, const struct slot *slot)
{
	(void)s;
	return ptab_unmap(&table, slot->base.v << PAGE_SHIFT, slot->pages << PAGE_SHIFT);
}

static const struct slots_ops ops = { .flush = flush, .log = flush };

static u32 rnd(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)((seed >> 32) * n >> 32);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void check(int err)
{
	if (err) {
		fprintf(stderr, "bench: error %d\n", err);
		abort();
	}
}

/* --- slots --- */

static void slots_add(u32 i)
{
	const struct slot_spec spec = { .id = i, .base = GFN((u64)i * STRIDE), .pages = PAGES };
	struct slot_backing *b;

	check(slot_backing_share(memory, rnd(1000), PAGES, &b));
	check(slots_create(&slots, &spec, b));
}

static void slots_set_up(u32 n)
{
	slots_init(&slots, GFN(1ull << 30), &ops);
	for (u32 i = 0; i < n; i++)
		slots_add(i);
}

static void slots_hit(u32 n)
{
	u64 gfn = (u64)rnd(n) * STRIDE;

	for (u32 i = 0; i < LOOKUPS; i++)
		sink += slots_find(&slots, &cache, GFN(gfn))->id;
}

static void slots_cold(u32 n)
{
	for (u32 i = 0; i < LOOKUPS; i++)
		sink += slots_find(&slots, &cache, GFN((u64)rnd(n) * STRIDE))->id;
}

/* In the gap found last: what a device's access asks. */
static void slots_miss(u32 n)
{
	u64 gfn = (u64)rnd(n) * STRIDE + PAGES;

	for (u32 i = 0; i < LOOKUPS; i++)
		sink += slots_find(&slots, &cache, GFN(gfn)) == NULL;
}

static void slots_map(u32 n)
{
	for (u32 i = 0; i < CHANGES; i++) {
		const struct slot *s = slots_find(&slots, &cache, GFN((u64)(i % n) * STRIDE));

		sink += (u64)ptab_map(&table, s->base.v << PAGE_SHIFT,
				      hfn_to_hpa(slot_frame(s, s->base)), PAGE_SIZE, 7);
	}
}

static void slots_unmap(u32 n)
{
	for (u32 i = 0; i < CHANGES; i++) {
		const struct slot *s = slots_find(&slots, &cache, GFN((u64)(i % n) * STRIDE));

		check(flush(&slots, s));
	}
}

/* To the empty half behind it, and back. */
static void slots_move_some(u32 n)
{
	for (u32 i = 0; i < CHANGES; i++) {
		u32 id = rnd(n);

		check(slots_move(&slots, id, GFN((u64)id * STRIDE + PAGES)));
		check(slots_move(&slots, id, GFN((u64)id * STRIDE)));
	}
}

static void slots_move_mapped(u32 n)
{
	for (u32 i = 0; i < CHANGES; i++) {
		u32 id = rnd(n);
		u64 base = (u64)id * STRIDE;
		const struct slot *s = slots_find(&slots, &cache, GFN(base));

		(void)!ptab_map(&table, base << PAGE_SHIFT, hfn_to_hpa(slot_frame(s, s->base)),
				PAGE_SIZE, 7);
		check(slots_move(&slots, id, GFN(base + PAGES)));
		check(slots_move(&slots, id, GFN(base)));
	}
}

static void slots_delete_create(u32 n)
{
	for (u32 i = 0; i < CHANGES; i++) {
		u32 id = rnd(n);

		check(slots_delete(&slots, id));
		slots_add(id);
	}
}

/* --- the array --- */

static void array_add(u32 i)
{
	array_create(&array, &(struct array_slot){ (u64)i * STRIDE, PAGES, rnd(1000), i, 0 });
}

static void array_set_up(u32 n)
{
	for (u32 i = 0; i < n; i++)
		array_add(i);
}

static void array_hit(u32 n)
{
	u64 gfn = (u64)rnd(n) * STRIDE;

	for (u32 i = 0; i < LOOKUPS; i++)
		sink += array.active->slot[array_find(array.active, gfn)].id;
}

static void array_cold(u32 n)
{
	for (u32 i = 0; i < LOOKUPS; i++)
		sink += array.active->slot[array_find(array.active, (u64)rnd(n) * STRIDE)].id;
}

static void array_miss(u32 n)
{
	u64 gfn = (u64)rnd(n) * STRIDE + PAGES;

	for (u32 i = 0; i < LOOKUPS; i++)
		sink += array_find(array.active, gfn) < 0;
}

static void array_move_some(u32 n)
{
	for (u32 i = 0; i < CHANGES; i++) {
		u32 id = rnd(n);

		array_move(&array, id, (u64)id * STRIDE + PAGES);
		array_move(&array, id, (u64)id * STRIDE);
	}
}

static void array_delete_create(u32 n)
{
	for (u32 i = 0; i < CHANGES; i++) {
		u32 id = rnd(n);

		array_delete(&array, id);
		array_add(id);
	}
}

/* --- measuring --- */

static const struct {
	const char *name;
	void (*slots)(u32 n);
	void (*array)(u32 n);
	u32 per; /* operations in a run; 0: one for each slot */
} rows[] = {
	{ "lookup-hit", slots_hit, array_hit, LOOKUPS },
	{ "lookup-miss", slots_miss, array_miss, LOOKUPS },
	{ "lookup-cold", slots_cold, array_cold, LOOKUPS },
	{ "map", slots_map, NULL, CHANGES },
	{ "unmap", slots_unmap, NULL, CHANGES },
	{ "move-active", slots_move_mapped, NULL, 2 * CHANGES },
	{ "move-inactive", slots_move_some, array_move_some, 2 * CHANGES },
	{ "delete+create", slots_delete_create, array_delete_create, 2 * CHANGES },
};

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double measure(void (*fn)(u32 n), u32 n, u32 per)
{
	double ns[RUNS];

	if (!fn)
		return 0;
	for (unsigned i = 0; i < RUNS; i++) {
		double start = now();

		fn(n);
		ns[i] = (now() - start) / per;
	}
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	return ns[RUNS / 2];
}

static double once(void (*fn)(u32 n), u32 n)
{
	double start = now();

	fn(n);
	return now() - start;
}

static void bench(u32 n)
{
	double mine = once(slots_set_up, n), its = once(array_set_up, n);

	printf("bench: %u set-up-all %.0f %.0f\n", n, mine, its);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		printf("bench: %u %s %.1f %.1f\n", n, rows[i].name,
		       measure(rows[i].slots, n, rows[i].per),
		       measure(rows[i].array, n, rows[i].per));
	fflush(stdout);
	slots_fini(&slots);
	array_fini(&array);
	cache = (struct slot_cache){ 0 };
}

int main(void)
{
	ptab_fake_memory(PHYS);
	check(ptab_init(&table, &fmt));
	check(slot_backing_alloc(GFN(0), 1024, false, &memory));
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
		bench(counts[i]);
	return 0;
}
