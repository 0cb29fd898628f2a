/* The serial port shared by the log and the guests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "console_world.h"

/* The first guest has the port; what others print waits until they get it. */
static void test_switch(void **unused)
{
	(void)unused;
	print(0, "hello");
	print(1, "from two");
	expect_sent("hello");
	type("ls\n");
	expect_read(0, "ls\n");
	expect_read(1, "");
	assert_int_equal(rx_ready[0], 1);
	type(CTRL_BACKSLASH "2");
	assert_true(shim_log_contains("console: vm two"));
	expect_sent("from two");
	type("x");
	expect_read(0, "");
	expect_read(1, "x");
	assert_int_equal(rx_ready[1], 1);
	print(0, "later");
	print(1, "now");
	expect_sent("now");
	type(CTRL_BACKSLASH "1");
	expect_sent("later");
}

/* Typed all at once: both guests are told of what came for them. */
static void test_switch_in_burst(void **unused)
{
	(void)unused;
	type("a" CTRL_BACKSLASH "2b" CTRL_BACKSLASH "3");
	expect_read(0, "a");
	expect_read(1, "b");
	assert_int_equal(rx_ready[0], 1);
	assert_int_equal(rx_ready[1], 1);
	assert_int_equal(rx_ready[2], 0);
	assert_int_equal(attached_id, 3);
}

static void test_next(void **unused)
{
	static const u32 order[] = { 2, 3, 0, 1, 2 };

	(void)unused;
	assert_int_equal(attached_id, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		type(CTRL_BACKSLASH "n");
		assert_int_equal(attached_id, order[i]);
	}
	type(CTRL_BACKSLASH "0");
	assert_int_equal(attached_id, 0);
	type("lost"); /* nobody is there to get it */
	for (unsigned i = 0; i < 3; i++)
		expect_read(i, "");
}

static void test_prefix(void **unused)
{
	(void)unused;
	/* Twice is one for the guest, also split over two polls. */
	type(CTRL_BACKSLASH CTRL_BACKSLASH);
	expect_read(0, CTRL_BACKSLASH);
	type("a" CTRL_BACKSLASH);
	type(CTRL_BACKSLASH "b");
	expect_read(0, "a" CTRL_BACKSLASH "b");
	/* Unknown keys, and a VM that is not there, give help and change nothing. */
	shim_log_reset();
	type(CTRL_BACKSLASH "x");
	assert_true(shim_log_contains("Ctrl-\\ then"));
	assert_true(shim_log_contains("1 one (attached)"));
	assert_true(shim_log_contains("3 three"));
	type(CTRL_BACKSLASH "9");
	type(CTRL_BACKSLASH "?");
	assert_int_equal(attached_id, 1);
	expect_read(0, "");
}

/* A detached guest never waits: beyond the buffer the oldest bytes go, and they are counted. */
static void test_overflow(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < CONSOLE_TX_SIZE + 10; i++) {
		assert_true(guest[1].tx_room(guest[1].ctx) > 0);
		guest[1].tx(guest[1].ctx, (u8)(i % 251));
	}
	type(CTRL_BACKSLASH "2");
	assert_true(shim_log_contains("vm two: 10 bytes of its output were lost"));
	type(CTRL_BACKSLASH "l");
	assert_true(shim_log_contains("  2 two (attached), 0 bytes wait, 0 lost"));
	assert_int_equal(sent_count, CONSOLE_TX_SIZE);
	for (unsigned i = 0; i < CONSOLE_TX_SIZE; i++)
		assert_int_equal((u8)sent[i], (i + 10) % 251);
	sent_count = 0;
}

/* The attached guest does wait for a slow port, and is told when half of the buffer is free. */
static void test_starved(void **unused)
{
	unsigned n = 0;

	(void)unused;
	port_room = 0;
	while (guest[0].tx_room(guest[0].ctx)) {
		guest[0].tx(guest[0].ctx, 'x');
		n++;
	}
	assert_int_equal(n, CONSOLE_TX_SIZE);
	port_room = CONSOLE_TX_SIZE / 2 - 1;
	type("");
	assert_int_equal(tx_ready[0], 0);
	port_room = 1;
	type("");
	assert_int_equal(tx_ready[0], 1);
	port_room = 10;
	type("");
	assert_int_equal(tx_ready[0], 1);
	assert_int_equal(con[0].lost, 0);
}

