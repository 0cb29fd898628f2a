#include "hv/console_out.h"

#include <errno.h>

#include "arch/x86/uart.h"
#include "core/format.h"
#include "core/time.h"
#include "core/timer.h"
#include "hv/config.h"

#define LEAD_SIZE (VM_NAME_MAX + 8) /* "\r\n", name, ": " */

/*
 * Guards all below: one pump at a time, so that bytes stay in order, and so that the last one
 * leaves the port's interrupt as it is needed. Taken before a console's lock.
 */
static struct spinlock tx_lock = SPINLOCK_INIT;
static struct vm_console *consoles[CONSOLE_MAX + 1];
static struct vm_console *shown; /* this and the next are read without the lock, too */
static bool show_all;
static bool use_irq;
static bool tx_irq; /* the port interrupts when it has room: nobody else need begin to send */
static struct timer prompt_timer;
static const struct vm_console *sender; /* whose byte was sent last, as it is */
static bool cr_sent;			/* half of its line's end, by another one */

/* Of show_all: the line that is being sent. */
static struct {
	struct vm_console *owner; /* NULL: none is */
	u32 last;		  /* whose turn it was */
	u32 turn;		  /* bytes sent in it */
	bool open;		  /* what we sent last did not end a line */
	char lead[LEAD_SIZE];	  /* what goes before the text */
	u32 lead_size, lead_sent;
} line;

bool console_out_is_shown(const struct vm_console *c)
{
	return READ_ONCE(show_all) || READ_ONCE(shown) == c;
}

/* --- a console's buffer; its lock held --- */

static u32 waiting(const struct vm_console *c)
{
	return c->tx_head - c->tx_tail;
}

static u8 front(const struct vm_console *c)
{
	return c->tx[c->tx_tail & (CONSOLE_TX_SIZE - 1)];
}

static void drop_front(struct vm_console *c)
{
	if (front(c) == '\n')
		c->tx_lines--;
	c->tx_tail++;
}

static void sent_front(struct vm_console *c)
{
	c->mid_line = front(c) != '\n';
	if (!c->mid_line)
		c->since = time_now();
	drop_front(c);
}

static bool push(struct vm_console *c, u8 byte)
{
	bool was_empty = !waiting(c);

	if (waiting(c) == CONSOLE_TX_SIZE) {
		drop_front(c);
		c->lost++;
	}
	c->tx[c->tx_head++ & (CONSOLE_TX_SIZE - 1)] = byte;
	c->tx_lines += byte == '\n';
	if (was_empty)
		c->since = time_now();
	return was_empty || byte == '\n' || waiting(c) == CONSOLE_TURN;
}

/* --- one console; tx_lock held --- */

/* A line that another one is in the midst of ends where c begins: the last words of a VM that is
 * not shown, and what comes behind them. False: not as yet, there is no room. */
static bool end_line_of_other(const struct vm_console *c)
{
	if (sender == c || !host_uart_line_open()) {
		cr_sent = false;
		return true;
	}
	if (!cr_sent)
		cr_sent = host_uart_tx('\r');
	if (!cr_sent || !host_uart_tx('\n'))
		return false;
	cr_sent = false;
	return true;
}

static void send_raw(struct vm_console *c)
{
	spin_lock(&c->lock);
	if (waiting(c) && end_line_of_other(c)) {
		sender = c;
		while (waiting(c) && host_uart_tx_room() && host_uart_tx(front(c)))
			sent_front(c);
	}
	spin_unlock(&c->lock);
}

static bool has_any(struct vm_console *c)
{
	bool any;

	spin_lock(&c->lock);
	any = waiting(c) != 0;
	spin_unlock(&c->lock);
	return any;
}

/* --- all consoles; tx_lock held --- */

/* A line, or as much as one, or what has waited for long enough. */
static bool is_ready(struct vm_console *c)
{
	bool ready;

	spin_lock(&c->lock);
	ready = c->tx_lines || waiting(c) >= CONSOLE_TURN ||
		(waiting(c) &&
		 (c->flushing || time_now() - c->since >= time_ns_to_ticks(CONSOLE_PROMPT_NS)));
	spin_unlock(&c->lock);
	return ready;
}

/* In turn, and whose line is under way last. */
static struct vm_console *next_ready(void)
{
	for (u32 i = 1; i <= CONSOLE_MAX + 1; i++) {
		struct vm_console *c = consoles[(line.last + i) % (CONSOLE_MAX + 1)];

		if (c && is_ready(c))
			return c;
	}
	return NULL;
}

