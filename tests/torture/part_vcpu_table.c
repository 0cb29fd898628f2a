/*
 * The vCPU table: some CPUs add vCPUs, all the same ones, while the others go through the table and
 * look up. Each index has one winner; readers see whole vCPUs at their places, and never fewer than
 * before, also one that lets other threads run in the middle.
 */
#include "torture.h"

#include <errno.h>

#include "hv/vcpu_table.h"
#include "mm/heap.h"

#define LOOKUPS 256

/* Its own: the table only passes pointers on. */
struct vcpu {
	u32 index;
	u32 check; /* ~index */
};

static struct vcpu_table *table;
static struct vcpu *vcpus;
static u32 *winners;
static u32 adding; /* atomic: CPUs that add */
static u64 free_before;

static void check_vcpu(const struct vcpu *v, u32 index)
{
	TORTURE_CHECK(v->index == index && v->check == ~index, "at %u there is vCPU %u", index,
		      v->index);
}

static void add(struct torture_worker *w)
{
	/* Each CPU in another order, from both ends. */
	u32 start = torture_random(w, VM_MAX_CPUS), down = w->cpu & 2 ? VM_MAX_CPUS - 1 : 0;

	for (u32 i = 0; i < VM_MAX_CPUS; i++) {
		u32 k = ((start + i) % VM_MAX_CPUS) ^ down;
		int err = vcpu_table_add(table, k, &vcpus[k]);

		TORTURE_CHECK(!err || err == -EEXIST, "adding vCPU %u: error %d", k, -err);
		if (!err)
			atomic_fetch_add(&winners[k], 1);
		check_vcpu(vcpu_table_get(table, k) ?: &vcpus[!k], k);
		if (i % 256 == 0)
			sched_yield();
	}
	atomic_fetch_add(&adding, (u32)-1);
}

/* Every chunk's middle is where one that waits does. */
static u32 iterate(bool waits)
{
	struct vcpu *v;
	u32 n = 0, last = 0;

	vm_for_each_vcpu (v, table, i) {
		if (waits && i % VCPU_CHUNK == VCPU_CHUNK / 2)
			sched_yield();
		check_vcpu(v, i);
		TORTURE_CHECK(vcpu_table_get(table, i) == v, "vCPU %u is not there any more", i);
		TORTURE_CHECK(n == 0 || i > last, "vCPU %u comes after %u", i, last);
		last = i;
		n++;
	}
	return n;
}

static void look_up(struct torture_worker *w)
{
	for (u32 i = 0; i < LOOKUPS; i++) {
		u32 k = torture_random(w, VM_MAX_CPUS);
		struct vcpu *v = vcpu_table_get(table, k);

		if (v)
			check_vcpu(v, k);
	}
}

static void check_edges(void)
{
	u32 past = VM_MAX_CPUS;

	TORTURE_CHECK(!vcpu_table_get(table, VM_MAX_CPUS) && !vcpu_table_get(table, UINT32_MAX),
		      "there is a vCPU past the last");
	TORTURE_CHECK(!vcpu_table_next(table, &past), "a vCPU follows the last");
	TORTURE_CHECK(vcpu_table_add(table, VM_MAX_CPUS, &vcpus[0]) == -ENOSPC,
		      "there is room past the last");
}

static void read(struct torture_worker *w)
{
	u32 before = 0, n;
	bool adders;

	do {
		/* Acquire: who sees that all have been added sees them. */
		adders = load_acquire(&adding) != 0;
		n = iterate(w->operations % 2);
		TORTURE_CHECK(n >= before, "%u vCPUs were there, now %u", before, n);
		before = n;
		check_edges();
		look_up(w);
		torture_beat(w);
		w->operations++;
	} while (adders && torture_waiting());
	TORTURE_CHECK(torture_failed() || n == VM_MAX_CPUS, "%u vCPUs are there, not %u", n,
		      VM_MAX_CPUS);
}

static void begin(void)
{
	free_before = torture_free_frames();
	table = torture_alloc(sizeof(*table));
	vcpus = torture_alloc(VM_MAX_CPUS * sizeof(*vcpus));
	winners = torture_alloc(VM_MAX_CPUS * sizeof(*winners));
	for (u32 i = 0; i < VM_MAX_CPUS; i++)
		vcpus[i] = (struct vcpu){ i, ~i };
}

/* Half of the CPUs add, not always the same half. */
static bool adds(const struct torture_worker *w, u64 round)
{
	return cpu_count() == 1 || (w->cpu + round) % 2;
}

static void clear(u64 round)
{
	vcpu_table_fini(table);
	*table = (struct vcpu_table){ .count = 0 };
	adding = 0;
	for (u32 i = 0; i < VM_MAX_CPUS; i++) {
		TORTURE_CHECK(winners[i] == (round != 0), "vCPU %u was added %u times", i,
			      winners[i]);
		winners[i] = 0;
	}
	for (u32 i = 0; i < cpu_count(); i++)
		adding += adds(&torture_workers[i], round);
}

static void work(struct torture_worker *w)
{
	u64 round = 0;

	do {
		if (w->cpu == 0)
			clear(round);
		torture_meet(w);
		if (torture_failed())
			return;
		if (adds(w, round))
			add(w);
		read(w);
		round++;
	} while (torture_meet(w));
}

static void end(void)
{
	clear(1);
	heap_free(table);
	heap_free(vcpus);
	heap_free(winners);
	TORTURE_CHECK(torture_free_frames() == free_before, "%lu frames were free, now %lu",
		      free_before, torture_free_frames());
}

const struct torture_part part_vcpu_table = { "vcpu_table", begin, work, end };
