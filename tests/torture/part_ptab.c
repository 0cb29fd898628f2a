/*
 * The page-table walker: all CPUs map, look up and unmap in one table at once. Round by round: each
 * page that several try to map has one winner; what was mapped is there, what was unmapped is not,
 * and at the end every table comes back.
 */
#include "torture.h"

#include <errno.h>

#include "mm/phys.h"
#include "mm/ptab.h"

#define PRESENT	      BIT(0)
#define FLAGS	      (PRESENT | BIT(1))
#define PAGES	      2048 /* of a region that all map in */
#define LARGE	      (2 * MIB)
#define OWN_BASE      (3 * GIB)			/* each its own pages of the same tables */
#define RACE_BASE     (600 * GIB)		/* all the same pages */
#define SIZES_BASE    (0x7f0000000000ull)	/* a large leaf against small ones */
#define SPLIT_BASE    (0x100000000000ull)	/* a large leaf taken apart by all */
#define CHURN_BASE    (0x200000000000ull + GIB) /* large leaves come and go */
#define SIZE_REGIONS  8
#define CHURN_REGIONS 256
#define CHURN_OPS     16
#define LARGE_WON     0x10000u
#define PHYS(va)      HPA((va) % (1ull << 40))

static const struct ptab_fmt format = {
	.name = "torture",
	.present = PRESENT,
	.table_flags = PRESENT | BIT(1),
	.large = BIT(7),
	.addr_mask = 0x000ffffffffff000ull,
	.levels = 4,
	.max_leaf_level = 3,
};

static struct ptab table;
static u64 free_before, frame_0;
static u32 winners[PAGES], size_winners[SIZE_REGIONS];

static void check_mapped(u64 va, bool mapped)
{
	hpa_t pa = HPA(0);
	bool found = ptab_translate(&table, va, &pa);

	TORTURE_CHECK(found == mapped, "0x%lx is %smapped", va, found ? "" : "not ");
	TORTURE_CHECK(!found || pa.v == PHYS(va).v, "0x%lx is at 0x%lx, not 0x%lx", va, pa.v,
		      PHYS(va).v);
}

static void map(u64 va, u64 size, int allowed)
{
	int err = ptab_map(&table, va, PHYS(va), size, FLAGS);

	TORTURE_CHECK(!err || err == allowed, "mapping 0x%lx: error %d", va, -err);
}

static void unmap(u64 va, u64 size)
{
	int err = ptab_unmap(&table, va, size);

	TORTURE_CHECK(!err, "unmapping 0x%lx: error %d", va, -err);
}

/* The pages that are this CPU's: every n-th. */
#define for_each_own(w, i, pages) for (u64 i = (w)->cpu; i < (pages); i += cpu_count())

static void own_pages(struct torture_worker *w)
{
	for_each_own(w, i, PAGES)
	{
		u64 va = OWN_BASE + i * PAGE_SIZE;

		map(va, PAGE_SIZE, 0);
		check_mapped(va, true);
		if (i % 3 == 0) {
			unmap(va, PAGE_SIZE);
			check_mapped(va, false);
		}
	}
}

static void same_pages(struct torture_worker *w)
{
	for (u64 i = 0; i < PAGES; i++) {
		u64 va = RACE_BASE + (i ^ w->cpu) * PAGE_SIZE;

		if (ptab_map(&table, va, PHYS(va), PAGE_SIZE, FLAGS) == 0)
			atomic_fetch_add(&winners[i ^ w->cpu], 1);
		check_mapped(va, true);
	}
}

/* One large leaf, or a table of small ones: whoever is first. */
static void both_sizes(struct torture_worker *w)
{
	for (u64 i = 0; i < SIZE_REGIONS; i++) {
		u64 va = SIZES_BASE + i * LARGE;
		bool small = (w->cpu + i) % 2;

		if (small)
			va += w->cpu % PTAB_ENTRIES * PAGE_SIZE;
		if (ptab_map(&table, va, PHYS(va), small ? PAGE_SIZE : LARGE, FLAGS) == 0)
			atomic_fetch_add(&size_winners[i], small ? 1 : LARGE_WON);
		else if (!small)
			continue; /* then others' pages are there */
		check_mapped(va, true);
	}
}

