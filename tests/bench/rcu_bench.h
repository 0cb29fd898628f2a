/*
 * What is measured, for whichever RCU the file that includes this has put into peer_*():
 *   peer_init(), peer_thread(i), peer_thread_end(): the process, and each thread of it
 *   peer_read(): begin, load of a pointer, end; returns what it points to
 *   peer_quiescent(), peer_publish(p), peer_synchronize()
 * Prints one line of JSON: nanoseconds, each the least of ROUNDS measurements,
 * of grace periods the least median.
 */
#ifndef NEAP_TESTS_BENCH_RCU_BENCH_H
#define NEAP_TESTS_BENCH_RCU_BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS	    5
#define LOOPS	    2000000u
#define PERIODS	    10000u
#define PERIODS_NS  200e6
#define READERS_MAX 2

static int bench_values[2] = { 1, 2 };
static int bench_ready; /* atomic: readers that read */
static bool bench_over;

static double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double bench_read(void)
{
	double start = bench_now();
	unsigned sum = 0;

	for (unsigned i = 0; i < LOOPS; i++) {
		sum += (unsigned)*peer_read();
		/* Each turn reads anew. */
		__asm__ volatile("" : "+r"(sum) : : "memory");
	}
	return (bench_now() - start) / LOOPS;
}

static double bench_quiescent(void)
{
	double start = bench_now();

	for (unsigned i = 0; i < LOOPS; i++) {
		peer_quiescent();
		__asm__ volatile("" : : : "memory");
	}
	return (bench_now() - start) / LOOPS;
}

/* Each thread on a processor of its own, as far as there are enough. */
static void bench_pin(unsigned i)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(i % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *bench_reader(void *arg)
{
	unsigned sum = 0;

	bench_pin((unsigned)(unsigned long)arg);
	peer_thread((unsigned)(unsigned long)arg);
	__atomic_fetch_add(&bench_ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&bench_over, __ATOMIC_RELAXED)) {
		sum += (unsigned)*peer_read();
		__asm__ volatile("" : "+r"(sum) : : "memory");
		peer_quiescent();
	}
	peer_thread_end();
	return NULL;
}

static int bench_compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The median: that a reader is off its processor for a time slice is the machine's affair. */
static double bench_synchronize(void)
{
	static double took[PERIODS];
	double start = bench_now();
	unsigned n = 0;

	while (n < PERIODS && bench_now() - start < PERIODS_NS) {
		double from = bench_now();

		peer_publish(&bench_values[n % 2]);
		peer_synchronize();
		took[n++] = bench_now() - from;
	}
	qsort(took, n, sizeof(took[0]), bench_compare);
	return took[n / 2];
}

static double bench_least(double (*measure)(void))
{
	double least = measure();

	for (unsigned i = 1; i < ROUNDS; i++) {
		double t = measure();

		least = t < least ? t : least;
	}
	return least;
}

static double bench_with_readers(unsigned n)
{
	pthread_t thread[READERS_MAX];
	double t;

	bench_ready = 0;
	bench_over = false;
	for (unsigned long i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, bench_reader, (void *)(i + 1));
	while (__atomic_load_n(&bench_ready, __ATOMIC_SEQ_CST) < (int)n)
		;
	t = bench_least(bench_synchronize);
	__atomic_store_n(&bench_over, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	return t;
}

int main(void)
{
	bench_pin(0);
	peer_init();
	peer_thread(0);
	peer_publish(&bench_values[0]);
	printf("{\"read\": %.2f, \"quiescent\": %.2f", bench_least(bench_read),
	       bench_least(bench_quiescent));
	for (unsigned n = 0; n <= READERS_MAX; n++)
		printf(", \"grace period, %u readers\": %.0f", n, bench_with_readers(n));
	printf("}\n");
	peer_thread_end();
	return 0;
}

#endif
