/* One line for each check, and the sums. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "conform.h"

#define CHECK_NAME    64
#define CHECK_MESSAGE 160

static char check_name[CHECK_NAME];
static char check_message[CHECK_MESSAGE]; /* empty: no difference so far */
static unsigned int check_total, check_failed;

void check_begin(const char *name, ...)
{
	va_list args;

	va_start(args, name);
	vsniprintf(check_name, sizeof(check_name), name, args);
	va_end(args);
	check_message[0] = '\0';
}

void check_equal(const char *what, uint64_t expected, uint64_t got)
{
	if (expected != got && !check_message[0])
		sniprintf(check_message, sizeof(check_message), "%s expected 0x%lx, got 0x%lx",
			  what, expected, got);
}

void check_true(const char *what, bool is)
{
	check_equal(what, true, is);
}

static void check_print_events(void)
{
	unsigned int i;

	for (i = 0; i < event_count && i < EVENTS_MAX; i++) {
		const struct event *e = &events[i];

		iprintf("  event %u: vector %u error %#lx rip %#lx flags %#lx cr2 %#lx dr6 %#lx\n",
			i, e->vector, e->error, e->rip, e->rflags, e->cr2, e->dr6);
	}
	for (i = 0; code_running && i < code_running->points; i++)
		iprintf("  point %u: %#lx\n", i, code_running->point[i]);
}

void check_end(void)
{
	check_total++;
	if (!check_message[0]) {
		iprintf("conform: %s ok\n", check_name);
		return;
	}
	check_failed++;
	iprintf("conform: %s FAILED: %s\n", check_name, check_message);
	check_print_events();
}

void check_skip(const char *name, const char *reason)
{
	iprintf("conform: %s skipped: %s\n", name, reason);
}

bool check_skip_qemu(const char *name, const char *reason)
{
	if (cpu_is_qemu())
		check_skip(name, reason);
	return cpu_is_qemu();
}

int check_finish(void)
{
	iprintf("conform: %u checks, %u failed\n", check_total, check_failed);
	return check_failed != 0;
}
