/* The real log, under other names: the shim has its own log for everyone else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define log_line       real_log_line
#define log_vline      real_log_vline
#define log_add_sink   real_log_add_sink
#define log_set_level  real_log_set_level
#define log_break_lock real_log_break_lock
#define log_ring_copy  real_log_ring_copy
#include "core/log.c"

struct capture {
	struct log_sink sink;
	unsigned writes;
	size_t n;
	char text[2 * LOG_RING_SIZE];
};

static void capture_write(struct log_sink *sink, const char *s, size_t n)
{
	struct capture *c = container_of(sink, struct capture, sink);

	assert_true(c->n + n < sizeof(c->text));
	memcpy(c->text + c->n, s, n);
	c->n += n;
	c->text[c->n] = '\0';
	c->writes++;
}

static struct capture a, b;

static int reset(void **state)
{
	(void)state;
	head = 0;
	sinks = NULL;
	memset(ring, 0, sizeof(ring));
	log_lock = (struct spinlock)SPINLOCK_INIT;
	lock_broken = false;
	shown_level = LOG_INFO;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.sink.write = b.sink.write = capture_write;
	return 0;
}

static void test_prefixes(void **state)
{
	(void)state;
	log_set_level(LOG_DEBUG);
	log_add_sink(&a.sink);
	log_info("hello %d", -7);
	log_warn("w");
	log_error("e");
	log_debug("%lx", (u64)0xfeedfacecafebeef);
	assert_string_equal(a.text, "neap: hello -7\nneap: warning: w\nneap: error: e\n"
				    "neap: debug: feedfacecafebeef\n");
	assert_int_equal(a.writes, 4);
}

static void test_level_out_of_range_is_debug(void **state)
{
	(void)state;
	log_set_level(LOG_DEBUG);
	log_add_sink(&a.sink);
	log_line((enum log_level)99, "x");
	assert_string_equal(a.text, "neap: debug: x\n");
}

static void test_controls_are_masked(void **state)
{
	(void)state;
	log_add_sink(&a.sink);
	log_info("a\nneap: error: b\r\x1b[2J\t\x7f\x9b\xff~");
	assert_string_equal(a.text, "neap: a?neap: error: b??[2J????~\n");
}

static void test_empty_line(void **state)
{
	(void)state;
	log_add_sink(&a.sink);
	log_info("%s", "");
	assert_string_equal(a.text, "neap: \n");
}

static void test_length_edge(void **state)
{
	char long_text[2 * LOG_LINE_MAX];
	size_t fits = LOG_LINE_MAX - strlen("neap: ") - 1;

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	log_add_sink(&a.sink);
	log_info("%.*s", (int)fits, long_text);
	assert_int_equal(a.n, LOG_LINE_MAX);
	log_info("%.*s", (int)fits - 1, long_text);
	assert_int_equal(a.n, 2 * LOG_LINE_MAX - 1);
	log_info("%.*s", (int)fits + 1, long_text);
	log_info("%s", long_text);
	assert_int_equal(a.n, 4 * LOG_LINE_MAX - 1);
	assert_int_equal(a.text[a.n - 1], '\n');
	assert_int_equal(a.text[a.n - 2], 'x');
}

static void test_level_filters_sinks_not_ring(void **state)
{
	char buf[256];
	size_t n;

	(void)state;
	log_add_sink(&a.sink);
	log_debug("quiet");
	log_info("loud");
	assert_string_equal(a.text, "neap: loud\n");
	log_set_level(LOG_ERROR);
	log_warn("w");
	log_error("e");
	assert_string_equal(a.text, "neap: loud\nneap: error: e\n");
	n = log_ring_copy(buf, sizeof(buf) - 1);
	buf[n] = '\0';
	assert_string_equal(buf,
			    "neap: debug: quiet\nneap: loud\nneap: warning: w\nneap: error: e\n");
}

static void test_replay_skips_by_level(void **state)
{
	(void)state;
	log_debug("d1");
	log_info("i1");
	log_warn("w1");
	log_debug("d2");
	log_error("e1");
	log_debug("d3");
	log_add_sink(&a.sink);
	assert_string_equal(a.text, "neap: i1\nneap: warning: w1\nneap: error: e1\n");
	log_info("i2");
	log_set_level(LOG_DEBUG);
	log_add_sink(&b.sink);
	assert_string_equal(b.text,
			    "neap: debug: d1\nneap: i1\nneap: warning: w1\nneap: debug: d2\n"
			    "neap: error: e1\nneap: debug: d3\nneap: i2\n");
	log_info("both");
	assert_non_null(strstr(a.text, "both"));
	assert_non_null(strstr(b.text, "both"));
}

static void test_sink_added_twice_counts_once(void **state)
{
	(void)state;
	log_add_sink(&a.sink);
	log_add_sink(&b.sink);
	log_add_sink(&a.sink);
	log_add_sink(&b.sink);
	log_info("x");
	assert_string_equal(a.text, "neap: x\n");
	assert_string_equal(b.text, "neap: x\n");
}

static void test_wrapped_ring_replays_whole_lines(void **state)
{
	unsigned first, at = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		log_info("line %u", i);
	log_add_sink(&a.sink);
	assert_true(a.n <= LOG_RING_SIZE);
	assert_true(a.n > LOG_RING_SIZE - 20);
	assert_int_equal(sscanf(a.text, "neap: line %u\n", &first), 1);
	for (unsigned i = first; i < 10000; i++) {
		char want[32];
		int n = snprintf(want, sizeof(want), "neap: line %u\n", i);

		assert_memory_equal(a.text + at, want, n);
		at += n;
	}
	assert_int_equal(at, a.n);
}

static void test_ring_copy_bounds(void **state)
{
	static char buf[LOG_RING_SIZE + 16];

	(void)state;
	assert_int_equal(log_ring_copy(buf, sizeof(buf)), 0);
	log_info("abc");
	assert_int_equal(log_ring_copy(buf, 4), 4);
	assert_memory_equal(buf, "abc\n", 4);
	assert_int_equal(log_ring_copy(buf, 0), 0);
	for (unsigned i = 0; i < 10000; i++)
		log_info("line %u", i);
	assert_int_equal(log_ring_copy(buf, sizeof(buf)), LOG_RING_SIZE);
	assert_memory_equal(buf + LOG_RING_SIZE - 10, "line 9999\n", 10);
}

static void test_broken_lock_does_not_wait(void **state)
{
	(void)state;
	log_add_sink(&a.sink);
	spin_lock(&log_lock); /* by a CPU that dies now */
	log_break_lock();
	log_error("last words");
	assert_string_equal(a.text, "neap: error: last words\n");
	assert_int_equal(log_ring_copy((char[4]){ 0 }, 4), 4);
}

