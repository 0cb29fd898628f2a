/*
 * The board's serial port: the log's first sink, and what the console multiplexer talks through.
 * All of these do nothing (and say "no room", "no byte") when there is no port.
 */
#ifndef NEAP_ARCH_X86_UART_H
#define NEAP_ARCH_X86_UART_H

#include "arch/x86/acpi.h"

/*
 * As soon as the command line is known: COM1, or the port of serial=io:..., as a log sink if it is
 * there. Uses ports only, needs neither memory nor ACPI. Boot CPU.
 */
void host_uart_early_init(const char *cmdline);

/*
 * Once devices can be mapped, and again once ACPI has been read: moves to the port that the command
 * line names, or else the firmware (firmware may be NULL), if that is another one; the new port
 * gets the log so far. There is one move at most. Logs what is used. Boot CPU, before the others
 * run.
 */
void host_uart_init(const char *cmdline, const struct acpi_serial *firmware);

/* Whether there is a port. Any context, after host_uart_init(). */
bool host_uart_is_there(void);

/* For the console multiplexer. Any context, never waiting; no room while a log line goes out. */
size_t host_uart_tx_room(void);
bool host_uart_tx(u8 byte);	/* false: not sent, no room */
bool host_uart_line_open(void); /* what was sent last, by anybody, did not end a line */
/* The same for a byte that belongs where a line is open, or is not: 0, -EAGAIN: no room, -ESTALE:
 * it is otherwise, since a line of the log came between. */
int host_uart_tx_in_line(u8 byte, bool open);
int host_uart_rx(void); /* -1: nothing there */

/* The interrupt the port raises. False: none is known, so poll it. */
struct uart_irq {
	bool is_isa; /* number is an ISA interrupt, edge-triggered; else a GSI */
	u32 number;
};
bool host_uart_irq_source(struct uart_irq *irq) __must_check;

/* Interrupts for received bytes and for an empty transmitter. */
void host_uart_irq_enable(bool rx, bool tx);

/*
 * Why it interrupts: UART_IRQ_RX (taken back by reading all that host_uart_rx() has), UART_IRQ_TX
 * (taken back by this call) or 0. An edge-triggered line only falls when nothing is left: the
 * handler calls this until it returns 0, a bounded number of times.
 */
#define UART_IRQ_RX BIT(0)
#define UART_IRQ_TX BIT(1)
unsigned host_uart_irq_ack(void);

/* Gives up all the same: the line falls, and rises anew if something is left. */
void host_uart_irq_again(void);

/*
 * Logs, once, that the port has stopped taking bytes. Called now and then from outside of the log
 * (a sink cannot log).
 */
void host_uart_check(void);

/* Waits (bounded) until the last byte is on the wire: before the machine goes off. Any context. */
void host_uart_drain(void);

#endif
