#include "hv/console.h"

#include <errno.h>

#include "arch/x86/host_ioapic.h"
#include "arch/x86/trap.h"
#include "arch/x86/uart.h"
#include "core/log.h"
#include "core/time.h"
#include "core/timer.h"
#include "mm/heap.h"

#define MAX_CONSOLES 64
#define VEC_UART     0x40
#define PREFIX	     0x1c /* Ctrl-\ */
#define POLL_NS	     2000000ull
#define DRAIN_NS     2000000000ull
#define IRQ_ROUNDS   64 /* bounds one interrupt's work */
#define ATTACHED_LOG 0

/* Guards consoles[] and attached; taken before a console's lock. Never with a guest UART's lock
 * held. */
static struct spinlock lock = SPINLOCK_INIT;
static struct vm_console *consoles[MAX_CONSOLES + 1]; /* by VM id; 0 is the log, which has none */
static struct vm_console *attached;		      /* read without the lock by transmitters */
static u32 attached_id;
static bool prefix_seen;
static bool use_irq;
static struct timer poll_timer;
/*
 * Taken before a console's lock: one pump at a time, so that bytes stay in order, and so that the
 * last one leaves the port's interrupt as its console needs it.
 */
static struct spinlock tx_lock = SPINLOCK_INIT;

static bool is_attached(const struct vm_console *c)
{
	return READ_ONCE(attached) == c;
}

/*
 * Moves bytes from a console to the port while it takes them. While bytes of the attached one wait,
 * the port interrupts when it has room: nothing else sends them. Another one's are only flushed.
 */
static void pump_tx(struct vm_console *c)
{
	spin_lock(&tx_lock);
	spin_lock(&c->lock);
	while (c->tx_tail != c->tx_head && host_uart_tx_room() &&
	       host_uart_tx(c->tx[c->tx_tail & (CONSOLE_TX_SIZE - 1)]))
		c->tx_tail++;
	if (use_irq && is_attached(c))
		host_uart_irq_enable(true, c->tx_tail != c->tx_head);
	spin_unlock(&c->lock);
	spin_unlock(&tx_lock);
}

/* --- the guest's UART; called with its lock held --- */

static size_t guest_tx_room(void *ctx)
{
	struct vm_console *c = ctx;
	size_t room;

	spin_lock(&c->lock);
	room = CONSOLE_TX_SIZE - (c->tx_head - c->tx_tail);
	if (!room && !is_attached(c))
		room = 1; /* makes place by losing the oldest */
	c->starved = room == 0;
	spin_unlock(&c->lock);
	return room;
}

static void guest_tx(void *ctx, u8 byte)
{
	struct vm_console *c = ctx;
	bool was_empty;

	spin_lock(&c->lock);
	was_empty = c->tx_head == c->tx_tail;
	if (c->tx_head - c->tx_tail == CONSOLE_TX_SIZE) {
		c->tx_tail++;
		c->lost++;
	}
	c->tx[c->tx_head++ & (CONSOLE_TX_SIZE - 1)] = byte;
	spin_unlock(&c->lock);
	/* A pump is under way already when bytes were waiting. */
	if (was_empty && is_attached(c))
		pump_tx(c);
}

static int guest_rx(void *ctx)
{
	struct vm_console *c = ctx;
	int byte = UART_RX_NONE;

	spin_lock(&c->lock);
	if (c->rx_tail != c->rx_head)
		byte = c->rx[c->rx_tail++ & (CONSOLE_RX_SIZE - 1)];
	spin_unlock(&c->lock);
	return byte;
}

/* --- switching --- */

static void print_help(void)
{
	log_info("console: Ctrl-\\ then: n next, 0 Neap's log, ? this, Ctrl-\\ to send one");
	for (u32 i = 1; i <= MAX_CONSOLES; i++) {
		if (consoles[i])
			log_info("console:   %u %s%s", i, consoles[i]->name,
				 i == attached_id ? " (attached)" : "");
	}
}

static void attach(u32 id)
{
	struct vm_console *c = consoles[id];

	attached_id = id;
	WRITE_ONCE(attached, c);
	if (!c) {
		log_info("console: Neap's log");
		print_help();
		return;
	}
	log_info("console: vm %s", c->name);
	if (c->lost) {
		log_info("console: %lu bytes of its output were lost while detached", c->lost);
		c->lost = 0;
	}
	pump_tx(c);
}

static u32 next_id(void)
{
	for (u32 i = 1; i <= MAX_CONSOLES; i++) {
		u32 id = (attached_id + i) % (MAX_CONSOLES + 1);

		if (id == 0 || consoles[id])
			return id;
	}
	return 0;
}

static void command(u8 byte)
{
	if (byte == 'n')
		attach(next_id());
	else if (byte >= '0' && byte <= '9' && (byte == '0' || consoles[byte - '0']))
		attach((u32)(byte - '0'));
	else
		print_help();
}

static void queue_rx(struct vm_console *c, u8 byte)
{
	spin_lock(&c->lock);
	/* Beyond what may be typed ahead, input is dropped as a full UART does. */
	if (c->rx_head - c->rx_tail < CONSOLE_RX_SIZE)
		c->rx[c->rx_head++ & (CONSOLE_RX_SIZE - 1)] = byte;
	spin_unlock(&c->lock);
}

