/* VP indexes: look-ups while they change, and tables freed behind the readers' backs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sched.h>
#include <stdlib.h>

#include "hv/hyperv/vp_index.h"
#include "mm/heap.h"
#include "tsan.h"

#define COUNT 8
#define LOW   0u
#define SPARE 100u

static struct vp_index m;
static u64 passed[TSAN_THREADS]; /* quiescent states of each reader */
static bool stop;		 /* the changer is done; readers end after that only */

/* libc's, which the sanitizer knows. */
void *heap_alloc(size_t n)
{
	return calloc(1, n);
}

void heap_free(void *p)
{
	free(p);
}

void rcu_synchronize(void)
{
	for (unsigned i = 1; i < TSAN_THREADS; i++) {
		u64 seen = load_acquire(&passed[i]);

		/* Acquire: what the reader read is read. */
		while (load_acquire(&passed[i]) == seen)
			sched_yield();
	}
}

/* vCPU 3 goes to and fro between its own index and a spare one; sometimes it is the only mismatch,
 * sometimes there is none. */
static void change(struct tsan_thread *t)
{
	for (unsigned i = 0; tsan_going(t); i++)
		TSAN_CHECK(vp_index_set(&m, 3, (vp_index_t){ i % 2 ? 3 : SPARE }) == 0);
	TSAN_CHECK(vp_index_set(&m, 3, (vp_index_t){ 3 }) == 0);
	store_release(&stop, true);
}

static void look(struct tsan_thread *t)
{
	while (!load_acquire(&stop)) {
		u32 own = vp_index_find(&m, (vp_index_t){ 3 });
		u32 spare = vp_index_find(&m, (vp_index_t){ SPARE });
		u32 index = vp_index_of(&m, 3).v;

		TSAN_CHECK(own == 3 || own == VP_POSITION_NONE);
		TSAN_CHECK(spare == 3 || spare == VP_POSITION_NONE);
		TSAN_CHECK(index == 3 || index == SPARE);
		TSAN_CHECK(vp_index_find(&m, (vp_index_t){ LOW }) == 0);
		TSAN_CHECK(vp_index_mismatches(&m) <= 1);
		t->operations++;
		/* Release: all that was found is done with. */
		store_release(&passed[t->id], passed[t->id] + 1);
	}
}

static void *use(void *arg)
{
	struct tsan_thread *t = arg;

	if (t->id == 0)
		change(t);
	else
		look(t);
	return NULL;
}

static void test_look_up_while_it_changes(void **unused)
{
	(void)unused;
	vp_index_init(&m, VP_INDEX_MAX, COUNT);
	assert_true(tsan_run(use) > 1000);
	assert_null(m.table);
	vp_index_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_look_up_while_it_changes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
