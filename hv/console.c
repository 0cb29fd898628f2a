#include "hv/console.h"

#include <errno.h>
#include <string.h>

#include "arch/x86/host_ioapic.h"
#include "arch/x86/trap.h"
#include "arch/x86/uart.h"
#include "core/cmdline.h"
#include "core/log.h"
#include "core/patience.h"
#include "core/sched.h"
#include "core/time.h"
#include "core/timer.h"
#include "hv/console_out.h"
#include "mm/heap.h"

#define VEC_UART     0x40
#define PREFIX	     0x1c /* Ctrl-\ */
#define POLL_NS	     2000000ull
#define DRAIN_NS     2000000000ull
#define LOST_NS	     1000000000ull /* a second without a byte that is lost: the burst is over */
#define IRQ_ROUNDS   64		   /* bounds one interrupt's work */
#define ATTACHED_LOG 0

/* Where in a sequence of keys we are. */
enum keys { KEYS_PLAIN, KEYS_PREFIX, KEYS_TENS, KEYS_ONES };

/* Guards all up to in_service; taken before a console's lock. Never with a guest UART's lock
 * held. */
static struct spinlock lock = SPINLOCK_INIT;
static struct vm_console *consoles[CONSOLE_MAX + 1]; /* by VM id; 0 is the log, which has none */
static struct vm_console *attached;		     /* gets what is typed; NULL: nobody does */
static u32 attached_id; /* with attached NULL: the log, or a VM that is being built again */
static bool log_chosen; /* by a key: no VM that comes takes its place */
static bool all;	/* everybody's output is shown */
static enum keys keys;
static u32 tens;
static const char *option; /* console=, NULL: not given */
static bool option_met;
static bool in_service; /* by service(), read by who frees UARTs */
static struct timer poll_timer;
static struct timer lost_timer; /* armed by the boot CPU, which has the port */

/* --- the guest's UART; called with its lock held --- */

static size_t guest_tx_room(void *ctx)
{
	struct vm_console *c = ctx;
	size_t room;

	spin_lock(&c->lock);
	room = CONSOLE_TX_SIZE - (c->tx_head - c->tx_tail);
	if (!room && !console_out_is_shown(c))
		room = 1; /* makes place by losing the oldest */
	c->starved = room == 0;
	spin_unlock(&c->lock);
	return room;
}

