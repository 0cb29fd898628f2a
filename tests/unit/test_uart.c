/* The 16550A serial port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "hv/dev/uart.h"
#include "hv/dev/uart_regs.h"

#define BASE UART_COM1_PORT

static struct uart uart;
static struct io_bus bus;
static bool line;
static unsigned edges;

/* The other end of the cable. */
static struct far_end {
	char sent[4096]; /* by the guest */
	size_t sent_count, room;
	int input[4096]; /* for the guest */
	size_t input_count, input_taken;
} far;

static size_t far_room(void *ctx __unused)
{
	return far.room;
}

static void far_tx(void *ctx __unused, u8 byte)
{
	assert_true(far.room > 0);
	far.room--;
	far.sent[far.sent_count++] = (char)byte;
}

static int far_rx(void *ctx __unused)
{
	return far.input_taken == far.input_count ? UART_RX_NONE : far.input[far.input_taken++];
}

static const struct uart_backend backend = { far_room, far_tx, far_rx, NULL };

static void on_irq(void *ctx __unused, unsigned gsi, bool level)
{
	assert_int_equal(gsi, UART_COM1_IRQ);
	assert_int_not_equal(level, line);
	edges += level;
	line = level;
}

static u8 get(unsigned reg)
{
	return (u8)io_bus_read(&bus, BASE + reg, 1);
}

static void set(unsigned reg, u8 v)
{
	io_bus_write(&bus, BASE + reg, 1, v);
}

static void type_in(const char *s)
{
	while (*s)
		far.input[far.input_count++] = (u8)*s++;
	uart_rx_ready(&uart);
}

static int setup(void **state __unused)
{
	bus = (struct io_bus){ 0 };
	far = (struct far_end){ .room = sizeof(far.sent) };
	line = false;
	edges = 0;
	uart_init(&uart, (struct irq_line){ .set = on_irq, .gsi = UART_COM1_IRQ }, &backend);
	return uart_attach(&uart, &bus, BASE);
}

static void test_reset_state(void **state __unused)
{
	assert_int_equal(get(UART_IER), 0);
	assert_int_equal(get(UART_IIR), 0x01);
	assert_int_equal(get(UART_LCR), 0x03);
	assert_int_equal(get(UART_MCR), 0);
	assert_int_equal(get(UART_LSR), 0x60);
	assert_int_equal(get(UART_MSR), 0xb0);
	assert_int_equal(get(UART_DATA), 0);
}

/* The probes by which drivers tell this chip from its forebears and its kin. */
static void test_identification(void **state __unused)
{
	set(UART_SCRATCH, 0xa5);
	assert_int_equal(get(UART_SCRATCH), 0xa5);
	set(UART_IER, 0xff);
	assert_int_equal(get(UART_IER), 0x0f);
	set(UART_IER, 0);
	set(UART_MCR, 0xe0);
	assert_int_equal(get(UART_MCR), 0);
	set(UART_LCR, 0x80);
	set(UART_DATA, 0x0c);
	set(UART_IER, 0x01);
	assert_int_equal(get(UART_DATA), 0x0c);
	assert_int_equal(get(UART_IER), 0x01);
	set(UART_LCR, 0x03);
	assert_int_equal(get(UART_IER), 0);
	assert_int_equal(far.sent_count, 0);
	set(UART_IIR, 0xe1); /* no 64-byte FIFO */
	assert_int_equal(get(UART_IIR), 0xc1);
	set(UART_IIR, 0x00);
	assert_int_equal(get(UART_IIR), 0x01);
	set(UART_LSR, 0);
	set(UART_MSR, 0);
	assert_int_equal(get(UART_LSR), 0x60);
	assert_int_equal(get(UART_MSR), 0xb0);
}

static void test_polled_output(void **state __unused)
{
	for (const char *s = "hello"; *s; s++) {
		assert_int_equal(get(UART_LSR) & LSR_THRE, LSR_THRE);
		set(UART_DATA, (u8)*s);
	}
	assert_int_equal(far.sent_count, 5);
	assert_memory_equal(far.sent, "hello", 5);
	assert_int_equal(edges, 0);
}