/* A guest that waits for room when it loses the port need not wait any more. */
static void test_starved_detached(void **unused)
{
	(void)unused;
	port_room = 0;
	while (guest[0].tx_room(guest[0].ctx))
		guest[0].tx(guest[0].ctx, 'x');
	type(CTRL_BACKSLASH "2");
	assert_int_equal(tx_ready[0], 1);
	assert_int_equal(tx_ready[1], 0);
	assert_true(guest[0].tx_room(guest[0].ctx) > 0);
	assert_false(con[0].starved);
}

/* The port's interrupt goes with the attached console, whoever else's bytes are sent. */
static void test_interrupt(void **unused)
{
	(void)unused;
	console_out_init(true);
	port_room = 0;
	print(0, "waits");
	assert_true(tx_irq);
	print(1, "kept\n");
	port_room = 5;
	console_flush(&con[1]);
	expect_sent("kept\n");
	assert_true(tx_irq);
	port_room = 5;
	causes = 1;
	irq(NULL);
	expect_sent("waits");
	assert_false(tx_irq);
	assert_int_equal(again, 0);
	/* A port that never comes to rest is left alone for a while, and asked to go on. */
	causes = IRQ_ROUNDS;
	irq(NULL);
	assert_int_equal(causes, 0);
	assert_int_equal(again, 1);
	console_out_init(false);
}

static void test_type_ahead(void **unused)
{
	static char many[CONSOLE_RX_SIZE + 20];

	(void)unused;
	memset(many, 'k', sizeof(many) - 1);
	type(many);
	for (unsigned i = 0; i < CONSOLE_RX_SIZE; i++)
		assert_int_equal(guest[0].rx(guest[0].ctx), 'k');
	assert_int_equal(guest[0].rx(guest[0].ctx), UART_RX_NONE);
}

static void type_many(unsigned n)
{
	static char many[CONSOLE_RX_SIZE + 100];

	assert_true(n < sizeof(many));
	memset(many, 'k', n);
	many[n] = '\0';
	type(many);
}

static void pass(u64 ns)
{
	shim_run_until(time_now() + time_ns_to_ticks(ns));
}

#define LOST(n) "console: vm one does not read: " n " typed bytes were lost"

/* What was lost is told once, a second behind the last of it, and not while more is lost. */
static void test_typed_lost(void **unused)
{
	unsigned before;

	(void)unused;
	type_many(CONSOLE_RX_SIZE);
	pass(2 * LOST_NS);
	assert_false(shim_log_contains("typed bytes"));
	before = shim_log_count();
	for (unsigned i = 0; i < 5; i++) {
		type_many(3);
		pass(LOST_NS - 10 * POLL_NS);
	}
	assert_int_equal(shim_log_count(), before);
	pass(10 * POLL_NS);
	assert_true(shim_log_contains(LOST("15")));
	assert_int_equal(shim_log_count(), before + 1);
	pass(10 * LOST_NS);
	assert_int_equal(shim_log_count(), before + 1);
	/* The next burst, also when the guest has read something meanwhile. */
	shim_log_reset();
	assert_int_equal(guest[0].rx(guest[0].ctx), 'k');
	type_many(2);
	pass(LOST_NS);
	assert_true(shim_log_contains(LOST("1")));
}

/* At once when somebody looks, and then not again. */
static void test_typed_lost_is_told_to_who_looks(void **unused)
{
	static const char *const keys_typed[] = { CTRL_BACKSLASH "l", CTRL_BACKSLASH "?",
						  CTRL_BACKSLASH "a", CTRL_BACKSLASH "2" };
	static const char *const told[] = { LOST("7"), LOST("8"), LOST("9"), LOST("10") };

	(void)unused;
	type_many(CONSOLE_RX_SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(keys_typed); i++) {
		unsigned after;

		shim_log_reset();
		type_many(i + 7);
		type(keys_typed[i]);
		after = shim_log_count();
		assert_true(shim_log_contains(told[i]));
		pass(2 * LOST_NS);
		assert_int_equal(shim_log_count(), after);
	}
	/* Another one has its own room. */
	shim_log_reset();
	type_many(CONSOLE_RX_SIZE);
	pass(2 * LOST_NS);
	assert_int_equal(shim_log_count(), 0);
}

/* The VM ends before the second is over. */
static void test_typed_lost_at_the_end(void **unused)
{
	(void)unused;
	type_many(CONSOLE_RX_SIZE + 4);
	shim_log_reset();
	console_remove(&con[0]);
	assert_true(shim_log_contains(LOST("4")));
	pass(2 * LOST_NS);
	assert_int_equal(shim_log_count(), 1);
}