/* A byte was typed; true when the attached guest has it. Under the lock. */
static bool typed(u8 byte)
{
	if (!prefix_seen && byte == PREFIX) {
		prefix_seen = true;
		return false;
	}
	if (prefix_seen && byte != PREFIX) {
		prefix_seen = false;
		command(byte);
		return false;
	}
	prefix_seen = false;
	if (!attached)
		return false;
	queue_rx(attached, byte);
	return true;
}

/* --- the port's side: interrupt or poll; on the boot CPU --- */

/* A console's UART that waits for room and gets some, at half of the buffer or when detached. */
static struct uart *take_starved(struct vm_console *c)
{
	struct uart *uart = NULL;

	if (!c)
		return NULL;
	spin_lock(&c->lock);
	if (c->starved && (!is_attached(c) || c->tx_head - c->tx_tail <= CONSOLE_TX_SIZE / 2)) {
		c->starved = false;
		uart = c->uart;
	}
	spin_unlock(&c->lock);
	return uart;
}

static void service(void)
{
	struct vm_console *c;
	struct uart *rx = NULL, *tx = NULL, *left = NULL;
	int byte;

	spin_lock(&lock);
	c = attached;
	/* Up to a switch: the guest that had the port before it is to be told first. */
	while (attached == c && (byte = host_uart_rx()) >= 0) {
		if (typed((u8)byte))
			rx = attached->uart;
	}
	if (attached != c)
		left = take_starved(c);
	c = attached;
	if (c)
		pump_tx(c);
	tx = take_starved(c);
	spin_unlock(&lock);
	/* These take the guest UART's lock, which is before ours in the order. Their VMs are there
	 * still: the manager, which takes VMs down, is a thread of this CPU. */
	if (rx)
		uart_rx_ready(rx);
	if (left)
		uart_tx_ready(left);
	if (tx)
		uart_tx_ready(tx);
}

static void irq(void *arg)
{
	unsigned i;

	(void)arg;
	for (i = 0; i < IRQ_ROUNDS; i++) {
		service();
		if (!host_uart_irq_ack())
			break;
	}
	if (i == IRQ_ROUNDS)
		host_uart_irq_again();
	host_uart_check();
}

static void poll(struct timer *timer)
{
	service();
	host_uart_check();
	timer_set(timer, time_now() + time_ns_to_ticks(POLL_NS));
}

static bool route_irq(void)
{
	struct uart_irq source;

	if (!host_uart_irq_source(&source) || trap_set_irq_handler(VEC_UART, irq, NULL))
		return false;
	if (source.is_isa)
		return host_ioapic_route_isa(source.number, VEC_UART) == 0;
	return host_ioapic_route_gsi(source.number, true, true, VEC_UART) == 0;
}

void console_init(void)
{
	use_irq = route_irq();
	if (use_irq) {
		host_uart_irq_enable(true, false);
		return;
	}
	log_info("console: no interrupt for the serial port; polled every %lu us",
		 (u64)POLL_NS / 1000);
	timer_init(&poll_timer, poll);
	timer_set(&poll_timer, time_now() + time_ns_to_ticks(POLL_NS));
}

int console_add(struct vm_console *c, u32 vm_id, const char *name, struct uart *uart,
		struct uart_backend *backend)
{
	if (vm_id == 0 || vm_id > MAX_CONSOLES)
		return -ENOSPC;
	c->tx = heap_alloc(CONSOLE_TX_SIZE);
	if (!c->tx)
		return -ENOMEM;
	c->name = name;
	c->uart = uart;
	*backend = (struct uart_backend){
		.tx_room = guest_tx_room,
		.tx = guest_tx,
		.rx = guest_rx,
		.ctx = c,
	};
	spin_lock(&lock);
	consoles[vm_id] = c;
	/* The first VM with a console is the one that a newcomer wants to see. */
	if (attached_id == ATTACHED_LOG && !attached) {
		attached_id = vm_id;
		WRITE_ONCE(attached, c);
	}
	spin_unlock(&lock);
	return 0;
}

void console_flush(struct vm_console *c)
{
	u64 end = time_now() + time_ns_to_ticks(DRAIN_NS);

	while (READ_ONCE(c->tx_tail) != READ_ONCE(c->tx_head) && time_now() < end)
		pump_tx(c);
}

void console_remove(struct vm_console *c, u32 vm_id)
{
	if (!c->tx)
		return;
	console_flush(c);
	spin_lock(&lock);
	consoles[vm_id] = NULL;
	if (attached == c) {
		WRITE_ONCE(attached, NULL);
		attached_id = ATTACHED_LOG;
		attached_id = next_id();
		WRITE_ONCE(attached, consoles[attached_id]);
		/* What it has said until now waits: nothing else would begin to send it. */
		if (attached)
			pump_tx(attached);
	}
	spin_unlock(&lock);
	heap_free(c->tx);
	c->tx = NULL;
}

void console_drain(void)
{
	for (u32 i = 1; i <= MAX_CONSOLES; i++) {
		if (consoles[i])
			console_flush(consoles[i]);
	}
}
