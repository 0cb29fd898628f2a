#include "shim.h"

#include <asm/prctl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/log.h"
#include "core/panic.h"
#include "core/time.h"
#include "mm/heap.h"
#include "mm/phys.h"

static u64 now;
static struct timer *armed[256];
static unsigned armed_count;
static size_t heap_live;
static unsigned heap_fail;
static char log_text[65536], log_last[LOG_LINE_MAX];
static unsigned log_lines;

/* Every armed timer points here, so that timer_is_armed() works. */
static struct timer_queue {
	int unused;
} shim_queue;

u64 time_now(void)
{
	return now;
}

u64 time_hz(void)
{
	return SHIM_HZ;
}

void shim_set_time(u64 ticks)
{
	now = ticks;
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	memset(t, 0, sizeof(*t));
	list_init(&t->node);
	t->fn = fn;
}

void timer_set(struct timer *t, u64 deadline)
{
	timer_cancel(t);
	ASSERT(armed_count < ARRAY_SIZE(armed));
	armed[armed_count++] = t;
	t->deadline = deadline;
	t->queue = &shim_queue;
}

void timer_cancel(struct timer *t)
{
	for (unsigned i = 0; i < armed_count; i++) {
		if (armed[i] == t) {
			armed[i] = armed[--armed_count];
			break;
		}
	}
	t->queue = NULL;
}

void timer_cancel_sync(struct timer *t)
{
	timer_cancel(t);
}

static struct timer *earliest(u64 until)
{
	struct timer *best = NULL;

	for (unsigned i = 0; i < armed_count; i++) {
		if (armed[i]->deadline <= until && (!best || armed[i]->deadline < best->deadline))
			best = armed[i];
	}
	return best;
}

void shim_run_until(u64 ticks)
{
	struct timer *t;

	while ((t = earliest(ticks)) != NULL) {
		now = MAX(now, t->deadline);
		timer_cancel(t);
		t->fn(t);
	}
	now = ticks;
}

/* The one thread there is goes on. */
void sched_pause(void); /* core/sched.h has a struct timer_queue of its own */
void sched_pause(void)
{
}

void *heap_alloc(size_t n)
{
	if (heap_fail && --heap_fail == 0)
		return NULL;
	heap_live++;
	return calloc(1, n ? n : 1);
}

void heap_free(void *p)
{
	if (p)
		heap_live--;
	free(p);
}

size_t shim_heap_live(void)
{
	return heap_live;
}

void shim_heap_fail_after(unsigned n)
{
	heap_fail = n;
}

void log_vline(enum log_level level, const char *fmt, va_list ap)
{
	size_t used = strlen(log_text);

	vsnprintf(log_last, sizeof(log_last), fmt, ap);
	snprintf(log_text + used, sizeof(log_text) - used, "%s\n", log_last);
	log_lines++;
	if (getenv("SHIM_VERBOSE"))
		fprintf(stderr, "log %d: %s\n", (int)level, log_last);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, fmt, ap);
	va_end(ap);
}

unsigned shim_log_count(void)
{
	return log_lines;
}

const char *shim_log_last(void)
{
	return log_last;
}

bool shim_log_contains(const char *text)
{
	return strstr(log_text, text) != NULL;
}

void shim_log_reset(void)
{
	log_text[0] = log_last[0] = '\0';
	log_lines = 0;
}

jmp_buf *shim_panic_jump;
static char panic_text[256];

const char *shim_panic_text(void)
{
	return panic_text;
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(panic_text, sizeof(panic_text), fmt, ap);
	va_end(ap);
	if (shim_panic_jump)
		longjmp(*shim_panic_jump, 1);
	fprintf(stderr, "panic: %s\n", panic_text);
	abort();
}

char *shim_phys;
static u64 phys_size;

void shim_phys_init(u64 size)
{
	shim_phys_fini();
	shim_phys = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(shim_phys != MAP_FAILED);
	phys_size = size;
}

void shim_phys_fini(void)
{
	if (shim_phys)
		munmap(shim_phys, phys_size);
	shim_phys = NULL;
}

void shim_use_cpu(struct cpu *cpu)
{
	ASSERT(syscall(SYS_arch_prctl, ARCH_SET_GS, cpu) == 0);
}
