/*
 * The serial port shared by Neap's log and the guests' consoles. Log lines always go out; of the
 * guests, the attached one's output does, and it gets what is typed. Ctrl-\ is the prefix of the
 * switch: n next, 0 the log, 1-9 a VM, ? help, Ctrl-\ itself. A detached guest's output waits in
 * its buffer, the oldest is lost when that is full.
 */
#ifndef NEAP_HV_CONSOLE_H
#define NEAP_HV_CONSOLE_H

#include "core/spinlock.h"
#include "hv/dev/uart.h"

#define CONSOLE_TX_SIZE 16384 /* output kept for a guest; powers of two */
#define CONSOLE_RX_SIZE 1024  /* typed ahead */
_Static_assert((CONSOLE_TX_SIZE & (CONSOLE_TX_SIZE - 1)) == 0, "indices wrap by masking");
_Static_assert((CONSOLE_RX_SIZE & (CONSOLE_RX_SIZE - 1)) == 0, "indices wrap by masking");

struct vm_console {
	struct spinlock lock; /* guards all below; taken with the guest's UART's lock held */
	const char *name;
	u32 tx_head, tx_tail; /* free-running; tail: sent so far */
	u32 rx_head, rx_tail;
	u64 lost;     /* bytes dropped while detached */
	bool starved; /* the UART was told there is no room and waits for uart_tx_ready() */
	struct uart *uart;
	u8 *tx; /* CONSOLE_TX_SIZE */
	u8 rx[CONSOLE_RX_SIZE];
};

/* Takes the serial port's interrupts, or polls it. Boot CPU, after the timers work; once. */
void console_init(void);

/* A VM's console, and the backend its UART is to use. -ENOMEM, -ENOSPC. Before the VM runs. */
int console_add(struct vm_console *c, u32 vm_id, const char *name, struct uart *uart,
		struct uart_backend *backend) __must_check;

/* The VM is gone: detaches it and frees the buffer. What it had sent is on its way already. */
void console_remove(struct vm_console *c, u32 vm_id);

/* Sends what is left of one guest's output, attached or not, within two seconds. Any CPU, no locks
 * held. */
void console_flush(struct vm_console *c);

/* The same for every guest: before power-off. */
void console_drain(void);

#endif
