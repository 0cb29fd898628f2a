/* The board's 16550 driver on a model of the device, and the option that names a port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "arch/x86/ns16550.h"
#include "arch/x86/uart_option.h"
#include "shim.h"

/* --- the device ------------------------------------------------------------------------------ */

#define READ_TICKS 1000 /* a register access takes a microsecond */

static struct {
	bool absent, no_scratch, no_loopback, no_fifo;
	bool stuck;	     /* never sends */
	u64 stuck_until;     /* does not send before */
	unsigned send_after; /* reads of LSR that it takes to empty */
	u8 ier, lcr, mcr, scr, fcr, rx;
	bool has_rx, thre_irq;
	u16 divisor;
	unsigned in_fifo, wait, overruns, reads;
	char out[4096];
	size_t n;
} dev;

static u64 now;
static u64 look_ticks;		      /* what a look at the clock takes */
static struct spinlock *held;	      /* until held_until, by a CPU that is stopped */
static u64 held_until, jump_at, jump; /* the clock's, while the driver's CPU is stopped */

u64 time_now(void)
{
	now += look_ticks;
	if (jump_at && now >= jump_at) {
		jump_at = 0;
		now += jump;
	}
	if (held && now >= held_until) {
		spin_unlock(held);
		held = NULL;
	}
	return now;
}

static u8 lsr(void)
{
	if (dev.in_fifo && !dev.stuck && now >= dev.stuck_until && ++dev.wait > dev.send_after) {
		dev.in_fifo = dev.wait = 0;
		dev.thre_irq = true;
	}
	return (dev.in_fifo ? 0 : 0x60) | dev.has_rx;
}

static u8 iir(void)
{
	u8 fifo = dev.no_fifo || !(dev.fcr & 1) ? 0 : 0xc0;

	if (dev.has_rx && (dev.ier & 1))
		return fifo | 4;
	if (dev.thre_irq && (dev.ier & 2)) {
		dev.thre_irq = false;
		return fifo | 2;
	}
	return fifo | 1;
}

static u8 msr(void)
{
	if ((dev.mcr & 0x10) && !dev.no_loopback)
		return (u8)((dev.mcr & 2) << 3 | (dev.mcr & 1) << 5 | (dev.mcr & 0xc) << 4);
	return 0xb0;
}

static u8 dev_read(const struct ns16550 *u, enum ns16550_reg reg)
{
	(void)u;
	dev.reads++;
	now += READ_TICKS;
	if (dev.absent)
		return 0xff;
	switch (reg) {
	case NS16550_DATA:
		dev.has_rx = false;
		return dev.rx;
	case NS16550_IER:
		return dev.ier;
	case NS16550_IIR:
		return iir();
	case NS16550_LCR:
		return dev.lcr;
	case NS16550_MCR:
		return dev.mcr;
	case NS16550_LSR:
		return lsr();
	case NS16550_MSR:
		return msr();
	default:
		return dev.no_scratch ? 0xff : dev.scr;
	}
}

static void dev_send(u8 c)
{
	if (dev.in_fifo >= (dev.no_fifo ? 1 : 16)) {
		dev.overruns++;
		return;
	}
	dev.in_fifo++;
	dev.thre_irq = false;
	assert_true(dev.n < sizeof(dev.out) - 1);
	dev.out[dev.n++] = (char)c;
}

/* Enabling the transmitter's interrupt while it is empty raises it. */
static void write_ier(u8 v)
{
	if ((v & ~dev.ier & 2) && !dev.in_fifo)
		dev.thre_irq = true;
	dev.ier = v & 0xf;
}

