/*
 * The vCPU table by how many vCPUs there are, beside a flat array of VM_MAX_CPUS pointers and
 * beside an array of just enough of them that is copied at each creation and published by RCU
 * (Neap's). Prints one line of JSON: nanoseconds, of one lookup, of one step of an iteration, and
 * of adding one vCPU when all are added in turn; and bytes of memory. Times are the least of some
 * rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rcu.h"
#include "hv/vcpu_table.h"
#include "mm/heap.h"
#include "shim.h"

#define ROUNDS	9u
#define LOOKUPS 100000u
#define STEPS	200000u /* of iterations, at least */
#define ADDS	20000u	/* vCPUs, at least */

/* Its own: the tables only pass pointers on. */
struct vcpu {
	u32 index;
};

struct copied {
	u32 count;
	struct vcpu *slot[];
};

/* One way to keep vCPUs. */
struct way {
	const char *name;
	void (*add)(u32 index);
	u64 (*look_up)(u32 count);
	u64 (*iterate)(void);
	size_t (*bytes)(u32 count);
	void (*clear)(void);
};

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpu;
static struct vcpu vcpus[VM_MAX_CPUS];
static u32 order[LOOKUPS];
static volatile u64 sink;

u32 cpu_count(void)
{
	return 1;
}

void apic_send_ipi(u32 apic_id, u8 vector)
{
	(void)apic_id;
	(void)vector;
}

static void check(bool good)
{
	if (!good)
		abort();
}

/* --- Neap's table --- */

static struct vcpu_table table;

static void chunked_add(u32 index)
{
	check(vcpu_table_add(&table, index, &vcpus[index]) == 0);
}

static u64 chunked_look_up(u32 count)
{
	u64 sum = 0;

	(void)count;
	for (u32 i = 0; i < LOOKUPS; i++)
		sum += (u64)vcpu_table_get(&table, order[i]);
	return sum;
}

static u64 chunked_iterate(void)
{
	struct vcpu *v;
	u64 sum = 0;

	vm_for_each_vcpu (v, &table, i)
		sum += (u64)v;
	return sum;
}

static size_t chunked_bytes(u32 count)
{
	return sizeof(table) + DIV_ROUND_UP(count, VCPU_CHUNK) * sizeof(struct vcpu_chunk);
}

static void chunked_clear(void)
{
	vcpu_table_fini(&table);
	memset(&table, 0, sizeof(table));
}

/* --- an array with room for all --- */

static struct vcpu *flat[VM_MAX_CPUS];
static u32 flat_count;

/* Kept out of line like the table's accessors: callers of either make a call. */
static __attribute__((noinline)) struct vcpu *flat_get(u32 index)
{
	return index < VM_MAX_CPUS ? load_acquire(&flat[index]) : NULL;
}

static __attribute__((noinline)) struct vcpu *flat_next(u32 *index)
{
	u32 count = load_acquire(&flat_count);

	for (; *index < count; ++*index) {
		struct vcpu *v = load_acquire(&flat[*index]);

		if (v)
			return v;
	}
	return NULL;
}

static void flat_add(u32 index)
{
	check(!flat[index]);
	store_release(&flat[index], &vcpus[index]);
	if (index >= flat_count)
		store_release(&flat_count, index + 1);
}

static u64 flat_look_up(u32 count)
{
	u64 sum = 0;

	(void)count;
	for (u32 i = 0; i < LOOKUPS; i++)
		sum += (u64)flat_get(order[i]);
	return sum;
}

static u64 flat_iterate(void)
{
	struct vcpu *v;
	u64 sum = 0;

	for (u32 i = 0; (v = flat_next(&i)) != NULL; i++)
		sum += (u64)v;
	return sum;
}

static size_t flat_bytes(u32 count)
{
	(void)count;
	return sizeof(flat) + sizeof(flat_count);
}

static void flat_clear(void)
{
	memset(flat, 0, sizeof(flat));
	flat_count = 0;
}

/* --- an array that is copied --- */

static struct copied *copied;

static __attribute__((noinline)) struct vcpu *copied_get(u32 index)
{
	const struct copied *c = rcu_dereference(copied);

	return index < c->count ? c->slot[index] : NULL;
}