static void *many_lines(void *arg)
{
	for (unsigned i = 0; i < 500; i++)
		log_info("thread %c line %u", *(char *)arg, i);
	return NULL;
}

static void test_lines_from_threads_stay_whole(void **state)
{
	pthread_t t[2];
	unsigned lines = 0;

	(void)state;
	log_add_sink(&a.sink);
	pthread_create(&t[0], NULL, many_lines, "A");
	pthread_create(&t[1], NULL, many_lines, "B");
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	for (char *s = strtok(a.text, "\n"); s; s = strtok(NULL, "\n"), lines++)
		assert_memory_equal(s, "neap: thread ", 13);
	assert_int_equal(lines, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_prefixes, reset),
		cmocka_unit_test_setup(test_level_out_of_range_is_debug, reset),
		cmocka_unit_test_setup(test_controls_are_masked, reset),
		cmocka_unit_test_setup(test_empty_line, reset),
		cmocka_unit_test_setup(test_length_edge, reset),
		cmocka_unit_test_setup(test_level_filters_sinks_not_ring, reset),
		cmocka_unit_test_setup(test_replay_skips_by_level, reset),
		cmocka_unit_test_setup(test_sink_added_twice_counts_once, reset),
		cmocka_unit_test_setup(test_wrapped_ring_replays_whole_lines, reset),
		cmocka_unit_test_setup(test_ring_copy_bounds, reset),
		cmocka_unit_test_setup(test_broken_lock_does_not_wait, reset),
		cmocka_unit_test_setup(test_lines_from_threads_stay_whole, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