static void split(struct torture_worker *w)
{
	for_each_own(w, i, PTAB_ENTRIES)
	{
		u64 va = SPLIT_BASE + i * PAGE_SIZE;

		check_mapped(va, true);
		if (i % 5)
			unmap(va, PAGE_SIZE);
		check_mapped(va, i % 5 == 0);
	}
}

/*
 * Large leaves that come and go while others want a table there: in places where no table is yet,
 * for one that is there stays. Nobody knows what is mapped; but a translation is right if there is
 * one, nothing is lost of the tables, and nothing outside of them is touched.
 */
static void churn(struct torture_worker *w, u64 region)
{
	for (unsigned i = 0; i < CHURN_OPS; i++) {
		u64 va = CHURN_BASE + region * LARGE, size = LARGE;
		hpa_t pa;

		if (torture_random(w, CHURN_OPS) == 0) {
			va += torture_random(w, PTAB_ENTRIES) * PAGE_SIZE;
			size = PAGE_SIZE;
		}
		if (torture_random(w, 2))
			map(va, size, -EEXIST);
		else
			unmap(va, size);
		if (ptab_translate(&table, va, &pa))
			TORTURE_CHECK(pa.v == PHYS(va).v, "0x%lx is at 0x%lx", va, pa.v);
	}
}

static void check_sizes(void)
{
	for (u64 i = 0; i < SIZE_REGIONS; i++) {
		unsigned level = 0;

		ptab_lookup(&table, SIZES_BASE + i * LARGE, &level);
		if (level == 2)
			TORTURE_CHECK(size_winners[i] == LARGE_WON, "leaf %lu has winners 0x%x", i,
				      size_winners[i]);
		else
			TORTURE_CHECK(size_winners[i] && size_winners[i] < LARGE_WON,
				      "table %lu has winners 0x%x", i, size_winners[i]);
		size_winners[i] = 0;
	}
}

/* Where a walk gets to that takes an entry which is not present for a table. */
static u64 frame_0_sum(void)
{
	const u64 *p = phys_to_virt(HPA(0));
	u64 sum = 0;

	for (unsigned i = 0; i < PTAB_ENTRIES; i++)
		sum = sum * 31 + READ_ONCE(p[i]);
	return sum;
}

/* One worker, while the others wait. */
static void set_up(void)
{
	frame_0 = frame_0_sum();
	free_before = torture_free_frames();
	TORTURE_CHECK(ptab_init(&table, &format) == 0, "no frame for a table");
	map(SPLIT_BASE, LARGE, 0);
}

static void verify(void)
{
	for (u64 i = 0; i < PAGES && !torture_failed(); i++) {
		check_mapped(OWN_BASE + i * PAGE_SIZE, i % 3 != 0);
		check_mapped(RACE_BASE + i * PAGE_SIZE, true);
		TORTURE_CHECK(winners[i] == 1, "page %lu has %u winners", i, winners[i]);
		winners[i] = 0;
	}
	for (u64 i = 0; i < PTAB_ENTRIES; i++)
		check_mapped(SPLIT_BASE + i * PAGE_SIZE, i % 5 == 0);
	check_sizes();
	TORTURE_CHECK(frame_0_sum() == frame_0, "frame 0 has been written to");
	ptab_destroy(&table);
	TORTURE_CHECK(torture_free_frames() == free_before, "%lu frames were free, now %lu",
		      free_before, torture_free_frames());
}

static void work(struct torture_worker *w)
{
	do {
		if (w->cpu == 0)
			set_up();
		torture_meet(w);
		if (torture_failed())
			return; /* nobody waits for anybody any more */
		own_pages(w);
		same_pages(w);
		both_sizes(w);
		split(w);
		for (u64 i = 0; i < CHURN_REGIONS && !torture_failed(); i++) {
			torture_beat(w);
			churn(w, i);
		}
		torture_meet(w);
		if (w->cpu == 0 && !torture_failed())
			verify();
		w->operations++;
	} while (torture_meet(w));
}

const struct torture_part part_ptab = { "ptab", NULL, work, NULL };
