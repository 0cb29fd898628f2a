/*
 * The log: all CPUs write lines that carry a number and a sum; in the ring no line is torn and no
 * line of a CPU is missing between two others. Some go to the serial port, where whoever runs the
 * torture can do the same (tests/boot/test_torture.py).
 */
#include "torture.h"

#include <string.h>

#include "core/format.h"
#include "core/log.h"
#include "mm/heap.h"

#define HEAD	     "torture line: cpu "
#define SERIAL_EVERY 64
#define FILL_MAX     48

static char *copies; /* of the ring, one for each CPU */

/* FNV-1a. */
static u32 sum_of(const char *s, size_t n)
{
	u32 sum = 2166136261u;

	while (n--)
		sum = (sum ^ (u8)*s++) * 16777619u;
	return sum;
}

static void write_line(struct torture_worker *w)
{
	char text[128], fill[FILL_MAX + 1];
	u32 n = torture_random(w, FILL_MAX), number = (u32)w->count[0]++;

	memset(fill, 'a' + (int)(number % 26), n);
	fill[n] = '\0';
	format_string(text, sizeof(text), HEAD "%u number %u %s", w->cpu, number, fill);
	log_line(number % SERIAL_EVERY ? LOG_DEBUG : LOG_INFO, "%s sum %08x", text,
		 sum_of(text, strlen(text)));
}

/* A decimal number, and what follows it. */
static u32 number_at(const char **s)
{
	u32 n = 0;

	while (**s >= '0' && **s <= '9')
		n = n * 10 + (u32)(*(*s)++ - '0');
	return n;
}

/* One line of the ring, ended by NUL, which follows after `last` numbers of each CPU, 0: none yet.
 */
static void check_line(char *line, u32 *last)
{
	char *sum = strstr(line, " sum "), expected[16];
	const char *s = strstr(line, HEAD), *at = s;
	u32 cpu, number;

	if (strncmp(line, "neap: ", 6)) {
		torture_fail("a line of the ring begins so: %s", line);
		return;
	}
	if (!s)
		return; /* another one's */
	at += strlen(HEAD);
	cpu = number_at(&at);
	at += strlen(" number ");
	number = number_at(&at);
	if (!sum || cpu >= cpu_count()) {
		torture_fail("torn: %s", line);
		return;
	}
	format_string(expected, sizeof(expected), "%08x", sum_of(s, (size_t)(sum - s)));
	TORTURE_CHECK(!strcmp(sum + 5, expected), "sum %s: %s", expected, line);
	TORTURE_CHECK(!last[cpu] || number == last[cpu], "CPU %u: line %u comes before %u", cpu,
		      last[cpu] - 1, number);
	last[cpu] = number + 1;
}

static void check_ring(char *copy)
{
	u32 last[CPU_MAX] = { 0 };
	size_t n = log_ring_copy(copy, LOG_RING_SIZE);
	char *line, *end;

	TORTURE_CHECK(n == LOG_RING_SIZE || copy[0] == 'n', "the ring begins with 0x%x", copy[0]);
	TORTURE_CHECK(copy[n - 1] == '\n', "the ring's last line has no end");
	copy[n] = '\0';
	/* The first may have been overwritten in part. */
	line = strchr(copy, '\n') + 1;
	while (!torture_failed() && (end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		check_line(line, last);
		line = end + 1;
	}
}

static void begin(void)
{
	copies = torture_alloc(cpu_count() * (LOG_RING_SIZE + PAGE_SIZE));
}

static void work(struct torture_worker *w)
{
	char *copy = copies + w->cpu * (LOG_RING_SIZE + PAGE_SIZE);

	while (torture_going(w)) {
		for (unsigned i = 0; i < 32; i++)
			write_line(w);
		if (w->operations % cpu_count() == w->cpu)
			check_ring(copy);
	}
}

static void end(void)
{
	log_info("torture line: %lu in all, every %uth here", torture_sum(0), SERIAL_EVERY);
	check_ring(copies);
	heap_free(copies);
}

const struct torture_part part_log = { "log", begin, work, end };