static void dev_write(const struct ns16550 *u, enum ns16550_reg reg, u8 v)
{
	bool dlab = dev.lcr & 0x80;

	(void)u;
	switch (reg) {
	case NS16550_DATA:
		if (dlab)
			dev.divisor = (dev.divisor & 0xff00) | v;
		else
			dev_send(v);
		break;
	case NS16550_IER:
		if (dlab)
			dev.divisor = (u16)((dev.divisor & 0xff) | v << 8);
		else
			write_ier(v);
		break;
	case NS16550_FCR:
		dev.fcr = v;
		break;
	case NS16550_LCR:
		dev.lcr = v;
		break;
	case NS16550_MCR:
		dev.mcr = v;
		break;
	case NS16550_SCR:
		dev.scr = v;
		break;
	default:
		break;
	}
}

static struct ns16550 uart;

static int reset(void **state)
{
	(void)state;
	memset(&dev, 0, sizeof(dev));
	now = 1000000;
	look_ticks = jump_at = 0;
	held = NULL;
	uart = (struct ns16550){ .read = dev_read, .write = dev_write, .baud = 115200 };
	return 0;
}

/* --- the driver ------------------------------------------------------------------------------ */

static void test_probe(void **state)
{
	(void)state;
	assert_true(ns16550_probe(&uart, true));
	assert_int_equal(dev.mcr, 0);
	dev.no_scratch = true;
	assert_false(ns16550_probe(&uart, true));
	assert_true(ns16550_probe(&uart, false));
	dev.no_loopback = true;
	assert_false(ns16550_probe(&uart, false));
	dev.no_scratch = false;
	assert_false(ns16550_probe(&uart, true));
	assert_true(ns16550_probe(&uart, false));
	dev.absent = true;
	assert_false(ns16550_probe(&uart, false));
}

static void test_probe_ends_on_a_stuck_device(void **state)
{
	u64 start = now;

	(void)state;
	dev.in_fifo = 1;
	dev.stuck = true;
	assert_true(ns16550_probe(&uart, true));
	assert_true(now - start < SHIM_HZ / 20);
}

static void test_setup(void **state)
{
	(void)state;
	dev.ier = 0xf;
	ns16550_setup(&uart);
	assert_int_equal(dev.divisor, 1);
	assert_int_equal(dev.lcr, 3);
	assert_int_equal(dev.ier, 0);
	assert_int_equal(dev.mcr, 0xb);
	assert_int_equal(uart.fifo, 16);
	dev.no_fifo = true;
	ns16550_setup(&uart);
	assert_int_equal(uart.fifo, 1);
}

static void expect_divisor(u32 baud, u32 clock, u16 divisor)
{
	uart.baud = baud;
	uart.clock = clock;
	ns16550_setup(&uart);
	assert_int_equal(dev.divisor, divisor);
	assert_int_equal(dev.lcr, 3);
}

static void test_divisors(void **state)
{
	(void)state;
	expect_divisor(9600, 0, 12);
	expect_divisor(300, 0, 384);
	expect_divisor(115200, 48000000, 26);
	expect_divisor(1, 4000000000u, 0xffff);
	expect_divisor(4000000, 0, 1);
	expect_divisor(300, 0, 384);
	expect_divisor(0, 0, 384); /* left as it was */
}

static void test_write(void **state)
{
	char text[600];

	(void)state;
	ns16550_setup(&uart);
	dev.send_after = 30;
	ns16550_write_polled(&uart, "a\nbc\n\n", 6);
	assert_string_equal(dev.out, "a\r\nbc\r\n\r\n");
	memset(text, 'x', sizeof(text));
	ns16550_write_polled(&uart, text, sizeof(text));
	assert_int_equal(dev.n, 9 + sizeof(text));
	assert_int_equal(dev.overruns, 0);
	assert_false(uart.stalled);
	assert_int_equal(ns16550_room(&uart), 16 - dev.in_fifo);
}

static void test_write_without_fifo(void **state)
{
	(void)state;
	dev.no_fifo = true;
	dev.send_after = 5;
	ns16550_setup(&uart);
	ns16550_write_polled(&uart, "hello", 5);
	assert_string_equal(dev.out, "hello");
	assert_int_equal(dev.overruns, 0);
}

