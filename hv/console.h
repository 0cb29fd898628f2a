/*
 * The serial port shared by Neap's log and the guests' consoles. Log lines always go out; of the
 * guests, the attached one's output does, or that of all of them, line by line under their names;
 * what is typed goes to the attached one. Ctrl-\ is the prefix of the keys that switch:
 * docs/console.md. A detached guest's output waits in its buffer, the oldest is lost when that is
 * full. What is typed waits, too; there it is the newest that is lost.
 */
#ifndef NEAP_HV_CONSOLE_H
#define NEAP_HV_CONSOLE_H

#include "core/spinlock.h"
#include "hv/dev/uart.h"

#define CONSOLE_MAX	64    /* consoles: VM ids from 1 to this */
#define CONSOLE_TX_SIZE 16384 /* output kept for a guest; powers of two */
#define CONSOLE_RX_SIZE 1024  /* typed ahead */
_Static_assert((CONSOLE_TX_SIZE & (CONSOLE_TX_SIZE - 1)) == 0, "indices wrap by masking");
_Static_assert((CONSOLE_RX_SIZE & (CONSOLE_RX_SIZE - 1)) == 0, "indices wrap by masking");
_Static_assert(CONSOLE_MAX <= 99, "two digits name a console");

struct vm_console {
	struct spinlock
		lock; /* guards all below but names; taken with the guest's UART's lock held */
	const char *name;
	u32 id;
	u32 tx_head, tx_tail; /* free-running; tail: sent so far */
	u32 tx_lines;	      /* line ends among what waits */
	u32 rx_head, rx_tail;
	u64 since;	 /* when the first of what waits came, or got to the front of a line */
	u64 lost;	 /* bytes dropped while detached */
	u64 rx_lost;	 /* typed bytes for which there was no room, not told as yet */
	bool mid_line;	 /* what was sent last did not end a line */
	bool flushing;	 /* what waits goes out as it is, whole lines or not */
	bool starved;	 /* the UART was told there is no room and waits for uart_tx_ready() */
	bool comes_back; /* the manager's: the VM is built again, its console stays chosen */
	struct uart *uart;
	u8 *tx; /* CONSOLE_TX_SIZE; NULL: no console */
	u8 rx[CONSOLE_RX_SIZE];
};

/*
 * Takes the serial port's interrupts, or polls it. cmdline, which must stay, may say what to show
 * first: console=all, console=NAME. Boot CPU, after the timers work; once.
 */
void console_init(const char *cmdline);

/* Warns when no VM has come with the name that console= gives. After the VMs have been started. */
void console_check_option(void);

/* A VM's console, and the backend its UART is to use. -ENOMEM, -ENOSPC. Before the VM runs. */
int console_add(struct vm_console *c, u32 vm_id, const char *name, struct uart *uart,
		struct uart_backend *backend) __must_check;

/*
 * The VM is gone: sends what is left as console_finish() does, detaches it and frees the buffer.
 * Does nothing for one that was not added. Worker context.
 */
void console_remove(struct vm_console *c);

/* A VM that was to come back does not. Worker context. */
void console_forget(u32 vm_id);

/*
 * Sends what is left of one guest's output, attached or not, within two seconds: the first lets
 * other threads run meanwhile, and is for workers; the second is for a vCPU's own thread. No locks
 * held.
 */
void console_finish(struct vm_console *c);
void console_flush(struct vm_console *c);

#endif
