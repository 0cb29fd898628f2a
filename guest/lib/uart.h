#ifndef GUEST_UART_H
#define GUEST_UART_H

#include <stddef.h>

#define UART_PORT	 0x3f8
#define UART_IRQ	 4
#define UART_IER	 (UART_PORT + 1)
#define UART_IER_RX	 0x01 /* interrupts for what is received */
#define UART_LSR	 (UART_PORT + 5)
#define UART_LSR_READY	 0x01
#define UART_LSR_THRE	 0x20
#define UART_LSR_MISSING 0xff

/* 115200 8n1, FIFOs on, interrupts off. */
void uart_init(void);

/* Writes LEN bytes, "\n" as "\r\n". Bytes that the UART will not take in time are dropped. */
void uart_write(const char *text, size_t len);

/* Waits for a byte and returns it; -1 where there is no UART. */
int uart_read(void);

#endif