static void test_stall_costs_one_wait(void **state)
{
	static char text[1000];
	u64 start = now;

	(void)state;
	ns16550_setup(&uart);
	dev.stuck = true;
	ns16550_write_polled(&uart, text, sizeof(text));
	assert_true(uart.stalled);
	assert_int_equal(dev.n, 16);
	assert_true(now - start > NS16550_STALL_SECONDS * SHIM_HZ);
	assert_true(now - start < NS16550_STALL_SECONDS * SHIM_HZ + SHIM_HZ / 100);
	/* It moves again: so do we, without anyone's help. */
	dev.stuck = false;
	ns16550_write_polled(&uart, "back", 4);
	assert_false(uart.stalled);
	assert_memory_equal(dev.out + dev.n - 4, "back", 4);
}

/* Who takes the bytes stands still, though not for too long: none is lost. */
static void test_short_stall_drops_nothing(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	dev.stuck_until = now + NS16550_STALL_SECONDS * SHIM_HZ;
	ns16550_write_polled(&uart, "0123456789abcdef0123456789abcdef\n", 33);
	assert_true(now > dev.stuck_until);
	assert_false(uart.stalled);
	assert_string_equal(dev.out, "0123456789abcdef0123456789abcdef\r\n");
	dev.stuck_until = now + NS16550_STALL_SECONDS * SHIM_HZ;
	ns16550_wait_empty(&uart);
	assert_int_equal(dev.in_fifo, 0);
}

/* The writer's own CPU stands still: the time was not the port's. */
static void test_own_stop_drops_nothing(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	dev.stuck_until = now + SHIM_HZ + SHIM_HZ / 2;
	jump_at = now + SHIM_HZ / 2;
	jump = SHIM_HZ * 100;
	dev.stuck_until += jump;
	ns16550_write_polled(&uart, "0123456789abcdefX", 17);
	assert_int_equal(jump_at, 0);
	assert_false(uart.stalled);
	assert_string_equal(dev.out, "0123456789abcdefX");
}

static void test_slow_line_gets_more_time(void **state)
{
	(void)state;
	uart.baud = 1200;
	ns16550_setup(&uart);
	dev.send_after = 140000; /* what 16 bytes take at this speed, in microseconds */
	ns16550_write_polled(&uart, "0123456789abcdefX", 17);
	assert_false(uart.stalled);
	assert_int_equal(dev.n, 17);
}

static void test_wait_empty(void **state)
{
	u64 start;

	(void)state;
	ns16550_setup(&uart);
	dev.send_after = 100;
	ns16550_write_polled(&uart, "bye", 3);
	assert_int_equal(dev.in_fifo, 3);
	ns16550_wait_empty(&uart);
	assert_int_equal(dev.in_fifo, 0);
	dev.stuck = true;
	dev.in_fifo = 1;
	start = now;
	ns16550_wait_empty(&uart);
	assert_true(now - start < NS16550_STALL_SECONDS * SHIM_HZ + SHIM_HZ / 100);
}

static void test_reads_bound_the_wait_too(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	dev.stuck = true;
	dev.in_fifo = 16;
	uart.baud = 1; /* minutes by the clock */
	dev.reads = 0;
	ns16550_write_polled(&uart, "x", 1);
	assert_true(uart.stalled);
	assert_in_range(dev.reads, 4000000, 4000010);
}

static void test_write_passes_a_dead_holder(void **state)
{
	u64 start;

	(void)state;
	ns16550_setup(&uart);
	look_ticks = SHIM_HZ / 1000;
	start = now;
	spin_lock(&uart.lock); /* by a CPU that dies now */
	ns16550_write_polled(&uart, "panic", 5);
	assert_string_equal(dev.out, "panic");
	assert_true(uart.lock_lost);
	assert_true(now - start >= NS16550_LOCK_SECONDS * SHIM_HZ);
	/* Once: from now on nobody waits for it. */
	assert_true(now - start < NS16550_LOCK_SECONDS * SHIM_HZ + SHIM_HZ / 2);
}

