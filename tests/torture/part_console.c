/*
 * Guests' serial output: one guest that has the port, polled by CPUs in turn, another one that has
 * not, and log lines between them. What the first wrote leaves by itself, all of it and in order
 * (whoever runs the torture sees that, tests/boot/test_torture.py); of the other's the newest is
 * kept and the rest is counted.
 */
#include "torture.h"

#include "core/format.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/spinlock.h"
#include "core/time.h"
#include "hv/console.h"
#include "hv/io_bus.h"
#include "mm/heap.h"

#define GUESTS	  2
#define LSR_PORT  (UART_COM1_PORT + 5)
#define LSR_THRE  0x20
#define BYTES_MAX (1ul << 20) /* of the guest with the port: its line is not fast */
#define LOG_EVERY 64

struct guest {
	struct spinlock lock; /* a guest's own, guards the order of its output */
	struct vm_console console;
	struct uart uart;
	struct io_bus bus;
	u64 bytes, words;
};

static struct guest *guests;
static u64 free_before;

static void no_irq(void *ctx __unused, unsigned gsi __unused, bool level __unused)
{
}

static void add(struct guest *g, u32 id)
{
	struct uart_backend backend;

	if (console_add(&g->console, id, id == 1 ? "one" : "two", &g->uart, &backend))
		panic("torture: no place for a console");
	uart_init(&g->uart, (struct irq_line){ .set = no_irq }, &backend);
	if (uart_attach(&g->uart, &g->bus, UART_COM1_PORT))
		panic("torture: no place for a UART");
}

static void begin(void)
{
	free_before = torture_free_frames();
	guests = torture_alloc(GUESTS * sizeof(*guests));
	for (u32 i = 0; i < GUESTS; i++)
		add(&guests[i], i + 1);
}

/* As a guest that polls. */
static void put(struct guest *g, char c)
{
	u64 limit = torture_patience();

	while (!(io_bus_read(&g->bus, LSR_PORT, 1) & LSR_THRE) && torture_waiting())
		TORTURE_CHECK(time_now() < limit,
			      "the serial port takes no byte: %u of its buffer wait, starved %u",
			      g->console.tx_head - g->console.tx_tail, g->console.starved);
	io_bus_write(&g->bus, UART_COM1_PORT, 1, (u8)c);
	g->bytes++;
}

static void write_word(struct guest *g)
{
	char word[32];

	format_string(word, sizeof(word), "<%lu:%08x>%s", g->words, (u32)g->words * 2654435761u,
		      g->words % 4 == 3 ? "\n" : "");
	for (const char *s = word; *s && !torture_failed(); s++)
		put(g, *s);
	g->words++;
}

static bool is_sent(const struct vm_console *c)
{
	return READ_ONCE(c->tx_tail) == READ_ONCE(c->tx_head);
}

/* What the guest wrote last leaves without any more of it. */
static void wait_sent(struct torture_worker *w, const struct vm_console *c)
{
	u64 limit = torture_patience();
	u32 left = c->tx_head - c->tx_tail;

	while (!is_sent(c) && torture_waiting()) {
		u32 now = READ_ONCE(c->tx_head) - READ_ONCE(c->tx_tail);

		if (now < left) {
			left = now;
			limit = torture_patience();
			torture_beat(w);
		}
		TORTURE_CHECK(time_now() < limit, "%u bytes of a guest wait, and nobody sends them",
			      now);
	}
}

static void use(struct torture_worker *w, struct guest *g)
{
	if (!spin_trylock(&g->lock))
		return;
	for (u32 i = torture_random(w, 8); i; i--)
		write_word(g);
	if (g == &guests[0] && torture_random(w, 4) == 0)
		wait_sent(w, &g->console);
	spin_unlock(&g->lock);
}

static void work(struct torture_worker *w)
{
	while (torture_going(w)) {
		u32 i = torture_random(w, GUESTS);

		if (w->operations % LOG_EVERY == 0)
			log_info("torture between: cpu %u", w->cpu);
		else if (i || READ_ONCE(guests[0].bytes) < BYTES_MAX)
			use(w, &guests[i]);
	}
	torture_meet(w);
	if (w->cpu == 0)
		wait_sent(w, &guests[0].console);
}

static void end(void)
{
	const struct vm_console *one = &guests[0].console, *two = &guests[1].console;

	TORTURE_CHECK(one->tx_head == (u32)guests[0].bytes && !one->lost,
		      "of %lu bytes %u were queued, %lu lost", guests[0].bytes, one->tx_head,
		      one->lost);
	TORTURE_CHECK(two->tx_head == (u32)guests[1].bytes && two->tx_tail == (u32)two->lost,
		      "of %lu bytes without the port %u were queued, %u sent, %lu lost",
		      guests[1].bytes, two->tx_head, two->tx_tail, two->lost);
	log_info("torture words: %lu", guests[0].words);
	/* Not sent: it would be, in full, on removal. */
	guests[1].console.tx_tail = guests[1].console.tx_head;
	guests[1].console.tx_lines = 0;
	console_remove(&guests[1].console);
	console_remove(&guests[0].console);
	heap_free(guests);
	TORTURE_CHECK(torture_free_frames() == free_before, "%lu frames were free, now %lu",
		      free_before, torture_free_frames());
}

const struct torture_part part_console = { "console", begin, work, end };
