/*
 * The log: every line goes to a ring in memory and to each registered sink (serial, screen).
 * Lines start with "neap: " and end with CR LF on the sinks.
 */
#ifndef NEAP_CORE_LOG_H
#define NEAP_CORE_LOG_H

#include <stdarg.h>

#include "core/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Bytes kept in memory; older lines are overwritten. A power of two. */
#define LOG_RING_SIZE (64 * 1024)
/* Longest line, longer ones are cut. */
#define LOG_LINE_MAX 320

struct log_sink {
	const char *name;
	/* Writes n bytes; must bound every wait; called with the log lock held, or from a panic
	 * without. */
	void (*write)(struct log_sink *sink, const char *s, size_t n);
	struct log_sink *next; /* owned by core/log.c */
};

/* Adds a sink and replays the ring to it. Boot CPU only, before the other CPUs run. */
void log_add_sink(struct log_sink *sink);

/* One line at a level; the newline is added. Any context, never waits but for the log lock. */
void log_line(enum log_level level, const char *fmt, ...) __printf(2, 3);
void log_vline(enum log_level level, const char *fmt, va_list ap) __printf(2, 0);

/* Lines above this level are kept in the ring but not sent to the sinks (default LOG_INFO). */
void log_set_level(enum log_level level);

/* From here on the log takes no lock: for a panic, where the lock's owner may be dead. */
void log_break_lock(void);

/* Copies up to n of the newest bytes of the ring to buf, oldest first; returns how many. */
size_t log_ring_copy(char *buf, size_t n);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