static void test_output_waits_for_room(void **state __unused)
{
	set(UART_IIR, FCR_ENABLE);
	far.room = 3;
	for (unsigned i = 0; i < 3 + UART_FIFO_SIZE; i++)
		set(UART_DATA, (u8)('a' + i));
	assert_int_equal(get(UART_LSR), 0);
	assert_int_equal(far.sent_count, 3);
	far.room = 5;
	uart_tx_ready(&uart);
	assert_int_equal(far.sent_count, 8);
	assert_int_equal(get(UART_LSR), 0); /* not yet empty */
	set(UART_DATA, 't');		    /* queues behind what waits */
	far.room = 100;
	uart_tx_ready(&uart);
	assert_int_equal(get(UART_LSR), 0x60);
	assert_int_equal(far.sent_count, 3 + UART_FIFO_SIZE + 1);
	assert_memory_equal(far.sent, "abcdefghijklmnopqrst", 20);
	/* Full: a byte written although THRE was clear is lost, as on the chip. */
	far.room = 0;
	for (unsigned i = 0; i < UART_FIFO_SIZE + 1; i++)
		set(UART_DATA, 'x');
	far.room = 100;
	uart_tx_ready(&uart);
	assert_int_equal(far.sent_count, 20 + UART_FIFO_SIZE);
	/* Without FIFO one byte waits. */
	set(UART_IIR, 0);
	far.room = 0;
	set(UART_DATA, '1');
	set(UART_DATA, '2');
	far.room = 100;
	uart_tx_ready(&uart);
	assert_int_equal(far.sent_count, 37);
	assert_int_equal(far.sent[36], '1');
}

static void test_waiting_output_survives_resets(void **state __unused)
{
	far.room = 0;
	set(UART_IIR, FCR_ENABLE);
	set(UART_DATA, 'a');
	set(UART_DATA, 'b');
	set(UART_IIR, FCR_ENABLE | 6);
	set(UART_IIR, 0);
	uart_reset(&uart);
	assert_int_equal(get(UART_LSR) & LSR_THRE, 0);
	far.room = 10;
	uart_tx_ready(&uart);
	assert_int_equal(far.sent_count, 2);
	assert_int_equal(get(UART_LSR), 0x60);
}

static void test_thre_interrupt(void **state __unused)
{
	set(UART_MCR, MCR_OUT2);
	set(UART_IER, IER_THRE); /* enabling raises it */
	assert_true(line);
	assert_int_equal(get(UART_IIR), IIR_THRE); /* reading acknowledges */
	assert_false(line);
	assert_int_equal(get(UART_IIR), IIR_NONE);
	set(UART_IER, 0);
	set(UART_IER, IER_THRE); /* each time, whatever happened before */
	assert_true(line);
	get(UART_IIR);
	set(UART_DATA, 'x'); /* gone at once: empty again */
	assert_true(line);
	assert_int_equal(edges, 3);
	set(UART_DATA, 'y'); /* not acknowledged: falls, and rises for those who wait for edges */
	assert_true(line);
	assert_int_equal(edges, 4);
	/* While bytes wait there is no interrupt. */
	far.room = 0;
	set(UART_DATA, 'z');
	assert_false(line);
	assert_int_equal(get(UART_IIR), IIR_NONE);
	uart_tx_ready(&uart);
	assert_false(line);
	far.room = 1;
	uart_tx_ready(&uart);
	assert_true(line);
	/* Told again of room with nothing waiting: nothing happens. */
	get(UART_IIR);
	far.room = 5;
	uart_tx_ready(&uart);
	assert_false(line);
}

static void test_out2_gate(void **state __unused)
{
	set(UART_IER, IER_THRE);
	assert_int_equal(get(UART_IIR), IIR_THRE);
	set(UART_IER, 0);
	set(UART_IER, IER_THRE);
	assert_false(line);
	set(UART_MCR, MCR_OUT2);
	assert_true(line);
	set(UART_MCR, MCR_OUT2 | MCR_LOOP);
	assert_false(line);
	set(UART_MCR, 0);
	assert_false(line);
}

