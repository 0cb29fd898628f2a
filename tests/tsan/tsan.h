/* What the tests under ThreadSanitizer have in common: threads that all do the same for a while. */
#ifndef NEAP_TESTS_TSAN_H
#define NEAP_TESTS_TSAN_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/atomic.h"
#include "core/types.h"

#define TSAN_THREADS 3
#define TSAN_SECONDS 2 /* or what the environment says under this name */

/* In any thread; cmocka's assertions are for the main one only. */
#define TSAN_CHECK(cond)                                                                   \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                           \
		}                                                                          \
	} while (0)

struct tsan_thread {
	unsigned id;
	u64 random;
	u64 operations;
	time_t end;
	pthread_t thread;
};

static inline u32 tsan_random(struct tsan_thread *t, u32 n)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (u32)((t->random >> 32) * n >> 32);
}

static inline bool tsan_going(struct tsan_thread *t)
{
	return ++t->operations % 64 || time(NULL) < t->end;
}

/* The same, where less than so many operations prove nothing, however long the thread was stopped.
 */
static inline bool tsan_going_at_least(struct tsan_thread *t, u64 operations)
{
	return tsan_going(t) || t->operations < operations;
}

static pthread_barrier_t tsan_barrier;
static bool tsan_go_on;

/* All threads meet; they get the same answer, that of tsan_going() in one of them. */
static inline bool tsan_meet(struct tsan_thread *t)
{
	pthread_barrier_wait(&tsan_barrier);
	if (t->id == 0)
		tsan_go_on = time(NULL) < t->end;
	pthread_barrier_wait(&tsan_barrier);
	return tsan_go_on;
}

static inline time_t tsan_seconds(void)
{
	const char *s = getenv("TSAN_SECONDS");

	return s ? atol(s) : TSAN_SECONDS;
}

/* Runs fn(struct tsan_thread *) in TSAN_THREADS threads; returns how many operations they did. */
static inline u64 tsan_run(void *(*fn)(void *))
{
	struct tsan_thread t[TSAN_THREADS];
	u64 operations = 0;

	pthread_barrier_init(&tsan_barrier, NULL, TSAN_THREADS);
	for (unsigned i = 0; i < TSAN_THREADS; i++) {
		t[i] = (struct tsan_thread){ .id = i,
					     .random = (i + 1) * 0x9e3779b97f4a7c15ull,
					     .end = time(NULL) + tsan_seconds() };
		if (pthread_create(&t[i].thread, NULL, fn, &t[i]))
			abort();
	}
	for (unsigned i = 0; i < TSAN_THREADS; i++) {
		pthread_join(t[i].thread, NULL);
		operations += t[i].operations;
	}
	return operations;
}

#endif