static void test_write_waits_for_a_stopped_holder(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	look_ticks = SHIM_HZ / 1000;
	held = &uart.lock;
	spin_lock(held);
	held_until = now + NS16550_LOCK_SECONDS * SHIM_HZ - SHIM_HZ / 10;
	/* And the writer's CPU stops as well. */
	jump_at = now + SHIM_HZ;
	jump = SHIM_HZ * 100;
	held_until += jump;
	ns16550_write_polled(&uart, "line", 4);
	assert_null(held);
	assert_string_equal(dev.out, "line");
	assert_false(uart.lock_lost);
	assert_true(spin_trylock(&uart.lock));
}

static void test_nonblocking(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	assert_int_equal(ns16550_room(&uart), 16);
	dev.stuck = true;
	for (unsigned i = 0; i < 16; i++)
		assert_true(ns16550_put(&uart, 'p'));
	assert_int_equal(ns16550_room(&uart), 0);
	assert_false(ns16550_put(&uart, 'p'));
	dev.stuck = false;
	assert_int_equal(ns16550_room(&uart), 16);
	assert_int_equal(dev.overruns, 0);

	assert_int_equal(ns16550_get(&uart), -1);
	dev.has_rx = true;
	dev.rx = 0xfe;
	assert_int_equal(ns16550_get(&uart), 0xfe);
	assert_int_equal(ns16550_get(&uart), -1);
	dev.absent = true;
	assert_int_equal(ns16550_get(&uart), -1);
}

static void test_lines_are_not_interleaved(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	uart.busy = true; /* as in ns16550_write_polled() on another CPU */
	assert_int_equal(ns16550_room(&uart), 0);
	assert_false(ns16550_put(&uart, 'x'));
	uart.busy = false;
	assert_true(ns16550_put(&uart, 'x'));
}

/* A line begins at a line's beginning, once, wherever the bytes put before it ended. */
static void test_line_begins(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	assert_true(ns16550_put(&uart, '$'));
	ns16550_write_polled(&uart, "a\n", 2);
	ns16550_write_polled(&uart, "b\n", 2);
	(void)lsr();
	assert_true(ns16550_put(&uart, '\n'));
	ns16550_write_polled(&uart, "c\n", 2);
	assert_string_equal(dev.out, "$\r\na\r\nb\r\n\nc\r\n");
}

/* A panic stops a processor in the midst of a line: its own report begins a new one, once. */
static void test_line_that_never_ends(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	ns16550_write_polled(&uart, "neap: vm o", 10);
	uart.busy = true;
	ns16550_write_polled(&uart, "panic\n", 6);
	ns16550_write_polled(&uart, "end\n", 4);
	assert_string_equal(dev.out, "neap: vm o\r\npanic\r\nend\r\n");
}

static void test_interrupts(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	assert_int_equal(ns16550_pending(&uart), 0);
	ns16550_set_irqs(&uart, true, false);
	assert_int_equal(dev.ier, 1);
	dev.has_rx = true;
	assert_int_equal(ns16550_pending(&uart), NS16550_WANTS_RX);
	assert_int_equal(ns16550_pending(&uart), NS16550_WANTS_RX);
	(void)ns16550_get(&uart);
	assert_int_equal(ns16550_pending(&uart), 0);
	ns16550_set_irqs(&uart, true, true);
	assert_int_equal(dev.ier, 3);
	assert_int_equal(ns16550_pending(&uart), NS16550_WANTS_TX);
	assert_int_equal(ns16550_pending(&uart), 0);
	ns16550_rearm_irqs(&uart);
	assert_int_equal(dev.ier, 3);
	assert_int_equal(ns16550_pending(&uart), NS16550_WANTS_TX);
	ns16550_set_irqs(&uart, false, false);
	assert_int_equal(dev.ier, 0);
}

