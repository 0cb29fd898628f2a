/* The log: lines from several threads, to the ring and a sink, while it is read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/log.h"
#include "tsan.h"

#define TEXT "number "

/* Called with the log's lock held: it needs none of its own. */
static u64 lines, bytes;

static void sink_write(struct log_sink *sink, const char *s, size_t n)
{
	(void)sink;
	TSAN_CHECK(!strncmp(s, "neap: ", 6) && s[n - 1] == '\n');
	lines++;
	bytes += n;
}

static struct log_sink sink = { .name = "test", .write = sink_write };

/* Whole lines only, but for the first. */
static void check_ring(void)
{
	static __thread char copy[LOG_RING_SIZE + 1];
	size_t n = log_ring_copy(copy, LOG_RING_SIZE);
	char *s = copy;

	TSAN_CHECK(n && copy[n - 1] == '\n');
	copy[n] = '\0';
	while (*(s = strchr(s, '\n') + 1))
		TSAN_CHECK(!strncmp(s, "neap: ", 6) && strstr(s, TEXT));
}

static void *use(void *arg)
{
	struct tsan_thread *t = arg;

	while (tsan_going(t)) {
		log_line(tsan_random(t, 2) ? LOG_INFO : LOG_DEBUG, "thread %u, " TEXT "%lu", t->id,
			 (unsigned long)t->operations);
		if (t->operations % 256 == 0)
			check_ring();
		if (t->operations % 1024 == 0)
			log_set_level(t->operations % 2048 ? LOG_DEBUG : LOG_INFO);
	}
	return NULL;
}

static void test_log(void **unused)
{
	(void)unused;
	log_add_sink(&sink);
	assert_true(tsan_run(use) > 100);
	assert_true(lines > 0 && bytes > lines * 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_log) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
