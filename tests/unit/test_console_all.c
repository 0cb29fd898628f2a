/* The consoles of all VMs shown at once: whose line is whose, and that each gets its turn. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "console_world.h"

static void pass(u64 ns)
{
	shim_run_until(time_now() + time_ns_to_ticks(ns));
}

/* Whole lines, each under its name, those of one byte after byte as those at once. */
static void test_all(void **unused)
{
	(void)unused;
	assert_ptr_equal(attached, &con[0]);
	print(0, "hel");
	print(1, "from two\r\n");
	expect_sent("two: from two\r\n");
	print(0, "lo\n\n");
	expect_sent("one: hello\none: \n");
	type("k");
	expect_read(0, "k");
	expect_read(1, "");
	type(CTRL_BACKSLASH "2" CTRL_BACKSLASH "a"
			    "z");
	expect_read(1, "z");
	expect_read(0, "");
	print(2, "\x1b[1m\x80\xff\t\n");
	expect_sent("three: \x1b[1m\x80\xff\t\n");
	print(0, "quiet");
	type(CTRL_BACKSLASH "1");
	expect_sent("quiet");
	print(1, "kept\n");
	expect_sent("");
	type(CTRL_BACKSLASH "n");
	expect_sent("kept\n");
}

/* What has no end of line appears after a while, is continued, and is broken off for others. */
static void test_all_prompt(void **unused)
{
	(void)unused;
	print(0, "login: ");
	pass(CONSOLE_PROMPT_NS - 10 * POLL_NS);
	expect_sent("");
	pass(10 * POLL_NS);
	expect_sent("one: login: ");
	print(0, "r");
	print(0, "oot");
	expect_sent("root");
	print(1, "noise\n");
	expect_sent("\r\ntwo: noise\n");
	print(0, "x");
	expect_sent("");
	print(0, "y\n");
	expect_sent("one+ xy\n");
	print(0, "next\n");
	expect_sent("one: next\n");
}

/* A line of the log in the midst of one of a guest's: the rest has a name again. */
static void test_all_log_between(void **unused)
{
	(void)unused;
	port_room = 8; /* "one: abc" */
	print(0, "abcdef\n");
	expect_sent("one: abc");
	line_open = false;
	port_room = SIZE_MAX;
	type("");
	expect_sent("one+ def\n");
	/* In the midst of the name. */
	port_room = 2;
	print(1, "abc\n");
	expect_sent("tw");
	line_open = false;
	port_room = SIZE_MAX;
	type("");
	expect_sent("two: abc\n");
}

/* Lines in turn, however much one of them has to say; a long one is broken off. */
static void test_all_fair(void **unused)
{
	(void)unused;
	port_room = 0;
	for (unsigned i = 0; i < 3; i++)
		print(0, "a\n");
	print(1, "b\nb\n");
	for (unsigned i = 0; i < CONSOLE_TURN + 1; i++)
		print(2, "c");
	port_room = 5 + 2 + 5 + 2 + 7 + CONSOLE_TURN;
	type("");
	assert_memory_equal(sent, "one: a\ntwo: b\nthree: cc", 5 + 2 + 5 + 2 + 7 + 2);
	sent_count = 0;
	port_room = SIZE_MAX;
	type("");
	expect_sent("\r\none: a\ntwo: b\none: a\n");
	pass(CONSOLE_PROMPT_NS);
	expect_sent("three+ c");
}

/* All wait for the port, none loses anything, and each is told when it has room. */
static void test_all_starved(void **unused)
{
	(void)unused;
	port_room = 0;
	for (unsigned i = 0; i < 2; i++) {
		while (guest[i].tx_room(guest[i].ctx))
			guest[i].tx(guest[i].ctx, 'x');
	}
	assert_int_equal(con[0].tx_head, CONSOLE_TX_SIZE);
	port_room = SIZE_MAX;
	type("");
	assert_int_equal(tx_ready[0], 1);
	assert_int_equal(tx_ready[1], 1);
	assert_int_equal(con[0].lost + con[1].lost, 0);
}

/* When a VM ends the last of what it has said goes out as it is, under its name. */
static void test_all_remove(void **unused)
{
	(void)unused;
	print(1, "no end");
	print(2, "stays");
	console_remove(&con[1]);
	expect_sent("two: no end");
	print(0, "x\n");
	expect_sent("\r\none: x\n");
	pass(CONSOLE_PROMPT_NS);
	expect_sent("three: stays");
}

/* The port's interrupt is on while there is something to send, and not for what waits for its end.
 */
static void test_all_interrupt(void **unused)
{
	(void)unused;
	console_out_init(true);
	port_room = 0;
	print(0, "part");
	assert_false(tx_irq);
	print(0, "\n");
	assert_true(tx_irq);
	print(1, "b\n");
	port_room = SIZE_MAX;
	causes = 1;
	irq(NULL);
	expect_sent("one: part\ntwo: b\n");
	assert_false(tx_irq);
	console_out_init(false);
}

static void test_all_lost(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < CONSOLE_TX_SIZE + 7; i++)
		guest[1].tx(guest[1].ctx, i % 2 ? '\n' : 'x');
	assert_int_equal(con[1].tx_lines, CONSOLE_TX_SIZE / 2);
	port_room = 0;
	shim_log_reset();
	type(CTRL_BACKSLASH "a");
	assert_true(shim_log_contains("all; what is typed goes to vm one"));
	assert_true(shim_log_contains("vm two: 7 bytes of its output were lost"));
	con[1].tx_tail = con[1].tx_head;
	con[1].tx_lines = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		A(test_all),	     A(test_all_prompt), A(test_all_log_between), A(test_all_fair),
		A(test_all_starved), A(test_all_remove), A(test_all_interrupt),	  T(test_all_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