static void test_input_without_fifo(void **state __unused)
{
	set(UART_MCR, MCR_OUT2);
	set(UART_IER, IER_RX);
	type_in("ab");
	assert_int_equal(far.input_taken, 1);
	assert_true(line);
	assert_int_equal(get(UART_LSR), 0x61);
	assert_int_equal(get(UART_IIR), IIR_RX);
	assert_int_equal(get(UART_DATA), 'a');
	assert_true(line); /* the next one has come */
	assert_int_equal(get(UART_DATA), 'b');
	assert_false(line);
	assert_int_equal(get(UART_LSR), 0x60);
	assert_int_equal(get(UART_DATA), 0);
}

/* A page of pasted text, through a FIFO of 16 bytes, in order and whole. */
static void test_pasted_input(void **state __unused)
{
	char text[3001], got[3001];

	for (unsigned i = 0; i < 3000; i++)
		text[i] = (char)(' ' + i % 90);
	text[3000] = got[3000] = '\0';
	set(UART_MCR, MCR_OUT2);
	set(UART_IIR, FCR_ENABLE | 0x80);
	set(UART_IER, IER_RX);
	type_in(text);
	assert_int_equal(far.input_taken, UART_FIFO_SIZE);
	assert_int_equal(get(UART_IIR), IIR_FIFO | IIR_RX);
	for (unsigned i = 0; i < 3000; i++) {
		assert_int_equal(get(UART_LSR) & LSR_DR, LSR_DR);
		assert_true(line);
		got[i] = (char)get(UART_DATA);
	}
	assert_string_equal(got, text);
	assert_false(line);
	assert_int_equal(get(UART_LSR), 0x60);
}

static void test_trigger_levels(void **state __unused)
{
	static const u8 level[4] = { 1, 4, 8, 14 };

	set(UART_MCR, MCR_OUT2);
	set(UART_IER, IER_RX);
	for (unsigned i = 0; i < 4; i++) {
		set(UART_IIR, FCR_ENABLE | FCR_RX_RESET | (u8)(i << 6));
		for (unsigned n = 1; n <= UART_FIFO_SIZE; n++) {
			type_in("x");
			assert_true(line);
			assert_int_equal(get(UART_IIR),
					 IIR_FIFO | (n >= level[i] ? IIR_RX : IIR_TIMEOUT));
		}
	}
	/* Reset drops them; the line goes on. */
	set(UART_IIR, FCR_ENABLE | FCR_RX_RESET);
	assert_false(line);
	assert_int_equal(get(UART_LSR), 0x60);
	type_in("0123456789abcdefgh");
	set(UART_IIR, FCR_ENABLE | FCR_RX_RESET);
	assert_int_equal(get(UART_DATA), 'g');
	assert_int_equal(get(UART_DATA), 'h');
}

static void test_priorities(void **state __unused)
{
	set(UART_MCR, MCR_OUT2);
	set(UART_IER, 0x0f);
	set(UART_MCR, MCR_OUT2 | MCR_LOOP); /* the modem lines change */
	set(UART_MCR, MCR_OUT2);
	far.input[far.input_count++] = UART_RX_BREAK;
	uart_rx_ready(&uart);
	assert_int_equal(get(UART_IIR), IIR_LINE);
	assert_int_equal(get(UART_LSR), 0x60 | LSR_DR | LSR_BI);
	assert_int_equal(get(UART_LSR), 0x60 | LSR_DR); /* reading cleared it */
	assert_int_equal(get(UART_IIR), IIR_RX);
	assert_int_equal(get(UART_DATA), 0);
	assert_int_equal(get(UART_IIR), IIR_THRE);
	assert_int_equal(get(UART_IIR), IIR_MODEM);
	assert_true(line);
	assert_int_not_equal(get(UART_MSR) & 0x0f, 0);
	assert_int_equal(get(UART_IIR), IIR_NONE);
	assert_false(line);
	assert_int_equal(get(UART_MSR), 0xb0);
}

static void test_break_in_fifo(void **state __unused)
{
	set(UART_IIR, FCR_ENABLE);
	far.input[far.input_count++] = 'a';
	far.input[far.input_count++] = UART_RX_BREAK;
	far.input[far.input_count++] = 'b';
	uart_rx_ready(&uart);
	assert_int_equal(get(UART_LSR), 0x60 | LSR_DR | LSR_IN_FIFO); /* not at the front yet */
	assert_int_equal(get(UART_DATA), 'a');
	uart_rx_ready(&uart);
	assert_int_equal(get(UART_LSR), 0x60 | LSR_DR | LSR_IN_FIFO | LSR_BI);
	assert_int_equal(get(UART_LSR), 0x60 | LSR_DR);
	assert_int_equal(get(UART_DATA), 0);
	assert_int_equal(get(UART_DATA), 'b');
	assert_int_equal(get(UART_LSR), 0x60);
}

