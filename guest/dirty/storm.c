/*
 * All processors write pages as fast as they can, while the first one reads the log over and over
 * and keeps a copy of the memory by what the log says: as a migration does. In the end the copy
 * must be what the memory is. Beside that a page must be in the log that is read next after it was
 * written, or in the one being read then; and pages that are never written in none.
 */
#include <stdio.h>
#include <string.h>
#include "dirty.h"
#include "smp.h"
#include "team.h"
#include "x86.h"

#define STORM_CPUS_MAX 8
#define STORM_ALONE    64 /* writes of the first processor between two looks, and behind a reading */
#define STORM_PATIENCE 100000000000ull /* ticks of the TSC in which a processor does something */

static struct dirty_slot storm_slot = { .id = 202, .gfn = 0x40000, .pages = 1100 };

static uint64_t storm_copy[DIRTY_PAGES_MAX][STORM_CPUS_MAX];
static uint64_t storm_before[DIRTY_WORDS_MAX]; /* the log before */
static volatile bool storm_over;

/*
 * The reading that was last begun, and for each page the highest that this number had been before
 * one of the writes to it that are done. Whoever has written may stand still before it says so:
 * what it says then is of an old reading, and asks for nothing.
 */
static uint64_t storm_reading = 1;		/* atomic */
static uint64_t storm_written[DIRTY_PAGES_MAX]; /* atomic; 0: never written */

static struct storm_writer {
	uint64_t random;
	volatile uint64_t count;
} __attribute__((aligned(64))) storm_writers[STORM_CPUS_MAX];

static unsigned int storm_failed; /* atomic */
/* Of the first failure; the first processor prints it. */
static const char *storm_what;
static uint64_t storm_where;
static uint64_t storm_logged, storm_during;

static void storm_fail(const char *what, uint64_t page)
{
	if (__atomic_fetch_add(&storm_failed, 1, __ATOMIC_SEQ_CST))
		return;
	storm_what = what;
	storm_where = page;
}

static bool storm_is_written(uint64_t page)
{
	return page % 8 != 7;
}