static void guest_tx(void *ctx, u8 byte)
{
	console_out_byte(ctx, byte);
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

/* How many were lost since it was told last. */
static u64 take_lost(struct vm_console *c, u64 *count)
{
	u64 lost;

	spin_lock(&c->lock);
	lost = *count;
	*count = 0;
	spin_unlock(&c->lock);
	return lost;
}

static void say_typed_lost(struct vm_console *c)
{
	u64 lost = take_lost(c, &c->rx_lost);

	if (lost)
		log_warn("console: vm %s does not read: %lu typed bytes were lost", c->name, lost);
}

static void say_all_typed_lost(void)
{
	for (u32 i = 1; i <= CONSOLE_MAX; i++) {
		if (consoles[i])
			say_typed_lost(consoles[i]);
	}
}

static void print_list(void)
{
	log_info("console:   0 Neap's log%s", attached_id == ATTACHED_LOG ? " (attached)" : "");
	for (u32 i = 1; i <= CONSOLE_MAX; i++) {
		const struct vm_console *c = consoles[i];

		if (c)
			log_info("console:   %u %s%s, %u bytes wait, %lu lost", i, c->name,
				 i == attached_id ? " (attached)" : "",
				 READ_ONCE(c->tx_head) - READ_ONCE(c->tx_tail), READ_ONCE(c->lost));
	}
	say_all_typed_lost();
}

static void print_help(void)
{
	log_info(
		"console: Ctrl-\\ then: n next, 0 Neap's log, 1-9 or g and two digits a VM, a all, "
		"l list, ? this, Ctrl-\\ to send one");
	print_list();
}

static void say_lost(struct vm_console *c)
{
	u64 lost = take_lost(c, &c->lost);

	if (lost)
		log_info("console: vm %s: %lu bytes of its output were lost while detached",
			 c->name, lost);
}

static void show(void)
{
	console_out_show(attached, all);
	console_out_pump();
}

static void set_attached(u32 id)
{
	attached_id = id;
	attached = consoles[id];
}

static void attach(u32 id)
{
	say_all_typed_lost();
	set_attached(id);
	all = false;
	log_chosen = id == ATTACHED_LOG;
	if (!attached) {
		console_out_show(NULL, false);
		log_info("console: Neap's log");
		print_help();
		return;
	}
	log_info("console: vm %s", attached->name);
	say_lost(attached);
	show();
}

static void attach_all(void)
{
	all = true;
	log_info("console: all; what is typed goes to %s%s", attached ? "vm " : "",
		 attached ? attached->name : "nobody");
	for (u32 i = 1; i <= CONSOLE_MAX; i++) {
		if (consoles[i])
			say_lost(consoles[i]);
	}
	say_all_typed_lost();
	show();
}

static u32 next_id(void)
{
	for (u32 i = 1; i <= CONSOLE_MAX; i++) {
		u32 id = (attached_id + i) % (CONSOLE_MAX + 1);

		if (id == 0 || consoles[id])
			return id;
	}
	return 0;
}

static void go_to(u32 id)
{
	if (id == ATTACHED_LOG || (id <= CONSOLE_MAX && consoles[id])) {
		attach(id);
		return;
	}
	log_info("console: there is no console %u", id);
	print_list();
}

static void command(u8 byte)
{
	if (byte == 'n')
		attach(next_id());
	else if (byte == 'a')
		attach_all();
	else if (byte == 'l')
		print_list();
	else if (byte == 'g')
		keys = KEYS_TENS;
	else if (byte >= '0' && byte <= '9')
		go_to((u32)(byte - '0'));
	else
		print_help();
}

/* The two digits behind g; anything else is not meant as one. */
static void digit(u8 byte)
{
	bool first = keys == KEYS_TENS;

	keys = KEYS_PLAIN;
	if (byte < '0' || byte > '9') {
		print_help();
	} else if (first) {
		tens = (u32)(byte - '0');
		keys = KEYS_ONES;
	} else {
		go_to(10 * tens + (u32)(byte - '0'));
	}
}

/* Beyond what may be typed ahead, input is dropped as a full UART does; that is told once, when no
 * more is dropped. */
static void queue_rx(struct vm_console *c, u8 byte)
{
	bool room;

	spin_lock(&c->lock);
	room = c->rx_head - c->rx_tail < CONSOLE_RX_SIZE;
	if (room)
		c->rx[c->rx_head++ & (CONSOLE_RX_SIZE - 1)] = byte;
	else
		c->rx_lost++;
	spin_unlock(&c->lock);
	if (!room)
		timer_set(&lost_timer, time_now() + time_ns_to_ticks(LOST_NS));
}

static void lost_over(struct timer *timer)
{
	(void)timer;
	spin_lock(&lock);
	say_all_typed_lost();
	spin_unlock(&lock);
}

/* A byte was typed; true when the attached guest has it. Under the lock. */
static bool typed(u8 byte)
{
	enum keys before = keys;

	if (before == KEYS_TENS || before == KEYS_ONES) {
		digit(byte);
		return false;
	}
	keys = before == KEYS_PLAIN && byte == PREFIX ? KEYS_PREFIX : KEYS_PLAIN;
	if (keys == KEYS_PREFIX)
		return false;
	if (before == KEYS_PREFIX && byte != PREFIX) {
		command(byte);
		return false;
	}
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

	spin_lock(&c->lock);
	if (c->starved &&
	    (!console_out_is_shown(c) || c->tx_head - c->tx_tail <= CONSOLE_TX_SIZE / 2)) {
		c->starved = false;
		uart = c->uart;
	}
	spin_unlock(&c->lock);
	return uart;
}

static unsigned take_all_starved(struct uart *uarts[CONSOLE_MAX])
{
	unsigned n = 0;

	for (u32 i = 1; i <= CONSOLE_MAX; i++) {
		struct uart *u = consoles[i] ? take_starved(consoles[i]) : NULL;

		if (u)
			uarts[n++] = u;
	}
	return n;
}

static void service(void)
{
	struct vm_console *c;
	struct uart *rx = NULL, *tx[CONSOLE_MAX];
	unsigned tx_count;
	int byte;

	spin_lock(&lock);
	WRITE_ONCE(in_service, true);
	c = attached;
	/* Up to a switch: the guest that had the port before it is to be told first. */
	while (attached == c && (byte = host_uart_rx()) >= 0) {
		if (typed((u8)byte))
			rx = attached->uart;
	}
	console_out_pump();
	tx_count = take_all_starved(tx);
	spin_unlock(&lock);
	/* These take the guest UART's lock, which is before ours in the order. Their VMs are there
	 * still: see unlink(). */
	if (rx)
		uart_rx_ready(rx);
	for (unsigned i = 0; i < tx_count; i++)
		uart_tx_ready(tx[i]);
	/* Release: who frees a UART comes behind our last use of it. */
	store_release(&in_service, false);
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

void console_init(const char *cmdline)
{
	bool use_irq = route_irq();

	console_out_init(use_irq);
	timer_init(&lost_timer, lost_over);
	option = cmdline_find(cmdline, "console=");
	option_met = !option;
	if (cmdline_is(cmdline, "console=", "all")) {
		all = option_met = true;
		console_out_show(NULL, true);
	}
	if (use_irq)
		return;
	log_info("console: no interrupt for the serial port; polled every %lu us",
		 (u64)POLL_NS / 1000);
	timer_init(&poll_timer, poll);
	timer_set(&poll_timer, time_now() + time_ns_to_ticks(POLL_NS));
}

void console_check_option(void)
{
	if (!option_met)
		log_warn("console= names no VM that has a serial port");
	option_met = true;
}

static bool option_names(const char *name)
{
	size_t n = strlen(name);

	return !option_met && !strncmp(option, name, n) && cmdline_ends(option[n]);
}

/*
 * The first VM with a console is the one that a newcomer wants to see, unless the command line says
 * otherwise; a VM that was attached before it was built again is so still. Under the lock.
 */
static bool is_to_attach(u32 id, const char *name)
{
	if (option_names(name))
		return option_met = true;
	return id == attached_id || (attached_id == ATTACHED_LOG && !log_chosen);
}

int console_add(struct vm_console *c, u32 vm_id, const char *name, struct uart *uart,
		struct uart_backend *backend)
{
	if (vm_id == 0 || vm_id > CONSOLE_MAX)
		return -ENOSPC;
	c->tx = heap_alloc(CONSOLE_TX_SIZE);
	if (!c->tx)
		return -ENOMEM;
	c->name = name;
	c->id = vm_id;
	c->uart = uart;
	*backend = (struct uart_backend){
		.tx_room = guest_tx_room,
		.tx = guest_tx,
		.rx = guest_rx,
		.ctx = c,
	};
	spin_lock(&lock);
	consoles[vm_id] = c;
	console_out_set(vm_id, c);
	if (is_to_attach(vm_id, name)) {
		set_attached(vm_id);
		show();
	}
	spin_unlock(&lock);
	return 0;
}

static bool is_sent(const struct vm_console *c)
{
	return READ_ONCE(c->tx_tail) == READ_ONCE(c->tx_head);
}

/* Who may wait does so while the port takes bytes, and DRAIN_NS for one; its VM says no more. */
static void flush(struct vm_console *c, bool may_wait)
{
	u32 tail = READ_ONCE(c->tx_tail);
	struct patience patience;

	if (!c->tx || !host_uart_is_there())
		return;
	patience_begin(&patience, DRAIN_NS);
	WRITE_ONCE(c->flushing, true);
	while (!is_sent(c) && !patience_is_over(&patience)) {
		console_out_pump_one(c);
		if (!may_wait)
			continue;
		if (READ_ONCE(c->tx_tail) != tail)
			patience_begin(&patience, DRAIN_NS);
		tail = READ_ONCE(c->tx_tail);
		sched_pause();
	}
	WRITE_ONCE(c->flushing, false);
}

void console_finish(struct vm_console *c)
{
	flush(c, true);
}

void console_flush(struct vm_console *c)
{
	flush(c, false);
}

/* To the next VM that is there; under the lock. What it has said until now waits: nothing else
 * would begin to send it. */
static void leave(void)
{
	attached_id = ATTACHED_LOG;
	set_attached(next_id());
	log_chosen = false;
	show();
}

static void unlink(struct vm_console *c)
{
	spin_lock(&lock);
	consoles[c->id] = NULL;
	console_out_set(c->id, NULL);
	if (attached == c)
		attached = NULL;
	if (attached_id == c->id && !c->comes_back)
		leave();
	spin_unlock(&lock);
	/* Acquire: pairs with the release in service(), which may use the UART a while longer. */
	while (load_acquire(&in_service))
		cpu_relax();
}

void console_remove(struct vm_console *c)
{
	if (!c->tx)
		return;
	console_finish(c);
	unlink(c);
	say_typed_lost(c);
	heap_free(c->tx);
	c->tx = NULL;
}

void console_forget(u32 vm_id)
{
	spin_lock(&lock);
	if (vm_id == attached_id && !attached)
		leave();
	spin_unlock(&lock);
}
