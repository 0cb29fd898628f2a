/*
 * The dirty log: one thread switches it, reads it and keeps a copy of the memory by what it says;
 * the others are processors, which write through TLBs that only a shootdown flushes, fault, and
 * log. In the end the copy must be what the memory is. By each of the three methods.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/backend.h"
#include "hv/mmu/dirty_log.h"
#include "hv/mmu/shootdown.h"
#include "hv/mmu/tdp.h"
#include "hv/vm.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/ptab_split.h"
#include "shim.h"
#include "tdp_fake.h"
/* The C library has a function of that name, which threads' headers declare. */
#define sched_yield sched_yield_of_libc
#include "tsan.h"
#undef sched_yield

#define PHYS  (32 * MIB)
#define W     BIT(1)
#define D     BIT(9)
#define RAM   (7 | D)
#define ID    5
#define BASE  (4 * MIB)
#define PAGES 600
#define WORDS ((PAGES + 63) / 64)
#define LOG   16
#define READS 20 /* before the log is switched off for a while */

static struct tdp_fake tdp_fake = { .format = { PTAB_FAKE_FORMAT, .writable = W, .dirty = D,
						.max_leaf_level = 2 },
				    .ram = RAM,
				    .rom = RAM };
static struct vm_config config;
static struct vm vm;
static u64 memory[PAGES][TSAN_THREADS], copy[PAGES][TSAN_THREADS];
static bool stop;
static u32 over; /* processors that are done: they have nothing in their TLBs any more */
static u64 wanted;

static struct processor {
	struct vcpu vcpu;
	bool tlb[PAGES]; /* written without a look at the tables */
	u64 log[LOG];
	unsigned logged;
	u64 seen; /* shootdowns; and grace periods, as it holds nothing then either */
} processors[TSAN_THREADS];

/* --- what a processor does between two instructions --- */

static void drain(struct processor *p)
{
	struct slot_cache cache = { 0 };

	while (p->logged)
		dirty_log_mark_gfn(&vm, &cache, gpa_to_gfn(GPA(p->log[--p->logged])));
}

static void take_kick(struct processor *p)
{
	u64 now = load_acquire(&wanted);

	if (p->seen == now)
		return;
	drain(p);
	memset(p->tlb, 0, sizeof(p->tlb));
	/* Release: flushed, then said so. */
	store_release(&p->seen, now);
}

static void kick_all(void)
{
	u64 mine = atomic_fetch_add(&wanted, 1) + 1;

	for (unsigned i = 1; i < TSAN_THREADS; i++) {
		while (load_acquire(&processors[i].seen) < mine && load_acquire(&over) < i)
			cpu_relax();
	}
}

int shootdown(struct vm *v)
{
	(void)v;
	kick_all();
	return 0;
}

void rcu_synchronize(void)
{
	kick_all();
}

int shootdown_free(struct vm *v, const struct ptab_table *tables, unsigned n)
{
	(void)v;
	kick_all();
	for (unsigned i = 0; i < n; i++)
		(void)ptab_free(&tdp_fake.format, tables[i]);
	return 0;
}

/* --- what is called and does nothing here --- */

void sched_pause(void)
{
}

void sched_post(struct thread *t, u32 bits)
{
	(void)t;
	(void)bits;
}

void vm_kill(struct vcpu *v, const char *why, ...)
{
	(void)v;
	fprintf(stderr, "%s\n", why);
	abort();
}

/* --- processors --- */

/* As the processor does it: in a locked operation, and only in an entry that still says so. */
static bool set_dirty(struct processor *p, u64 gpa, u64 *leaf, u64 e)
{
	if (tdp_fake.method == DIRTY_WRITE_PROTECT || (e & D))
		return true;
	if (tdp_fake.method == DIRTY_PML && p->logged == LOG)
		drain(p);
	if (!atomic_cmpxchg(leaf, &e, e | D))
		return false;
	if (tdp_fake.method == DIRTY_PML)
		p->log[p->logged++] = gpa;
	return true;
}

static bool translate(struct processor *p, u64 gpa)
{
	u64 n, *leaf = ptab_small_leaves(&vm.tdp, gpa, &n), e = leaf ? load_acquire(leaf) : 0;
	hpa_t pa;

	if (!leaf && ptab_translate(&vm.tdp, gpa, &pa))
		return true; /* large: dirty from the start */
	if (e & W)
		return set_dirty(p, gpa, leaf, e);
	TSAN_CHECK(tdp_fault(&p->vcpu, NULL, GPA(gpa), true) == TDP_RESUME);
	return false;
}

