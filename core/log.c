#include "core/log.h"

#include <string.h>

#include "core/format.h"
#include "core/spinlock.h"

_Static_assert((LOG_RING_SIZE & (LOG_RING_SIZE - 1)) == 0, "positions are masked");
_Static_assert(LOG_RING_SIZE >= 4 * LOG_LINE_MAX, "the ring holds some lines");

static const char *const prefix[] = {
	[LOG_ERROR] = "neap: error: ",
	[LOG_WARN] = "neap: warning: ",
	[LOG_INFO] = "neap: ",
	[LOG_DEBUG] = "neap: debug: ",
};

/* Guards the ring, head and the list of sinks; the outermost but for the sinks' own locks. */
static struct spinlock log_lock = SPINLOCK_INIT;
static char ring[LOG_RING_SIZE];
static u64 head; /* bytes ever written: the newest is at head - 1, modulo the ring's size */
static struct log_sink *sinks;

static enum log_level shown_level = LOG_INFO; /* any CPU, atomically */
static bool lock_broken;		      /* set once, by a panic */

/* True when the lock was taken, and so has to be given back. */
static bool log_enter(void)
{
	if (READ_ONCE(lock_broken))
		return false;
	spin_lock(&log_lock);
	return true;
}

static void log_leave(bool locked)
{
	if (locked)
		spin_unlock(&log_lock);
}

/*
 * Names from the manifest, from the firmware and from guests end up in lines: whatever could move
 * the cursor or begin a line (C1 controls and so all of the upper half included) is masked.
 */
static void mask_controls(char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] < ' ' || s[i] > '~')
			s[i] = '?';
	}
}

/* Fills line with the prefix, the text, cut where need be, and a newline; returns its length. */
static size_t log_format(char line[LOG_LINE_MAX], enum log_level level, const char *fmt, va_list ap)
{
	size_t start = strlen(prefix[level]), room = LOG_LINE_MAX - start, n;
	int r;

	memcpy(line, prefix[level], start);
	r = format_vstring(line + start, room, fmt, ap);
	n = r < 0 ? 0 : MIN((size_t)r, room - 1);
	mask_controls(line + start, n);
	line[start + n] = '\n';
	return start + n + 1;
}

static void ring_append(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ring[(head + i) % LOG_RING_SIZE] = s[i];
	head += n;
}

void log_vline(enum log_level level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	size_t n;
	bool locked;

	if (level > LOG_DEBUG)
		level = LOG_DEBUG;
	n = log_format(line, level, fmt, ap);

	locked = log_enter();
	ring_append(line, n);
	if (level <= READ_ONCE(shown_level)) {
		for (struct log_sink *s = sinks; s; s = s->next)
			s->write(s, line, n);
	}
	log_leave(locked);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, fmt, ap);
	va_end(ap);
}

static bool ring_has(u64 pos, const char *s)
{
	for (; *s; s++, pos++) {
		if (ring[pos % LOG_RING_SIZE] != *s)
			return false;
	}
	return true;
}

/* The level of the line that starts at pos; its prefix says so. */
static enum log_level ring_level(u64 pos)
{
	if (ring_has(pos, prefix[LOG_ERROR]))
		return LOG_ERROR;
	if (ring_has(pos, prefix[LOG_WARN]))
		return LOG_WARN;
	return ring_has(pos, prefix[LOG_DEBUG]) ? LOG_DEBUG : LOG_INFO;
}

/* The position after the line that pos is in. */
static u64 ring_line_end(u64 pos)
{
	while (pos < head && ring[pos % LOG_RING_SIZE] != '\n')
		pos++;
	return MIN(pos + 1, head);
}

static void sink_write_ring(struct log_sink *sink, u64 from, u64 to)
{
	while (from < to) {
		u64 at = from % LOG_RING_SIZE;
		u64 n = MIN(to - from, LOG_RING_SIZE - at);

		sink->write(sink, ring + at, n);
		from += n;
	}
}

/* Runs of lines go out in one piece: a screen then draws once, not once a line. */
static void sink_replay(struct log_sink *sink)
{
	u64 pos = head > LOG_RING_SIZE ? ring_line_end(head - LOG_RING_SIZE) : 0;
	u64 run = pos;

	while (pos < head) {
		u64 end = ring_line_end(pos);

		if (ring_level(pos) > READ_ONCE(shown_level)) {
			sink_write_ring(sink, run, pos);
			run = end;
		}
		pos = end;
	}
	sink_write_ring(sink, run, pos);
}

void log_add_sink(struct log_sink *sink)
{
	struct log_sink **end = &sinks;
	bool locked = log_enter();

	while (*end && *end != sink)
		end = &(*end)->next;
	if (!*end) {
		sink->next = NULL;
		sink_replay(sink);
		*end = sink;
	}
	log_leave(locked);
}

void log_set_level(enum log_level level)
{
	WRITE_ONCE(shown_level, level);
}

void log_break_lock(void)
{
	WRITE_ONCE(lock_broken, true);
}

size_t log_ring_copy(char *buf, size_t n)
{
	bool locked = log_enter();
	u64 from;

	n = MIN(n, MIN(head, (u64)LOG_RING_SIZE));
	from = head - n;
	for (size_t i = 0; i < n; i++)
		buf[i] = ring[(from + i) % LOG_RING_SIZE];
	log_leave(locked);
	return n;
}