static void test_loopback(void **state __unused)
{
	set(UART_MCR, MCR_LOOP);
	assert_int_equal(get(UART_MSR) & 0xf0, 0);
	set(UART_MCR, MCR_LOOP | MCR_RTS);
	assert_int_equal(get(UART_MSR) & 0xf1, MSR_CTS | 1);
	set(UART_MCR, MCR_LOOP | MCR_DTR);
	assert_int_equal(get(UART_MSR), MSR_DSR | 3);
	set(UART_MCR, MCR_LOOP | MCR_OUT1);
	assert_int_equal(get(UART_MSR), MSR_RI | 2); /* RI rising is not reported */
	set(UART_MCR, MCR_LOOP | MCR_OUT2);
	assert_int_equal(get(UART_MSR), MSR_DCD | 4 | 8); /* its trailing edge is */
	set(UART_MCR, MCR_LOOP | 0x0a);			  /* what Linux looks for */
	assert_int_equal(get(UART_MSR) & 0xf0, 0x90);

	/* Data come round; the cable neither gets nor gives any. */
	type_in("outside");
	set(UART_DATA, 'x');
	assert_int_equal(get(UART_LSR), 0x61);
	set(UART_DATA, 'y'); /* no FIFO: overrun */
	assert_int_equal(get(UART_LSR), 0x61 | LSR_OE);
	assert_int_equal(get(UART_LSR), 0x61);
	assert_int_equal(get(UART_DATA), 'x');
	assert_int_equal(get(UART_LSR), 0x60);
	assert_int_equal(far.sent_count, 0);
	set(UART_LCR, 0x43);
	assert_int_equal(get(UART_LSR), 0x61 | LSR_BI);
	set(UART_LCR, 0x03);
	assert_int_equal(get(UART_DATA), 0);
	set(UART_IIR, FCR_ENABLE);
	for (unsigned i = 0; i < UART_FIFO_SIZE; i++)
		set(UART_DATA, (u8)i);
	assert_int_equal(get(UART_LSR), 0x61);
	set(UART_DATA, 99);
	assert_int_equal(get(UART_LSR), 0x61 | LSR_OE);
	for (unsigned i = 0; i < UART_FIFO_SIZE; i++)
		assert_int_equal(get(UART_DATA), i);
	assert_int_equal(far.input_taken, 0);
	set(UART_MCR, 0);
	assert_int_equal(get(UART_DATA), 'o'); /* nothing was lost meanwhile */
}

static void test_reset_takes_next_input(void **state __unused)
{
	type_in("abc");
	uart_reset(&uart);
	assert_int_equal(get(UART_DATA), 'b');
}

static void test_garbage(void **state __unused)
{
	u32 seed = 3;

	for (unsigned i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		u8 v = (u8)(seed >> 24);

		if (far.sent_count > 4000)
			far.sent_count = 0;
		if (far.input_count > 4000)
			far.input_count = far.input_taken = 0;
		switch (seed >> 20 & 7) {
		case 0:
			far.room = v & 15;
			uart_tx_ready(&uart);
			break;
		case 1:
			far.input[far.input_count++] = v < 8 ? UART_RX_BREAK : v;
			uart_rx_ready(&uart);
			break;
		case 2:
		case 3:
			get(seed >> 16 & 7);
			break;
		default:
			set(seed >> 16 & 7, v);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(test_reset_state),
		T(test_identification),
		T(test_polled_output),
		T(test_output_waits_for_room),
		T(test_waiting_output_survives_resets),
		T(test_thre_interrupt),
		T(test_out2_gate),
		T(test_input_without_fifo),
		T(test_pasted_input),
		T(test_trigger_levels),
		T(test_priorities),
		T(test_break_in_fifo),
		T(test_loopback),
		T(test_reset_takes_next_input),
		T(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
