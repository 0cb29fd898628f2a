/*
 * Rounds: in each, every processor writes pages that are known, and reads others; when all have
 * done so the log must have the pages written, and no other.
 */
#include <stdio.h>
#include <string.h>
#include "dirty.h"
#include "team.h"

/* One in large pages, and one whose words lie across tables. */
static struct dirty_slot slots[] = {
	{ .id = 200, .gfn = 0x40000, .pages = 1300 },
	{ .id = 201, .gfn = 0x50013, .pages = 700 },
};
#define SLOTS (sizeof(slots) / sizeof(slots[0]))

static unsigned int exact_failed;
static uint64_t exact_checked;

/* Who writes the page in this round; at or beyond the number of processors: nobody. */
static unsigned int exact_writer(unsigned int round, uint64_t page)
{
	uint64_t random = (round * 4099ull + page + 1) * 0x9e3779b97f4a7c15ull;

	dirty_random(&random, 2);
	return (unsigned int)dirty_random(&random, 4 * team_size());
}

static bool exact_expects(unsigned int round, uint64_t page)
{
	return exact_writer(round, page) < team_size();
}

/* A processor's part. */
static void exact_part(unsigned int index, unsigned int round)
{
	uint64_t page, sum = 0;
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		for (page = 0; page < slots[i].pages; page++) {
			if (exact_writer(round, page) == index)
				dirty_page(&slots[i], page)[index] = round;
			else
				sum += dirty_page(&slots[i], page)[index];
		}
	__asm__ volatile("" : : "r"(sum));
}

static void exact_check(struct dirty_slot *s, unsigned int round, const char *when)
{
	uint64_t page, expected = 0;
	int count = dirty_read(s, NULL, NULL);

	for (page = 0; page < s->pages; page++) {
		bool wanted = round && exact_expects(round, page);

		expected += wanted;
		if (dirty_has(s->log, page) == wanted)
			continue;
		if (!exact_failed++)
			printf("dirty: %s, round %u: page %u of slot %u %s: FAILED\n", when, round,
			       (unsigned int)page, (unsigned int)s->id,
			       wanted ? "is not in the log" : "is in the log");
	}
	if (count != (int)expected && !exact_failed++)
		printf("dirty: %s, round %u: %d pages, not %u: FAILED\n", when, round, count,
		       (unsigned int)expected);
	exact_checked += s->pages;
}

static void exact_check_all(unsigned int round, const char *when)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		exact_check(&slots[i], round, when);
}

static bool exact_switch(bool on)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (!dirty_switch(&slots[i], on, NULL))
			return false;
	return true;
}

/* Off and on again: what was written meanwhile is not in it, what is written then is. */
static bool exact_restart(unsigned int round)
{
	if (!exact_switch(false))
		return false;
	team_do(exact_part, round);
	if (!exact_switch(true))
		return false;
	exact_check_all(0, "after it was off");
	team_do(exact_part, round + 1);
	exact_check_all(round + 1, "on again");
	return true;
}

/* What a processor has written before it was reset is in it. */
static bool exact_reset(unsigned int round)
{
	team_do(exact_part, round);
	if (!team_restart())
		return false;
	exact_check_all(round, "before an INIT");
	return true;
}

/* The log goes with its slot, also what was not read before. */
static bool exact_move(unsigned int round)
{
	team_do(exact_part, round);
	if (!dirty_move(&slots[0], 0x48000) || !dirty_move(&slots[1], 0x58001))
		return false;
	exact_check_all(round, "moved");
	team_do(exact_part, round + 1);
	exact_check_all(round + 1, "at the new place");
	return true;
}

/* What the hypervisor writes counts as well: here, the log. */
static bool exact_own_writes(void)
{
	struct dirty_slot *s = &slots[1];
	uint64_t last = s->pages - 1;

	if (dirty_read_to(s, (uintptr_t)dirty_page(s, last)) != 0)
		return false;
	if (dirty_read(s, NULL, NULL) == 1 && dirty_has(s->log, last))
		return true;
	printf("dirty: what the hypervisor wrote is not in the log: FAILED\n");
	return false;
}

bool dirty_test_exact(unsigned int rounds)
{
	unsigned int i, round;
	bool ok;

	for (i = 0; i < SLOTS; i++) {
		/* Mapped in large pages before. */
		if (!dirty_create(&slots[i], 0))
			return false;
		*dirty_page(&slots[i], 0) = 1;
		*dirty_page(&slots[i], slots[i].pages - 1) = 1;
	}
	if (!exact_switch(true))
		return false;
	exact_check_all(0, "at first");
	for (round = 1; round <= rounds; round++) {
		team_do(exact_part, round);
		exact_check_all(round, "written");
		exact_check_all(0, "read before");
	}
	ok = exact_restart(round) && exact_move(round + 2) && exact_reset(round + 4) &&
	     exact_own_writes();
	printf("dirty: %u CPUs, %u rounds, %lu bits as expected, %u not\n", team_size(), rounds,
	       exact_checked - exact_failed, exact_failed);
	for (i = 0; i < SLOTS; i++)
		ok &= dirty_delete(&slots[i]);
	return ok && !exact_failed;
}