static void *run(struct tsan_thread *t)
{
	struct processor *p = &processors[t->id];
	u64 value = 0;

	while (!load_acquire(&stop)) {
		u64 page = tsan_random(t, PAGES);

		take_kick(p);
		t->operations++;
		if (!p->tlb[page] && !translate(p, BASE + page * PAGE_SIZE))
			continue;
		p->tlb[page] = true;
		WRITE_ONCE(memory[page][t->id], ++value);
	}
	drain(p);
	/* In turn: `over` counts those below it, too. */
	while (load_acquire(&over) != t->id - 1)
		take_kick(p);
	store_release(&over, t->id);
	return NULL;
}

/* --- the reader --- */

static void copy_page(u64 page)
{
	for (unsigned i = 1; i < TSAN_THREADS; i++)
		copy[page][i] = READ_ONCE(memory[page][i]);
}

static void read_log(void)
{
	const struct dirty_range r = { ID, 0, PAGES };
	u64 words[WORDS], count = 0, n = 0;

	TSAN_CHECK(dirty_log_read(&vm, &r, words, &count) == 0);
	for (u64 page = 0; page < PAGES; page++) {
		if (!(words[page / 64] >> page % 64 & 1))
			continue;
		n++;
		copy_page(page);
	}
	TSAN_CHECK(n == count);
}

static void switch_on(void)
{
	TSAN_CHECK(slots_set_flags(&vm.slots, ID, SLOT_DIRTY_LOG) == 0);
	for (u64 page = 0; page < PAGES; page++)
		copy_page(page);
}

static void *work(void *arg)
{
	struct tsan_thread *t = arg;

	if (t->id)
		return run(t);
	while (t->operations++, time(NULL) < t->end) {
		switch_on();
		for (unsigned i = 0; i < READS; i++)
			read_log();
		TSAN_CHECK(slots_set_flags(&vm.slots, ID, 0) == 0);
	}
	switch_on();
	read_log();
	store_release(&stop, true);
	while (load_acquire(&over) != TSAN_THREADS - 1)
		cpu_relax();
	read_log();
	return NULL;
}

static int flush(struct slots *s, const struct slot *slot)
{
	(void)s;
	return tdp_unmap_slot(&vm, slot);
}

static int relog(struct slots *s, const struct slot *slot)
{
	(void)s;
	return slot->log ? dirty_log_start(&vm, slot) : dirty_log_stop(&vm, slot);
}

static const struct slots_ops ops = { .flush = flush, .log = relog };

static void make_slot(void)
{
	const struct slot_spec spec = { .id = ID, .base = GFN(BASE >> PAGE_SHIFT), .pages = PAGES };
	struct slot_backing *b;

	slots_init(&vm.slots, GFN(PHYS), &ops);
	assert_int_equal(slot_backing_alloc(spec.base, spec.pages, false, &b), 0);
	assert_int_equal(slots_create(&vm.slots, &spec, b), 0);
}

static void run_method(enum dirty_method m)
{

	tdp_fake.method = m;
	stop = false;
	/* Nobody runs yet. */
	over = TSAN_THREADS;
	wanted = 0;
	memset(&vm, 0, sizeof(vm));
	vm.config = &config;
	memset(memory, 0, sizeof(memory));
	memset(processors, 0, sizeof(processors));
	for (unsigned i = 0; i < TSAN_THREADS; i++)
		processors[i].vcpu.vm = &vm;
	ptab_fake_memory(PHYS);
	assert_int_equal(tdp_init(&vm), 0);
	make_slot();
	over = 0;
	assert_true(tsan_run(work) > 100);
	for (u64 page = 0; page < PAGES; page++)
		assert_memory_equal(copy[page] + 1, memory[page] + 1,
				    (TSAN_THREADS - 1) * sizeof(u64));
	slots_fini(&vm.slots);
	ptab_destroy(&vm.tdp);
	assert_int_equal(frame_stats().free, frame_stats().total);
	ptab_fake_memory_end();
}

static void test_write_protection(void **unused)
{
	(void)unused;
	run_method(DIRTY_WRITE_PROTECT);
}

static void test_dirty_bits(void **unused)
{
	(void)unused;
	run_method(DIRTY_BITS);
}

static void test_pml(void **unused)
{
	(void)unused;
	run_method(DIRTY_PML);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_write_protection),
					    cmocka_unit_test(test_dirty_bits),
					    cmocka_unit_test(test_pml) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