static void storm_note(uint64_t page, uint64_t reading)
{
	uint64_t old = __atomic_load_n(&storm_written[page], __ATOMIC_SEQ_CST);

	while (old < reading &&
	       !__atomic_compare_exchange_n(&storm_written[page], &old, reading, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static void storm_write(unsigned int index)
{
	struct storm_writer *w = &storm_writers[index];
	uint64_t page = dirty_random(&w->random, storm_slot.pages);
	uint64_t reading = __atomic_load_n(&storm_reading, __ATOMIC_SEQ_CST);

	if (!storm_is_written(page)) {
		if (dirty_page(&storm_slot, page)[index])
			storm_fail("is not clear", page);
		return;
	}
	dirty_page(&storm_slot, page)[index] = w->count + 1;
	w->count++;
	storm_note(page, reading);
}

static void storm_part(unsigned int index, unsigned int unused)
{
	(void)unused;
	while (!storm_over)
		storm_write(index);
}

static void storm_idle(void)
{
	unsigned int i;

	for (i = 0; i < STORM_ALONE; i++)
		storm_write(0);
}

static uint64_t storm_others(void)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 1; i < team_size(); i++)
		count += storm_writers[i].count;
	return count;
}

static void storm_copy_page(uint64_t page)
{
	unsigned int i;

	for (i = 0; i < team_size(); i++)
		storm_copy[page][i] = dirty_page(&storm_slot, page)[i];
}

static void storm_check(const uint64_t *must)
{
	uint64_t page;

	for (page = 0; page < storm_slot.pages; page++) {
		bool has = dirty_has(storm_slot.log, page);

		if (has && !storm_is_written(page))
			storm_fail("was not written", page);
		if (!has && dirty_has(must, page) && !dirty_has(storm_before, page))
			storm_fail("is not in the log", page);
		if (has)
			storm_copy_page(page);
	}
	memcpy(storm_before, storm_slot.log, sizeof(storm_before));
}

/* The pages whose writes began behind the last reading's begin, and are done. */
static void storm_collect(uint64_t *must)
{
	uint64_t last = __atomic_fetch_add(&storm_reading, 1, __ATOMIC_SEQ_CST), page;

	memset(must, 0, DIRTY_WORDS_MAX * sizeof(must[0]));
	for (page = 0; page < storm_slot.pages; page++)
		if (__atomic_load_n(&storm_written[page], __ATOMIC_SEQ_CST) >= last)
			must[page / 64] |= 1ull << page % 64;
}

static bool storm_read(void (*idle)(void))
{
	uint64_t must[DIRTY_WORDS_MAX], others = storm_others();
	int count;

	storm_collect(must);
	count = dirty_read(&storm_slot, idle, NULL);
	if (count < 0)
		return false;
	storm_during += storm_others() - others;
	storm_logged += (unsigned int)count;
	storm_check(must);
	return true;
}

/* All have written, and others did while the log was read. */
static bool storm_has_all(void)
{
	unsigned int i;

	for (i = 0; i < team_size(); i++)
		if (!storm_writers[i].count)
			return false;
	return storm_during || team_size() == 1;
}

/* A processor that stands still for a while is waited for, one that never does anything is not. */
static bool storm_wait_for_all(void)
{
	uint64_t start = rdtsc();

	while (!storm_has_all() && !storm_failed && rdtsc() - start < STORM_PATIENCE)
		if (!storm_read(storm_idle))
			return false;
	return true;
}

/* The log is switched on, and all memory copied; then come readings. */
static bool storm_epoch(unsigned int reads)
{
	uint64_t page;
	unsigned int i;

	if (!dirty_switch(&storm_slot, true, storm_idle))
		return false;
	memset(storm_before, 0xff, sizeof(storm_before));
	for (page = 0; page < storm_slot.pages; page++)
		storm_copy_page(page);
	for (i = 0; i < reads && !storm_failed; i++) {
		if (!storm_read(storm_idle))
			return false;
		storm_idle();
	}
	return true;
}

/* Nobody writes any more. */
static void storm_compare(void)
{
	uint64_t page;
	unsigned int i;

	for (page = 0; page < storm_slot.pages; page++)
		for (i = 0; i < team_size(); i++)
			if (storm_copy[page][i] != dirty_page(&storm_slot, page)[i])
				storm_fail("was written unseen", page);
}

static void storm_print(unsigned int reads)
{
	uint64_t count = 0;
	unsigned int i, idle = 0;

	if (storm_failed)
		printf("dirty: storm: page %u %s: FAILED\n", (unsigned int)storm_where, storm_what);
	for (i = 0; i < team_size(); i++) {
		count += storm_writers[i].count;
		idle += !storm_writers[i].count;
	}
	printf("dirty: storm: %u CPUs, %u idle, %u reads, %lu pages logged, %lu writes, "
	       "%lu of others during reads, %u failed\n",
	       team_size(), idle, reads, storm_logged, count, storm_during, storm_failed);
}

bool dirty_test_storm(unsigned int reads)
{
	unsigned int i;
	bool ok;

	if (team_size() > STORM_CPUS_MAX || !dirty_create(&storm_slot, 0))
		return false;
	for (i = 0; i < team_size(); i++)
		storm_writers[i].random = (i + 1) * 0x9e3779b97f4a7c15ull;
	team_begin(storm_part, 0);
	storm_idle();
	ok = storm_epoch(reads / 2) && dirty_switch(&storm_slot, false, storm_idle) &&
	     storm_epoch(reads - reads / 2) && storm_wait_for_all();
	storm_over = true;
	team_wait();
	ok = ok && storm_read(NULL);
	storm_compare();
	storm_print(reads);
	return ok && !storm_failed && dirty_delete(&storm_slot);
}