/* Who waits for room while a line goes out is told after it, though the interrupt is used up. */
static void test_interrupt_after_line(void **state)
{
	(void)state;
	ns16550_setup(&uart);
	ns16550_set_irqs(&uart, true, true);
	ns16550_write_polled(&uart, "line\n", 5);
	(void)lsr(); /* it leaves */
	(void)ns16550_pending(&uart);
	dev.thre_irq = false;
	ns16550_write_polled(&uart, "", 0);
	assert_int_equal(dev.ier, 3);
	assert_int_equal(ns16550_pending(&uart), NS16550_WANTS_TX);
	/* Nobody waits: no interrupt is made. */
	ns16550_set_irqs(&uart, true, false);
	ns16550_write_polled(&uart, "", 0);
	assert_int_equal(dev.ier, 1);
	assert_int_equal(ns16550_pending(&uart), 0);
}

/* --- the option ------------------------------------------------------------------------------ */

static void expect_option(const char *cmdline, int kind, u64 address, u32 baud)
{
	struct uart_option o;

	assert_int_equal(uart_option_parse(cmdline, &o), 0);
	assert_int_equal(o.kind, kind);
	assert_int_equal(o.address, address);
	assert_int_equal(o.baud, baud);
}

static void test_option(void **state)
{
	(void)state;
	expect_option("", UART_OPT_NONE, 0, 0);
	expect_option("xserial=off aserial=io:1", UART_OPT_NONE, 0, 0);
	expect_option("serial=off", UART_OPT_OFF, 0, 0);
	expect_option("a serial=io:0x2f8 b", UART_OPT_IO, 0x2f8, 0);
	expect_option("serial=io:1016,57600", UART_OPT_IO, 1016, 57600);
	expect_option("a\tserial=mmio:0xfe030000,3000000\tb", UART_OPT_MMIO, 0xfe030000, 3000000);
	expect_option("serial=off serial=io:0xfff8", UART_OPT_IO, 0xfff8, 0);
	expect_option("serial=io:0x3f8,4000000", UART_OPT_IO, 0x3f8, 4000000);
	expect_option("serial=mmio:0xfffffffffffe0", UART_OPT_MMIO, 0xfffffffffffe0, 0);
}

static void test_option_malformed(void **state)
{
	static const char *const bad[] = {
		"serial=",
		"serial=on",
		"serial=offf",
		"serial=io",
		"serial=io:",
		"serial=io:x",
		"serial=io:0",
		"serial=io:0xfff9",
		"serial=io:0x10000",
		"serial=io:-1",
		"serial=io:0x3f8,",
		"serial=io:0x3f8,0",
		"serial=io: 0x3f8",
		"serial=io:0x3f8x",
		"serial=io:0x3f8,9600,8n1",
		"serial=io:0x3f8,4000001",
		"serial=io:0x3f8,-9600",
		"serial=mmio:0xfffffffffffe1",
		"serial=mmio:0xfffffffffffffffffffff",
		"serial=off serial=io:",
	};
	struct uart_option o;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		o.kind = UART_OPT_IO;
		assert_int_equal(uart_option_parse(bad[i], &o), -EINVAL);
		assert_int_equal(o.kind, UART_OPT_NONE);
	}
}

#define T(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_probe),
		T(test_probe_ends_on_a_stuck_device),
		T(test_setup),
		T(test_divisors),
		T(test_write),
		T(test_write_without_fifo),
		T(test_stall_costs_one_wait),
		T(test_short_stall_drops_nothing),
		T(test_own_stop_drops_nothing),
		T(test_slow_line_gets_more_time),
		T(test_wait_empty),
		T(test_reads_bound_the_wait_too),
		T(test_write_passes_a_dead_holder),
		T(test_write_waits_for_a_stopped_holder),
		T(test_nonblocking),
		T(test_lines_are_not_interleaved),
		T(test_line_begins),
		T(test_line_that_never_ends),
		T(test_interrupts),
		T(test_interrupt_after_line),
		T(test_option),
		T(test_option_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
