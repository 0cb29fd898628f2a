#include "uart.h"
#include "x86.h"

/* A byte takes 87 us at 115200 baud; who takes it may stand still for a while. */
#define UART_PATIENCE 50000000000ull /* ticks of the TSC */
#define UART_POLLS    100000	     /* and not fewer, however many ticks they take */
#define UART_FIFO     16

static unsigned int uart_burst = 1; /* bytes that fit once THRE is set */
static unsigned int uart_room;	    /* bytes that still fit without looking at THRE */

void uart_init(void)
{
	outb(UART_PORT + 3, 0x80);
	outb(UART_PORT, 1);
	outb(UART_IER, 0);
	outb(UART_PORT + 3, 0x03);
	outb(UART_PORT + 2, 0x07);
	outb(UART_PORT + 4, 0x0b);
	if ((inb(UART_PORT + 2) & 0xc0) == 0xc0)
		uart_burst = UART_FIFO;
}

static void uart_put(char c)
{
	unsigned int polls = 0;
	uint64_t start = 0;

	while (!uart_room) {
		if (inb(UART_LSR) & UART_LSR_THRE)
			uart_room = uart_burst;
		else if (!polls++)
			start = rdtsc();
		else if (polls > UART_POLLS && rdtsc() - start > UART_PATIENCE)
			return;
		else
			cpu_pause();
	}
	uart_room--;
	outb(UART_PORT, (uint8_t)c);
}

void uart_write(const char *text, size_t len)
{
	for (; len; len--, text++) {
		if (*text == '\n')
			uart_put('\r');
		uart_put(*text);
	}
}

int uart_read(void)
{
	uint8_t status;

	while (!((status = inb(UART_LSR)) & UART_LSR_READY))
		cpu_pause();
	return status == UART_LSR_MISSING ? -1 : inb(UART_PORT);
}