/* Begins a line of c's, or goes on with one, behind the end of whatever line stands there. */
static void begin(struct vm_console *c)
{
	int n;

	line.open = host_uart_line_open();
	n = format_string(line.lead, sizeof(line.lead), "%s%s%s", line.open ? "\r\n" : "", c->name,
			  c->mid_line ? "+ " : ": ");
	line.owner = c;
	line.last = c->id;
	line.turn = 0;
	line.lead_sent = 0;
	line.lead_size = (u32)n;
}

/* A byte into our line: if the log has ended that meanwhile, it begins again. */
static bool put(u8 byte)
{
	int r = host_uart_tx_in_line(byte, line.open);

	if (r == -ESTALE)
		begin(line.owner);
	if (r)
		return false;
	line.open = byte != '\n';
	return true;
}

static void send_lead(void)
{
	if (put((u8)line.lead[line.lead_sent]))
		line.lead_sent++;
}

static void send_text(struct vm_console *c)
{
	spin_lock(&c->lock);
	if (waiting(c) && put(front(c))) {
		sent_front(c);
		line.turn++;
		if (!c->mid_line)
			line.owner = NULL;
	}
	spin_unlock(&c->lock);
}

/* Whose byte is next; NULL: nobody's as yet. The owner of a line goes on until its end, or until it
 * has nothing to say, or has said much, and another one is ready. */
static struct vm_console *next_console(void)
{
	struct vm_console *c = line.owner, *other;

	if (c && has_any(c) && line.turn < CONSOLE_TURN)
		return c;
	other = next_ready();
	if (c && has_any(c) && (!other || other == c)) {
		line.turn = 0;
		return c;
	}
	if (other)
		begin(other);
	return other;
}

/* Sends while the port takes it; true when more is to be sent. */
static bool send_lines(void)
{
	for (;;) {
		bool lead = line.owner && line.lead_sent < line.lead_size;
		struct vm_console *c = lead ? line.owner : next_console();

		if (!c || !host_uart_tx_room())
			return c != NULL;
		if (line.lead_sent < line.lead_size)
			send_lead();
		else
			send_text(c);
	}
}

/* Somebody has begun a line: it is not to wait for its end for ever. */
static void set_prompt_timer(void)
{
	for (u32 i = 1; i <= CONSOLE_MAX; i++) {
		struct vm_console *c = consoles[i];

		if (!c || !has_any(c) || timer_is_armed(&prompt_timer))
			continue;
		timer_set(&prompt_timer, time_now() + time_ns_to_ticks(CONSOLE_PROMPT_NS));
	}
}

/* --- the pump --- */

/* While bytes wait the port interrupts when it has room: nothing else sends them. */
static void set_irq(bool more)
{
	if (!use_irq)
		return;
	tx_irq = more;
	host_uart_irq_enable(true, more);
}

static void pump(void)
{
	bool more = false;

	if (show_all) {
		more = send_lines();
		if (!more)
			set_prompt_timer();
	} else if (shown) {
		send_raw(shown);
		more = has_any(shown);
	}
	set_irq(more);
}

void console_out_pump(void)
{
	spin_lock(&tx_lock);
	pump();
	spin_unlock(&tx_lock);
}

void console_out_pump_one(struct vm_console *c)
{
	spin_lock(&tx_lock);
	if (show_all || shown == c)
		pump();
	else
		send_raw(c);
	spin_unlock(&tx_lock);
}

static void prompt_over(struct timer *timer)
{
	(void)timer;
	console_out_pump();
}

void console_out_byte(struct vm_console *c, u8 byte)
{
	bool tell;

	spin_lock(&c->lock);
	tell = push(c, byte);
	spin_unlock(&c->lock);
	if (!tell || !console_out_is_shown(c))
		return;
	spin_lock(&tx_lock);
	/* With the port's interrupt to come, who takes it finds this byte, too. */
	if (!tx_irq)
		pump();
	spin_unlock(&tx_lock);
}

/* --- what is shown --- */

void console_out_show(struct vm_console *c, bool all)
{
	spin_lock(&tx_lock);
	line.owner = NULL;
	WRITE_ONCE(shown, c);
	WRITE_ONCE(show_all, all);
	spin_unlock(&tx_lock);
}

void console_out_set(u32 id, struct vm_console *c)
{
	spin_lock(&tx_lock);
	if (!c && line.owner == consoles[id])
		line.owner = NULL;
	if (!c && shown == consoles[id])
		WRITE_ONCE(shown, NULL);
	if (!c && sender == consoles[id])
		sender = NULL;
	consoles[id] = c;
	spin_unlock(&tx_lock);
}

void console_out_init(bool interrupts)
{
	use_irq = interrupts;
	timer_init(&prompt_timer, prompt_over);
	if (use_irq)
		host_uart_irq_enable(true, false);
}