/* No reader may wait in the middle: it would hold what is to be freed. */
static __attribute__((noinline)) struct vcpu *copied_next(const struct copied *c, u32 *index)
{
	for (; *index < c->count; ++*index) {
		if (c->slot[*index])
			return c->slot[*index];
	}
	return NULL;
}

static void copied_add(u32 index)
{
	struct copied *old = copied, *c;
	u32 count = old ? old->count : 0;

	c = heap_alloc(sizeof(*c) + (index + 1) * sizeof(c->slot[0]));
	check(c && index >= count);
	if (old)
		memcpy(c->slot, old->slot, count * sizeof(c->slot[0]));
	c->slot[index] = &vcpus[index];
	c->count = index + 1;
	rcu_assign_pointer(copied, c);
	rcu_synchronize();
	heap_free(old);
}

static u64 copied_look_up(u32 count)
{
	u64 sum = 0;

	(void)count;
	for (u32 i = 0; i < LOOKUPS; i++)
		sum += (u64)copied_get(order[i]);
	return sum;
}

static u64 copied_iterate(void)
{
	const struct copied *c = rcu_dereference(copied);
	struct vcpu *v;
	u64 sum = 0;

	for (u32 i = 0; (v = copied_next(c, &i)) != NULL; i++)
		sum += (u64)v;
	return sum;
}

/* While one is added the old one is there, too. */
static size_t copied_bytes(u32 count)
{
	return sizeof(void *) + 2 * sizeof(struct copied) +
	       (2 * (size_t)count - 1) * sizeof(struct vcpu *);
}

static void copied_clear(void)
{
	heap_free(copied);
	copied = NULL;
}

/* --- measuring --- */

static const struct way ways[] = {
	{ "chunked", chunked_add, chunked_look_up, chunked_iterate, chunked_bytes, chunked_clear },
	{ "flat", flat_add, flat_look_up, flat_iterate, flat_bytes, flat_clear },
	{ "copied", copied_add, copied_look_up, copied_iterate, copied_bytes, copied_clear },
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_lookups(const struct way *w, u32 count)
{
	double start = now();

	sink = w->look_up(count);
	return (now() - start) / LOOKUPS;
}

static double time_iteration(const struct way *w, u32 count)
{
	u32 times = STEPS / count + 1;
	double start = now();

	for (u32 i = 0; i < times; i++)
		sink = w->iterate();
	return (now() - start) / times / count;
}

/* Leaves all of them in. What clears the tables between is not counted. */
static double time_adding(const struct way *w, u32 count)
{
	u32 times = ADDS / count + 1;
	double ns = 0;

	for (u32 i = 0; i < times; i++) {
		double start;

		w->clear();
		start = now();
		for (u32 k = 0; k < count; k++)
			w->add(k);
		ns += now() - start;
	}
	return ns / times / count;
}

static double least(double (*measure)(const struct way *w, u32 count), const struct way *w,
		    u32 count)
{
	double best = measure(w, count);

	for (unsigned i = 1; i < ROUNDS; i++)
		best = MIN(best, measure(w, count));
	return best;
}

static void bench(const struct way *w, u32 count)
{
	double creation = least(time_adding, w, count);

	printf("\"%s\": {\"creation\": %.1f, \"lookup\": %.2f, \"iteration\": %.2f, \"memory\": "
	       "%zu}",
	       w->name, creation, least(time_lookups, w, count), least(time_iteration, w, count),
	       w->bytes(count));
	w->clear();
}

int main(void)
{
	static const u32 counts[] = { 1, 2, 8, 64, 128, 129, 512, 1024, 4096 };

	cpu = (struct cpu){ .self = &cpu, .rcu.idle = 1 };
	cpu_table[0] = &cpu;
	shim_use_cpu(&cpu);
	rcu_init_cpu();
	rcu_idle_exit();
	printf("[");
	for (unsigned c = 0; c < ARRAY_SIZE(counts); c++) {
		for (u32 i = 0; i < LOOKUPS; i++)
			order[i] = i * 2654435761u % counts[c];
		printf("%s{\"vcpus\": %u", c ? ", " : "", counts[c]);
		for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
			printf(", ");
			bench(&ways[i], counts[c]);
		}
		printf("}");
	}
	printf("]\n");
	return 0;
}