/* When the attached VM ends its output goes out first, and the next one has the port. */
static void test_remove(void **unused)
{
	(void)unused;
	port_room = 0;
	print(0, "bye");
	print(1, "waited");
	port_room = 3 + 2 + 6;
	console_remove(&con[0]);
	expect_sent("bye\r\nwaited");
	port_room = SIZE_MAX;
	assert_int_equal(attached_id, 2);
	print(1, "two");
	expect_sent("two");
	console_remove(&con[1]);
	assert_int_equal(attached_id, 3);
	console_remove(&con[2]);
	assert_int_equal(attached_id, 0);
	type("x" CTRL_BACKSLASH "n");
	assert_int_equal(attached_id, 0);
}

static void test_finish(void **unused)
{
	(void)unused;
	print(1, "kept");
	print(2, "not asked for");
	expect_sent("");
	console_finish(&con[1]);
	expect_sent("kept");
	con[2].tx_tail = con[2].tx_head;
}

/* Neither VM's last line goes on in the other one's. */
static void test_finish_amidst_a_line(void **unused)
{
	(void)unused;
	type(CTRL_BACKSLASH "1");
	print(0, "half ");
	print(1, "last\nwords");
	console_finish(&con[1]);
	print(0, "of a line");
	expect_sent("half \r\nlast\nwords\r\nof a line");
	print(0, "\n");
	print(1, "more");
	console_finish(&con[1]);
	expect_sent("\nmore");
}

static void test_finish_amidst_a_line_byte_by_byte(void **unused)
{
	(void)unused;
	type(CTRL_BACKSLASH "1");
	print(0, "half");
	expect_sent("half");
	print(1, "ab");
	port_room = 0;
	for (unsigned i = 0; i < 4; i++) {
		console_out_pump_one(&con[1]);
		port_room = 1;
	}
	expect_sent("\r\na");
	/* The log has begun a line, and ended it. */
	line_open = false;
	console_out_pump_one(&con[1]);
	print(0, "c");
	port_room = 1;
	console_out_pump();
	line_open = false;
	port_room = SIZE_MAX;
	console_out_pump();
	print(1, "d");
	console_finish(&con[1]);
	expect_sent("b\rc\r\nd");
}

static u64 pause_ticks, room_every, room_at; /* of the worker's pauses; the port's next byte */

void sched_pause(void)
{
	shim_set_time(time_now() + pause_ticks);
	if (room_every && time_now() >= room_at) {
		room_at = time_now() + room_every;
		port_room = 1;
	}
}

/* A slow port gets all the time it needs; one that stands still, two seconds. */
static void test_finish_takes_its_time(void **unused)
{
	u64 before = time_now();

	(void)unused;
	port_room = 0;
	pause_ticks = SHIM_HZ / 100;
	room_every = SHIM_HZ + SHIM_HZ / 2;
	room_at = before + room_every;
	print(1, "all of it");
	console_finish(&con[1]);
	expect_sent("all of it");
	assert_true(time_now() - before > 9 * SHIM_HZ);
	room_every = 0;
	before = time_now();
	print(1, "kept");
	console_finish(&con[1]);
	assert_in_range(time_now() - before, 2 * SHIM_HZ, 2 * SHIM_HZ + SHIM_HZ / 10);
	/* A stop of the worker's own CPU is not the port's. */
	pause_ticks = 3 * SHIM_HZ;
	before = time_now();
	console_finish(&con[1]);
	assert_true(time_now() - before > 10 * SHIM_HZ);
	con[1].tx_tail = con[1].tx_head;
	pause_ticks = 0;
}

/* What nothing can take away is not waited for. */
static void test_finish_without_a_port(void **unused)
{
	u64 before;

	(void)unused;
	no_port = true;
	port_room = 0;
	print(1, "kept");
	before = time_now();
	console_finish(&con[1]);
	assert_int_equal(time_now(), before);
	no_port = false;
	con[1].tx_tail = con[1].tx_head;
}

/* A VM that is built again has the port again; another one that comes meanwhile has not. */
static void test_comes_back(void **unused)
{
	(void)unused;
	type(CTRL_BACKSLASH "2");
	con[1].comes_back = true;
	console_remove(&con[1]);
	type("to nobody");
	console_remove(&con[2]);
	assert_int_equal(console_add(&con[2], 3, "three", uart_of(2), &guest[2]), 0);
	print(2, "no");
	expect_sent("");
	assert_int_equal(console_add(&con[1], 2, "two", uart_of(1), &guest[1]), 0);
	print(1, "again");
	expect_sent("again");
	type("x");
	expect_read(1, "x");
	/* It cannot be built: the next one has it. */
	console_remove(&con[1]);
	console_forget(2);
	expect_sent("");
	assert_int_equal(attached_id, 1);
	console_forget(2);
	assert_int_equal(attached_id, 1);
	con[1].comes_back = false;
	con[2].tx_tail = con[2].tx_head;
}

