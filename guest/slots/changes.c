/*
 * The first processor moves, deletes, makes and write-protects slots, and all touch the memory. A
 * word of it says whose it is (magic), which making of the slot wrote it, and in which page it
 * stands; where no slot is, all bits are ones. What is seen must be what stands there, or, during a
 * change, what stood there or will: never anything else, such as the poison in freed frames, or
 * what another VM has written to them since.
 */
#include <stdio.h>
#include "smp.h"
#include "slots.h"

#define AREAS	      3
#define PLACES	      4
#define ABSENT	      (~0ull)
#define OWN_WORD      8 /* words from here on belong to one processor each, the others look */
#define START_TICKS   100000000000ull
#define TOUCH_BETWEEN 20 /* times, by the first processor itself, after each change */

/* A slot that comes and goes, and where it may be. Changed with the epoch odd. */
static struct area {
	uint64_t id, pages;
	uint64_t place[PLACES];
	int source; /* area whose frames it shows; -1: its own */
	/* How things are when the epoch is even. */
	volatile uint64_t base; /* 0: there is no slot */
	volatile uint64_t making;
	volatile bool read_only;
} areas[AREAS] = {
	/* Small, and one place half over another. */
	{ 100, 8, { 0x40000000, 0x40100000, 0x40004000, 0x40203000 }, -1, 0, 0, false },
	/* In large pages, and in small ones. */
	{ 101, 1024, { 0x50000000, 0x50800000, 0x51001000, 0x52200000 }, -1, 0, 0, false },
	/* The first one's frames at another place. */
	{ 32868, 8, { 0x60000000, 0x60200000, 0x60400000, 0x60600000 }, 0, 0, 0, false },
};

static uint32_t changes_magic;
static volatile uint64_t changes_epoch; /* even: nothing is being changed */
static volatile bool changes_over;
static uint64_t changes_made;

/* What went wrong first. */
static volatile struct {
	uint32_t count;
	const char *what;
	uint64_t address, wanted, got;
} changes_error;

struct toucher {
	uint64_t random;
	volatile uint64_t present, absent, protected, during;
} __attribute__((aligned(64)));
static struct toucher touchers[SMP_MAX_CPUS];

static uint64_t changes_random(uint64_t *random, uint64_t n)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 32) * n >> 32;
}

static void changes_fail(const char *what, const volatile uint64_t *p, uint64_t wanted,
			 uint64_t got)
{
	if (__atomic_fetch_add(&changes_error.count, 1, __ATOMIC_SEQ_CST))
		return;
	changes_error.address = (uintptr_t)p;
	changes_error.wanted = wanted;
	changes_error.got = got;
	changes_error.what = what;
}

static uint64_t changes_header(uint64_t making, uint64_t page)
{
	return (uint64_t)changes_magic << 32 | (making & 0xfffff) << 12 | page;
}

static bool changes_is_ours(uint64_t value)
{
	return value == ABSENT || !value || value >> 32 == changes_magic;
}

/* --- touching --- */

/* Whether the epoch is what it was, when things stood still; all reads before it are done. */
static bool changes_still(uint64_t epoch)
{
	__asm__ volatile("" : : : "memory");
	return !(epoch & 1) && changes_epoch == epoch;
}

static void touch_present(struct toucher *t, volatile uint64_t *p, const struct area *a,
			  uint64_t epoch, unsigned int index)
{
	uint64_t page = ((uintptr_t)p - a->base) / SLOTS_PAGE;
	uint64_t wanted = changes_header(a->making, page), got = p[0], own, after;
	uint64_t written =
		(uint64_t)changes_magic << 32 | (uint32_t)changes_random(&t->random, 1u << 31);
	volatile uint64_t *mine = p + OWN_WORD + index;
	bool read_only = a->read_only;

	if (!changes_is_ours(got))
		changes_fail("a word of nobody's", p, wanted, got);
	if (changes_still(epoch) && got != wanted)
		changes_fail("not what stands there", p, wanted, got);
	own = *mine;
	*mine = written;
	after = *mine;
	if (!changes_is_ours(own) || !changes_is_ours(after))
		changes_fail("a word of nobody's", mine, own, after);
	if (!changes_still(epoch)) {
		t->during++;
		return;
	}
	wanted = read_only ? own : written;
	if (after != wanted)
		changes_fail(read_only ? "written though read-only" : "not written", mine, wanted,
			     after);
	*(read_only ? &t->protected : &t->present) += 1;
}

static void touch_absent(struct toucher *t, volatile uint64_t *p, uint64_t epoch)
{
	uint64_t got = *p;

	if (!changes_is_ours(got))
		changes_fail("a word of nobody's", p, ABSENT, got);
	if (!changes_still(epoch)) {
		t->during++;
		return;
	}
	if (got != ABSENT)
		changes_fail("something where no slot is", p, ABSENT, got);
	t->absent++;
}

