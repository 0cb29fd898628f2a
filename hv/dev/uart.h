/*
 * A 16550A serial port. It has no baud-rate timing: a byte written goes to the backend at once
 * while that has room, and bytes received come as fast as the guest takes them. Neither side ever
 * loses a byte to the other being slow, and neither waits.
 */
#ifndef NEAP_HV_DEV_UART_H
#define NEAP_HV_DEV_UART_H

#include "core/spinlock.h"
#include "hv/io_bus.h"
#include "hv/irq_line.h"

#define UART_COM1_PORT 0x3f8
#define UART_COM1_IRQ  4
#define UART_PORTS     8
#define UART_FIFO_SIZE 16

#define UART_RX_NONE  (-1)
#define UART_RX_BREAK 0x100

/*
 * Where the bytes go to and come from. Called with the UART's lock held: the functions must not
 * wait, nor call back, nor take a lock under which someone calls uart_tx_ready() or
 * uart_rx_ready().
 */
struct uart_backend {
	/* How many bytes tx() can take now. When that was 0, uart_tx_ready() is to follow. */
	size_t (*tx_room)(void *ctx);
	void (*tx)(void *ctx, u8 byte);
	/*
	 * The next byte for the guest, UART_RX_BREAK for a break, or UART_RX_NONE: then
	 * uart_rx_ready() is to follow when there is one. A byte taken is out of the backend.
	 */
	int (*rx)(void *ctx);
	void *ctx;
};

/* A ring; indices run freely and are taken modulo the size. */
struct uart_fifo {
	u16 entry[UART_FIFO_SIZE]; /* a byte, or UART_RX_BREAK */
	u8 head, tail;
};

struct uart {
	struct spinlock lock; /* guards all below */
	u8 ier, fcr, lcr, mcr, msr, scratch;
	u8 lsr; /* written under the lock; read without, see uart_read_lsr() in uart.c */
	u8 divisor_low, divisor_high;
	bool thre_pending; /* transmitter-empty interrupt not yet acknowledged */
	bool irq_on;
	struct uart_fifo rx, tx;
	struct uart_backend backend;
	struct irq_line irq;
};

/* State as firmware leaves it: 115200 baud 8N1, FIFOs and interrupts off. Calls backend->rx(). */
void uart_init(struct uart *uart, struct irq_line irq, const struct uart_backend *backend);

/* Back to that state. Bytes the guest has written still go out. */
void uart_reset(struct uart *uart);

/* Registers 8 ports at base. Errors of io_bus_add(). */
int uart_attach(struct uart *uart, struct io_bus *pio, u16 base) __must_check;

/* The backend has room again: sends what waits. Any CPU, not from within a backend function. */
void uart_tx_ready(struct uart *uart);

/* The backend has a byte: takes as many as the receive FIFO has room for. Likewise. */
void uart_rx_ready(struct uart *uart);

#endif
