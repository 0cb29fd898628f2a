/*
 * The heap: objects of all sizes, filled and verified, and mostly freed on another CPU than they
 * come from: they are handed over by way of a table of pointers.
 */
#include "torture.h"

#include "mm/heap.h"

#define BOXES	  256
#define BYTES_MAX 9000
#define SEED	  0x68656170u

struct object {
	u32 size, seed;
	u64 self; /* its own address */
	u8 fill[];
};

static struct object *boxes[BOXES]; /* by exchange */
static u64 free_before;

enum { TAKEN, FREED };

static u8 pattern(const struct object *o, size_t i)
{
	return (u8)(o->seed + i * 7);
}

static struct object *take(struct torture_worker *w)
{
	u32 size = sizeof(struct object) + torture_random(w, torture_random(w, BYTES_MAX) + 1);
	struct object *o = heap_alloc(size);
	const u8 *bytes = (const u8 *)o;

	if (!o)
		return NULL;
	TORTURE_CHECK(IS_ALIGNED((u64)o, 16) && (size < PAGE_SIZE || IS_ALIGNED((u64)o, PAGE_SIZE)),
		      "%p, of %u bytes, is not aligned", (void *)o, size);
	for (u32 i = 0; i < size; i++)
		TORTURE_CHECK(!bytes[i], "byte %u of a new object is 0x%x", i, bytes[i]);
	o->size = size;
	o->seed = SEED ^ (u32)w->operations;
	o->self = (u64)o;
	for (size_t i = 0; i < size - sizeof(*o); i++)
		o->fill[i] = pattern(o, i);
	w->count[TAKEN]++;
	return o;
}

static void give_back(struct torture_worker *w, struct object *o)
{
	TORTURE_CHECK(o->self == (u64)o, "%p says it is 0x%lx", (void *)o, o->self);
	for (size_t i = 0; !torture_failed() && i < o->size - sizeof(*o); i++)
		TORTURE_CHECK(o->fill[i] == pattern(o, i),
			      "byte %lu of %p, %u bytes, is 0x%x, not 0x%x", i, (void *)o, o->size,
			      o->fill[i], pattern(o, i));
	heap_free(o);
	w->count[FREED]++;
}

static void begin(void)
{
	free_before = torture_free_frames();
}

static void work(struct torture_worker *w)
{
	while (torture_going(w)) {
		struct object *o = torture_random(w, 3) ? take(w) : NULL;

		o = atomic_xchg(&boxes[torture_random(w, BOXES)], o);
		if (o)
			give_back(w, o);
	}
}

static void end(void)
{
	for (unsigned i = 0; i < BOXES; i++) {
		if (boxes[i])
			give_back(&torture_workers[0], boxes[i]);
		boxes[i] = NULL;
	}
	TORTURE_CHECK(torture_sum(TAKEN) == torture_sum(FREED), "%lu taken, %lu freed",
		      torture_sum(TAKEN), torture_sum(FREED));
	TORTURE_CHECK(torture_free_frames() == free_before, "%lu frames were free, now %lu",
		      free_before, torture_free_frames());
}

const struct torture_part part_heap = { "heap", begin, work, end };
