/* The serial port shared by the log and the guests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "shim.h"

/* For what it keeps in static variables: each test starts afresh. */
#include "hv/console.c"

#define CTRL_BACKSLASH "\x1c"

static char sent[65536]; /* by the port */
static size_t sent_count, port_room;
static const char *typing = "";
static bool tx_irq;
static unsigned causes, again;
static unsigned rx_ready[4], tx_ready[4];
static char guest_uarts[4]; /* only their addresses matter */
static struct vm_console con[3];
static struct uart_backend guest[3];

static struct uart *uart_of(unsigned i)
{
	return (struct uart *)(void *)&guest_uarts[i];
}

size_t host_uart_tx_room(void)
{
	return port_room;
}

bool host_uart_tx(u8 byte)
{
	if (!port_room)
		return false;
	port_room--;
	sent[sent_count++ % sizeof(sent)] = (char)byte;
	return true;
}

int host_uart_rx(void)
{
	return *typing ? (u8)*typing++ : -1;
}

void host_uart_check(void)
{
}

void host_uart_irq_again(void)
{
	again++;
}

void host_uart_irq_enable(bool rx, bool tx)
{
	assert_true(rx);
	tx_irq = tx;
}

unsigned host_uart_irq_ack(void)
{
	return causes ? causes-- : 0;
}

bool host_uart_irq_source(struct uart_irq *source)
{
	(void)source;
	return false; /* polled */
}

void uart_rx_ready(struct uart *u)
{
	rx_ready[(char *)u - guest_uarts]++;
}

void uart_tx_ready(struct uart *u)
{
	tx_ready[(char *)u - guest_uarts]++;
}

static int set_up(void **unused)
{
	static const char *const name[] = { "one", "two", "three" };

	(void)unused;
	memset(consoles, 0, sizeof(consoles));
	memset(con, 0, sizeof(con));
	memset(rx_ready, 0, sizeof(rx_ready));
	memset(tx_ready, 0, sizeof(tx_ready));
	attached = NULL;
	attached_id = 0;
	prefix_seen = false;
	tx_irq = false;
	causes = again = 0;
	sent_count = 0;
	port_room = SIZE_MAX;
	typing = "";
	shim_set_time(0);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(console_add(&con[i], i + 1, name[i], uart_of(i), &guest[i]), 0);
	console_init();
	shim_log_reset();
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	port_room = SIZE_MAX;
	for (u32 i = 0; i < 3; i++)
		console_remove(&con[i], i + 1);
	timer_cancel(&poll_timer);
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static void type(const char *s)
{
	typing = s;
	/* One poll reads up to a switch. */
	for (unsigned i = 0; i < 3; i++)
		shim_run_until(time_now() + time_ns_to_ticks(POLL_NS));
	assert_int_equal(*typing, 0);
}

static void print(unsigned i, const char *s)
{
	for (; *s; s++) {
		assert_true(guest[i].tx_room(guest[i].ctx) > 0);
		guest[i].tx(guest[i].ctx, (u8)*s);
	}
}

static void expect_sent(const char *s)
{
	assert_int_equal(sent_count, strlen(s));
	assert_memory_equal(sent, s, sent_count);
	sent_count = 0;
}

static void expect_read(unsigned i, const char *s)
{
	for (; *s; s++)
		assert_int_equal(guest[i].rx(guest[i].ctx), (u8)*s);
	assert_int_equal(guest[i].rx(guest[i].ctx), UART_RX_NONE);
}

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
	assert_true(shim_log_contains("10 bytes of its output were lost"));
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
	use_irq = true;
	port_room = 0;
	print(0, "waits");
	assert_true(tx_irq);
	print(1, "kept");
	port_room = 4;
	console_flush(&con[1]);
	expect_sent("kept");
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
	use_irq = false;
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

/* When the attached VM ends its output goes out first, and the next one has the port. */
static void test_remove(void **unused)
{
	(void)unused;
	port_room = 0;
	print(0, "bye");
	print(1, "waited");
	port_room = 3 + 6;
	console_remove(&con[0], 1);
	expect_sent("byewaited");
	port_room = SIZE_MAX;
	assert_int_equal(attached_id, 2);
	print(1, "two");
	expect_sent("two");
	console_remove(&con[1], 2);
	assert_int_equal(attached_id, 3);
	console_remove(&con[2], 3);
	assert_int_equal(attached_id, 0);
	type("x" CTRL_BACKSLASH "n");
	assert_int_equal(attached_id, 0);
}

static void test_drain(void **unused)
{
	(void)unused;
	print(1, "kept");
	expect_sent("");
	console_drain();
	expect_sent("kept");
}

static void test_limits(void **unused)
{
	struct vm_console extra = { 0 };
	struct uart_backend b;

	(void)unused;
	assert_int_equal(console_add(&extra, 0, "zero", uart_of(3), &b), -ENOSPC);
	assert_int_equal(console_add(&extra, MAX_CONSOLES + 1, "far", uart_of(3), &b), -ENOSPC);
	shim_heap_fail_after(1);
	assert_int_equal(console_add(&extra, MAX_CONSOLES, "last", uart_of(3), &b), -ENOMEM);
	assert_int_equal(console_add(&extra, MAX_CONSOLES, "last", uart_of(3), &b), 0);
	type(CTRL_BACKSLASH "3");
	type(CTRL_BACKSLASH "n");
	assert_int_equal(attached_id, MAX_CONSOLES);
	console_remove(&extra, MAX_CONSOLES);
	console_remove(&extra, MAX_CONSOLES);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_switch),		  T(test_next),
		T(test_prefix),		  T(test_overflow),
		T(test_starved),	  T(test_type_ahead),
		T(test_remove),		  T(test_drain),
		T(test_limits),		  T(test_switch_in_burst),
		T(test_starved_detached), T(test_interrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