/* The place of an address when things stand still; during a change it is as good as any. */
static void touch(unsigned int index)
{
	struct toucher *t = &touchers[index];
	const struct area *a = &areas[changes_random(&t->random, AREAS)];
	uint64_t address = a->place[changes_random(&t->random, PLACES)] +
			   changes_random(&t->random, a->pages) * SLOTS_PAGE;
	uint64_t epoch = changes_epoch, base = a->base;

	/* More often where the slot is. */
	if (base && changes_random(&t->random, 2))
		address = base + changes_random(&t->random, a->pages) * SLOTS_PAGE;
	if (base && address - base < a->pages * SLOTS_PAGE)
		touch_present(t, (volatile uint64_t *)address, a, epoch, index);
	else
		touch_absent(t, (volatile uint64_t *)address, epoch);
}

static void changes_idle(void)
{
	touch(0);
}

static void changes_enter(struct smp_cpu *cpu)
{
	while (!changes_over)
		touch(cpu->index);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* --- changing --- */

static bool changes_do(enum slots_op op, const struct area *a, uint64_t b, uint64_t c, uint64_t d,
		       uint64_t e)
{
	const struct slots_call call = { op, { a->id, b, c, d, e } };
	int result = slots_do(&call, changes_idle, NULL);

	if (result)
		printf("slots: call %u of slot %u: FAILED: %d\n", op, (unsigned int)a->id, result);
	if (result)
		changes_fail("a call was refused", NULL, 0, (uint64_t)(int64_t)result);
	changes_made++;
	return !result;
}

static void change_create(struct area *a, uint64_t base)
{
	const struct area *source = a->source < 0 ? NULL : &areas[a->source];
	uint64_t page;

	if (source && !source->base)
		return;
	if (!changes_do(SLOTS_CREATE, a, base / SLOTS_PAGE, a->pages, 0,
			source ? source->base / SLOTS_PAGE : SLOTS_NEW))
		return;
	if (source) {
		a->making = source->making;
	} else {
		a->making++;
		for (page = 0; page < a->pages; page++) {
			volatile uint64_t *p = (volatile uint64_t *)(base + page * SLOTS_PAGE);

			if (p[0] || p[511])
				changes_fail("a new page is not clear", p, 0, p[0] | p[511]);
			p[0] = changes_header(a->making, page);
		}
	}
	a->read_only = false;
	a->base = base;
}

static void change_one(struct area *a, uint64_t *random)
{
	uint64_t place = a->place[changes_random(random, PLACES)];

	if (!a->base) {
		change_create(a, place);
		return;
	}
	switch (changes_random(random, a->pages > 512 ? 12 : 6)) {
	case 0:
		if (changes_do(SLOTS_DELETE, a, 0, 0, 0, 0))
			a->base = 0;
		break;
	case 1:
	case 2:
		if (changes_do(SLOTS_FLAGS, a, a->read_only ? 0 : SLOTS_READ_ONLY, 0, 0, 0))
			a->read_only = !a->read_only;
		break;
	default:
		if (changes_do(SLOTS_MOVE, a, place / SLOTS_PAGE, 0, 0, 0))
			a->base = place;
		break;
	}
}

static unsigned int changes_idle_cpus(unsigned int cpus)
{
	unsigned int i, idle = 0;

	for (i = 0; i < cpus; i++) {
		const struct toucher *t = &touchers[i];

		idle += !(t->present + t->absent + t->protected + t->during);
	}
	return idle;
}

/* A processor that has stood still all the while is waited for: it may find something wrong, too.
 */
static void changes_wait_for_all(unsigned int cpus)
{
	uint64_t start = rdtsc();

	while (changes_idle_cpus(cpus) && !changes_error.count && rdtsc() - start < START_TICKS)
		touch(0);
}

static void changes_run(unsigned int changes, unsigned int cpus, uint64_t *random)
{
	unsigned int i, k;

	for (i = 0; i < changes && !changes_error.count; i++) {
		changes_epoch++;
		change_one(&areas[changes_random(random, AREAS)], random);
		__asm__ volatile("" : : : "memory");
		changes_epoch++;
		for (k = 0; k < TOUCH_BETWEEN; k++)
			touch(0);
	}
	changes_wait_for_all(cpus);
	changes_over = true;
}

static void changes_print(unsigned int cpus)
{
	uint64_t present = 0, absent = 0, protected = 0, during = 0;
	unsigned int i;

	for (i = 0; i < cpus; i++) {
		const struct toucher *t = &touchers[i];

		present += t->present;
		absent += t->absent;
		protected += t->protected;
		during += t->during;
	}
	printf("slots: %u CPUs, %u idle, %lu changes, touched %lu present, %lu read-only, "
	       "%lu absent, %lu during changes\n",
	       cpus, changes_idle_cpus(cpus), changes_made, present, protected, absent, during);
}

bool slots_test_changes(unsigned int changes, uint32_t magic, uint64_t seed)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15ull | 1;
	unsigned int i, cpus = smp_init(changes_enter);

	changes_magic = magic;
	for (i = 0; i < cpus; i++)
		touchers[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ull | 1;
	if (!smp_start_all(START_TICKS)) {
		printf("slots: a processor does not start: FAILED\n");
		return false;
	}
	changes_run(changes, cpus, &random);
	changes_print(cpus);
	if (changes_error.count)
		printf("slots: %s at %lx: wanted %016lx, got %016lx: FAILED, %u times\n",
		       changes_error.what, (unsigned long)changes_error.address,
		       (unsigned long)changes_error.wanted, (unsigned long)changes_error.got,
		       (unsigned int)changes_error.count);
	return !changes_error.count;
}
