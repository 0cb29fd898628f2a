/* The consoles of three VMs, and one who types; included by one file of a program. */
#ifndef NEAP_TESTS_CONSOLE_WORLD_H
#define NEAP_TESTS_CONSOLE_WORLD_H

#include <errno.h>
#include <string.h>

#include "shim.h"

/* For what it keeps in static variables: each test starts afresh. */
#include "hv/console.c"

#define CTRL_BACKSLASH "\x1c"

static char sent[65536]; /* by the port */
static size_t sent_count, port_room;
static bool line_open, no_port;
static unsigned log_lines_before; /* what was sent last; a line of the log ends whatever is open */
static const char *typing = "";
static bool tx_irq;
static unsigned causes, again;
static unsigned rx_ready[4], tx_ready[4];
static char guest_uarts[4]; /* only their addresses matter */
static struct vm_console con[3];
static struct uart_backend guest[3];

static inline struct uart *uart_of(unsigned i)
{
	return (struct uart *)(void *)&guest_uarts[i];
}

bool host_uart_is_there(void)
{
	return !no_port;
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
	line_open = byte != '\n';
	log_lines_before = shim_log_count();
	return true;
}

bool host_uart_line_open(void)
{
	return line_open && shim_log_count() == log_lines_before;
}

int host_uart_tx_in_line(u8 byte, bool open)
{
	if (!port_room)
		return -EAGAIN;
	if (open != host_uart_line_open())
		return -ESTALE;
	return host_uart_tx(byte) ? 0 : -EAGAIN;
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

static inline int set_up_with(const char *cmdline)
{
	static const char *const name[] = { "one", "two", "three" };

	memset(consoles, 0, sizeof(consoles));
	memset(con, 0, sizeof(con));
	memset(rx_ready, 0, sizeof(rx_ready));
	memset(tx_ready, 0, sizeof(tx_ready));
	attached = NULL;
	attached_id = 0;
	all = log_chosen = false;
	keys = KEYS_PLAIN;
	tx_irq = line_open = false;
	causes = again = 0;
	sent_count = 0;
	port_room = SIZE_MAX;
	typing = "";
	shim_set_time(0);
	console_out_show(NULL, false);
	console_init(cmdline);
	shim_log_reset();
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(console_add(&con[i], i + 1, name[i], uart_of(i), &guest[i]), 0);
	return 0;
}

static inline int set_up(void **unused)
{
	(void)unused;
	return set_up_with("");
}

static inline int set_up_all(void **unused)
{
	(void)unused;
	return set_up_with("console=one console=all");
}

static inline int tear_down(void **unused)
{
	(void)unused;
	port_room = SIZE_MAX;
	for (u32 i = 0; i < 3; i++)
		console_remove(&con[i]);
	timer_cancel(&poll_timer);
	console_out_show(NULL, false);
	shim_run_until(time_now() + NSEC_PER_SEC); /* the prompts' timer */
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static inline void type(const char *s)
{
	typing = s;
	/* One poll reads up to a switch. */
	for (unsigned i = 0; i < 3; i++)
		shim_run_until(time_now() + time_ns_to_ticks(POLL_NS));
	assert_int_equal(*typing, 0);
}

static inline void print(unsigned i, const char *s)
{
	for (; *s; s++) {
		assert_true(guest[i].tx_room(guest[i].ctx) > 0);
		guest[i].tx(guest[i].ctx, (u8)*s);
	}
}

static inline void expect_sent(const char *s)
{
	assert_int_equal(sent_count, strlen(s));
	assert_memory_equal(sent, s, sent_count);
	sent_count = 0;
}

static inline void expect_read(unsigned i, const char *s)
{
	for (; *s; s++)
		assert_int_equal(guest[i].rx(guest[i].ctx), (u8)*s);
	assert_int_equal(guest[i].rx(guest[i].ctx), UART_RX_NONE);
}

/* With one guest at the port; with all at once. */
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define A(f) cmocka_unit_test_setup_teardown(f, set_up_all, tear_down)

#endif
