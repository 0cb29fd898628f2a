/* The symbol lookup, and the backtraces that use it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "core/backtrace.h"
#include "core/symbols.h"
#include "shim.h"

#define BASE 0xffffffff80201000ull

/* Functions at +0x10 (one), +0x20 (two), +0x100 (three), text ends at +0x180. */
static const struct {
	struct symbol_table t;
	u32 start[3], name[3];
	char names[16];
} table = { { BASE, 3, 0x180 }, { 0x10, 0x20, 0x100 }, { 0, 4, 8 }, "one\0two\0three" };

/* What the linker script defines in the hypervisor: here the table of the backtrace tests. */
extern const char symbol_table_start[], symbol_table_end[];
__asm__(".section .rodata\n"
	".balign 8\n"
	".global symbol_table_start, symbol_table_end\n"
	"symbol_table_start: .quad 0x1000\n"
	".long 2, 0x100\n"
	".long 0, 0x80\n"
	".long 0, 6\n"
	".asciz \"first\"\n"
	".asciz \"second\"\n"
	"symbol_table_end:\n"
	".text\n");

static void check(u64 addr, const char *name, u64 offset)
{
	u64 got = ~0ull;
	const char *s = symbol_find_in(&table.t, addr, &got);

	assert_non_null(s);
	assert_string_equal(s, name);
	assert_int_equal(got, offset);
}

static void test_find(void **state)
{
	(void)state;
	check(BASE + 0x10, "one", 0);
	check(BASE + 0x1f, "one", 0xf);
	check(BASE + 0x20, "two", 0);
	check(BASE + 0xff, "two", 0xdf);
	check(BASE + 0x100, "three", 0);
	check(BASE + 0x17f, "three", 0x7f);
}

static void test_find_nothing(void **state)
{
	static const struct symbol_table empty;
	u64 off;

	(void)state;
	assert_null(symbol_find_in(&table.t, BASE - 1, &off));
	assert_null(symbol_find_in(&table.t, BASE, &off));
	assert_null(symbol_find_in(&table.t, BASE + 0xf, &off));
	assert_null(symbol_find_in(&table.t, BASE + 0x180, &off));
	assert_null(symbol_find_in(&table.t, BASE + (1ull << 32) + 0x20, &off));
	assert_null(symbol_find_in(&table.t, 0, &off));
	assert_null(symbol_find_in(&table.t, ~0ull, &off));
	assert_null(symbol_find_in(&empty, 0, &off));
	assert_null(symbol_find_in(NULL, BASE, &off));
}

static void test_linked_table(void **state)
{
	u64 off;

	(void)state;
	assert_string_equal(symbol_find(0x10ff, &off), "second");
	assert_int_equal(off, 0x7f);
	assert_null(symbol_find(0x1100, &off));
}

struct stack {
	u64 word[2 * (BACKTRACE_MAX + 8)];
};

static u64 at(const struct stack *s, unsigned i)
{
	return (u64)&s->word[i];
}

static void test_backtrace(void **state)
{
	struct stack s = { { 0 } };

	(void)state;
	shim_log_reset();
	s.word[0] = at(&s, 4);
	s.word[1] = 0x1085;
	s.word[4] = 0;	    /* the last frame */
	s.word[5] = 0x1080; /* the call is the last instruction of `first` */
	backtrace_log(0x1080, at(&s, 0), at(&s, 0), at(&s, 8));
	assert_true(shim_log_contains("  #0 0x1080 second+0x0"));
	assert_true(shim_log_contains("  #1 0x1085 second+0x5"));
	assert_true(shim_log_contains("  #2 0x1080 first+0x80"));
	assert_int_equal(shim_log_count(), 3);
}

static void test_backtrace_unknown_names(void **state)
{
	struct stack s = { { 0, 0x99990000 } };

	(void)state;
	shim_log_reset();
	backtrace_log(0x42, at(&s, 0), at(&s, 0), at(&s, 2));
	assert_true(shim_log_contains("  #0 0x42\n"));
	assert_true(shim_log_contains("  #1 0x99990000\n"));
}

static void expect_only_rip(u64 rbp, u64 low, u64 high)
{
	shim_log_reset();
	backtrace_log(0x1000, rbp, low, high);
	assert_int_equal(shim_log_count(), 1);
}

static void test_backtrace_bad_frames(void **state)
{
	struct stack s = { { 0 } };

	(void)state;
	s.word[1] = s.word[3] = 0x1001;
	expect_only_rip(0, at(&s, 0), at(&s, 4));
	expect_only_rip(~7ull, at(&s, 0), at(&s, 4));
	expect_only_rip(at(&s, 0) + 4, at(&s, 0), at(&s, 4)); /* not aligned */
	expect_only_rip(at(&s, 0), at(&s, 2), at(&s, 4));     /* below */
	expect_only_rip(at(&s, 3), at(&s, 0), at(&s, 4));     /* half outside */
	expect_only_rip(at(&s, 0), at(&s, 0), at(&s, 1));     /* no room for a frame */
	expect_only_rip(at(&s, 0), at(&s, 4), at(&s, 0));     /* empty stack */
	s.word[1] = 0;
	expect_only_rip(at(&s, 0), at(&s, 0), at(&s, 4)); /* no return address */
}

static void test_backtrace_loops_end(void **state)
{
	struct stack s = { { 0 } };

	(void)state;
	shim_log_reset();
	s.word[0] = at(&s, 0); /* itself */
	s.word[1] = 0x1001;
	backtrace_log(0x1000, at(&s, 0), at(&s, 0), at(&s, 4));
	assert_int_equal(shim_log_count(), 2);

	shim_log_reset();
	s.word[0] = at(&s, 2);
	s.word[2] = at(&s, 0); /* back */
	s.word[3] = 0x1001;
	backtrace_log(0x1000, at(&s, 0), at(&s, 0), at(&s, 4));
	assert_int_equal(shim_log_count(), 3);
}

static void test_backtrace_cap(void **state)
{
	struct stack s;

	(void)state;
	for (unsigned i = 0; i < BACKTRACE_MAX + 8; i++) {
		s.word[2 * i] = at(&s, 2 * i + 2);
		s.word[2 * i + 1] = 0x1001;
	}
	shim_log_reset();
	backtrace_log(0x1000, at(&s, 0), at(&s, 0), at(&s, ARRAY_SIZE(s.word) - 1) + 8);
	assert_int_equal(shim_log_count(), BACKTRACE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_nothing),
		cmocka_unit_test(test_linked_table),
		cmocka_unit_test(test_backtrace),
		cmocka_unit_test(test_backtrace_unknown_names),
		cmocka_unit_test(test_backtrace_bad_frames),
		cmocka_unit_test(test_backtrace_loops_end),
		cmocka_unit_test(test_backtrace_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
