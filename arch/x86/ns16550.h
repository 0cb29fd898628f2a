/*
 * A 16550 whose registers are reached through two functions: so that it works over ports, over
 * memory and over a model in tests. Section and register names are those of National's PC16550D
 * datasheet.
 */
#ifndef NEAP_ARCH_X86_NS16550_H
#define NEAP_ARCH_X86_NS16550_H

#include "core/log.h"
#include "core/spinlock.h"

#define NS16550_FIFO_SIZE     16
#define NS16550_DEFAULT_BAUD  115200u
#define NS16550_DEFAULT_CLOCK 1843200u /* Hz */

/* A port that takes no byte for so long is stalled; and a writer does without a lock that somebody
 * has held for so long: longer than any of them is stopped by an SMI, or by a hypervisor below. */
#define NS16550_STALL_SECONDS 2
#define NS16550_LOCK_SECONDS  (2 * NS16550_STALL_SECONDS)

enum ns16550_reg {
	NS16550_DATA = 0, /* RBR, THR; divisor low with DLAB */
	NS16550_IER = 1,  /* divisor high with DLAB */
	NS16550_IIR = 2,  /* reads; writes are FCR */
	NS16550_FCR = 2,
	NS16550_LCR = 3,
	NS16550_MCR = 4,
	NS16550_LSR = 5,
	NS16550_MSR = 6,
	NS16550_SCR = 7,
};

struct ns16550 {
	u8 (*read)(const struct ns16550 *u, enum ns16550_reg reg);
	void (*write)(const struct ns16550 *u, enum ns16550_reg reg, u8 value);
	/* Where it is, for read and write; set before ns16550_setup(). */
	bool is_mmio;
	u8 stride, width;  /* of memory registers, bytes */
	u16 port;	   /* of I/O registers */
	volatile u8 *regs; /* of memory registers */
	u64 address;	   /* the port or physical address, for messages */
	u32 baud;	   /* 0: leave the divisor as the firmware set it */
	u32 clock;	   /* Hz, 0: the usual one */

	struct spinlock lock; /* guards the registers and what follows; taken inside of the log's */
	unsigned fifo;	      /* bytes of its transmit FIFO */
	unsigned credit;      /* bytes that can be written before THRE must be seen again */
	u8 ier;
	bool stalled;	/* did not drain in time; bytes are dropped until it does */
	bool line_open; /* the last byte was ns16550_put()'s, and no line's end */

	bool lock_lost;	     /* its holder has died: log lines do without; atomic */
	bool stall_reported; /* owned by host_uart_check() */
	bool busy;	     /* a log line is under way; set under the lock, atomic */
	struct log_sink sink;
};

/*
 * True when a 16550 answers. strict: both the scratch register and the loop-back of the modem
 * lines must work; else, for a port that was named to us, one of them. Leaves the modem control
 * register cleared. Before ns16550_setup().
 */
bool ns16550_probe(struct ns16550 *u, bool strict) __must_check;

/* Programs baud, 8N1, FIFOs, no interrupts. */
void ns16550_setup(struct ns16550 *u);

/* Bytes that ns16550_put() would take now. Any context; never waits. */
size_t ns16550_room(struct ns16550 *u);

/* One byte out; false: no room, not sent. Any context; never waits. */
bool ns16550_put(struct ns16550 *u, u8 byte);

/* One byte out that belongs where a line is open, or where none is: 0; -EAGAIN: no room; -ESTALE:
 * it is otherwise, since a line of the log came between. Any context; never waits. */
int ns16550_put_in_line(struct ns16550 *u, u8 byte, bool open);

/* What was put last did not end a line, and no line of the log has. */
bool ns16550_line_open(const struct ns16550 *u);

/* One byte in, or -1. */
int ns16550_get(struct ns16550 *u);

/* Interrupts for received bytes, and for room to send; off after the start. Takes u->lock. */
void ns16550_set_irqs(struct ns16550 *u, bool rx, bool tx);

/* Lets the interrupt line fall, and rise anew if there is a cause, also one that was told already:
 * an empty transmitter. */
void ns16550_rearm_irqs(struct ns16550 *u);

/* What the device has an interrupt pending for (NS16550_WANTS_RX, NS16550_WANTS_TX), 0: nothing. */
#define NS16550_WANTS_RX BIT(0)
#define NS16550_WANTS_TX BIT(1)
unsigned ns16550_pending(struct ns16550 *u);

/*
 * Writes n bytes, which begin a line, with LF as CR LF, waiting for the line, for each byte at most
 * about twice the time in which a full FIFO drains and NS16550_STALL_SECONDS. After a wait that was
 * in vain the port is stalled: then bytes are dropped at once, until it moves again. Any context.
 */
void ns16550_write_polled(struct ns16550 *u, const char *s, size_t n);

/* Waits, no longer than ns16550_write_polled() for a byte, until all bytes are on the wire. */
void ns16550_wait_empty(struct ns16550 *u);

#endif
