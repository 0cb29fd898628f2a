/* Texts of manifests, and what is said of them; included by one file of a program. */
#ifndef NEAP_TESTS_MANIFEST_CASE_H
#define NEAP_TESTS_MANIFEST_CASE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "hv/manifest.h"
#include "shim.h"

/* A complete VM but for what is appended. */
#define VM_A "[vm a]\nmemory = 64M\nkernel = k\n"

static struct manifest m;

static inline int parse_n(const char *text, size_t n)
{
	/* An exact copy, so that the sanitizer sees a byte read too far. */
	char *copy = malloc(n ? n : 1);
	int err;

	memcpy(copy, text, n);
	shim_log_reset();
	err = manifest_parse(&m, copy, n);
	free(copy);
	return err;
}

static inline int parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static inline int free_all(void **state)
{
	(void)state;
	manifest_free(&m);
	manifest_free(&m);
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

/* text has one error, logged as the line `message`, and VM number `bad` (none: -1) is marked. */
static inline void expect_error_n(const char *text, size_t n, const char *message, int bad)
{
	char line[LOG_LINE_MAX + 2];

	(void)parse_n(text, n);
	snprintf(line, sizeof(line), "%s\n", message);
	if (!shim_log_contains(line))
		fail_msg("expected: %s\nlogged:   %s", message, shim_log_last());
	assert_int_equal(shim_log_count(), 1);
	assert_int_equal(m.errors, 1);
	for (int i = 0; i < (int)m.vm_count; i++)
		assert_int_equal(m.bad[i], i == bad);
	manifest_free(&m);
}

static inline void expect_error(const char *text, const char *message, int bad)
{
	expect_error_n(text, strlen(text), message, bad);
}

static inline void fill(char *s, char c, size_t n)
{
	memset(s, c, n);
	s[n] = '\0';
}

#define TEST(f) cmocka_unit_test_teardown(f, free_all)

#endif