/* The log that somebody has chosen stays, whoever comes. */
static void test_log_stays(void **unused)
{
	(void)unused;
	type(CTRL_BACKSLASH "0");
	console_remove(&con[1]);
	assert_int_equal(console_add(&con[1], 2, "two", uart_of(1), &guest[1]), 0);
	assert_int_equal(attached_id, 0);
	print(1, "x");
	expect_sent("");
}

/* --- beyond the ninth, and the command line --- */

static void test_two_digits(void **unused)
{
	struct vm_console far = { 0 };
	struct uart_backend b;

	(void)unused;
	assert_int_equal(console_add(&far, 32, "far", uart_of(3), &b), 0);
	type(CTRL_BACKSLASH "g3");
	assert_int_equal(attached_id, 1);
	type("2");
	assert_int_equal(attached_id, 32);
	expect_read(0, "");
	type(CTRL_BACKSLASH "g02");
	assert_int_equal(attached_id, 2);
	shim_log_reset();
	type(CTRL_BACKSLASH "g33");
	assert_true(shim_log_contains("there is no console 33"));
	assert_true(shim_log_contains("  32 far, 0 bytes wait"));
	type(CTRL_BACKSLASH "g99");
	type(CTRL_BACKSLASH "g1x");
	type(CTRL_BACKSLASH "g" CTRL_BACKSLASH);
	assert_int_equal(attached_id, 2);
	type("k");
	expect_read(1, "k");
	type(CTRL_BACKSLASH "g00");
	assert_int_equal(attached_id, 0);
	console_remove(&far);
}

static int set_up_two(void **unused)
{
	(void)unused;
	return set_up_with("linger=0 console=two");
}

static void test_option(void **unused)
{
	(void)unused;
	assert_int_equal(attached_id, 2);
	print(1, "x");
	expect_sent("x");
	console_check_option();
	assert_false(shim_log_contains("console= names"));
	/* Only at the start: whoever was chosen since then stays. */
	type(CTRL_BACKSLASH "1");
	console_remove(&con[1]);
	assert_int_equal(console_add(&con[1], 2, "two", uart_of(1), &guest[1]), 0);
	assert_int_equal(attached_id, 1);
}

static int set_up_nobody(void **unused)
{
	(void)unused;
	return set_up_with("console=tw");
}

static void test_option_nobody(void **unused)
{
	(void)unused;
	assert_int_equal(attached_id, 1);
	console_check_option();
	assert_true(shim_log_contains("console= names no VM"));
}

static void test_limits(void **unused)
{
	struct vm_console extra = { 0 };
	struct uart_backend b;

	(void)unused;
	assert_int_equal(console_add(&extra, 0, "zero", uart_of(3), &b), -ENOSPC);
	assert_int_equal(console_add(&extra, CONSOLE_MAX + 1, "far", uart_of(3), &b), -ENOSPC);
	shim_heap_fail_after(1);
	assert_int_equal(console_add(&extra, CONSOLE_MAX, "last", uart_of(3), &b), -ENOMEM);
	assert_int_equal(console_add(&extra, CONSOLE_MAX, "last", uart_of(3), &b), 0);
	type(CTRL_BACKSLASH "3");
	type(CTRL_BACKSLASH "n");
	assert_int_equal(attached_id, CONSOLE_MAX);
	console_remove(&extra);
	console_remove(&extra);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_switch),
		T(test_switch_in_burst),
		T(test_next),
		T(test_prefix),
		T(test_overflow),
		T(test_starved),
		T(test_starved_detached),
		T(test_interrupt),
		T(test_type_ahead),
		T(test_typed_lost),
		T(test_typed_lost_is_told_to_who_looks),
		T(test_typed_lost_at_the_end),
		T(test_remove),
		T(test_finish),
		T(test_finish_amidst_a_line),
		T(test_finish_amidst_a_line_byte_by_byte),
		T(test_finish_takes_its_time),
		T(test_finish_without_a_port),
		T(test_comes_back),
		T(test_log_stays),
		T(test_two_digits),
		cmocka_unit_test_setup_teardown(test_option, set_up_two, tear_down),
		cmocka_unit_test_setup_teardown(test_option_nobody, set_up_nobody, tear_down),
		T(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
