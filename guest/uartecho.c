/*
 * uartecho: echoes every line it receives in upper case, until one reads "quit". Receives by
 * interrupt: the UART's IRQ 4 through the PIC. Exit status 0.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "apic.h"
#include "uart.h"
#include "x86.h"

#define ECHO_RING 256 /* bytes received and not yet taken; more are lost */
#define ECHO_LINE 128 /* a longer line is cut */

static volatile char echo_ring[ECHO_RING];
static volatile unsigned int echo_head; /* bytes ever put in, by the handler */
static unsigned int echo_tail;		/* bytes ever taken out */

static void echo_receive(struct trap_frame *frame __attribute__((unused)))
{
	inb(UART_PORT + 2); /* the interrupt's reason: there is only one */
	while (inb(UART_LSR) & UART_LSR_READY) {
		char c = (char)inb(UART_PORT);

		if (echo_head - echo_tail < ECHO_RING)
			echo_ring[echo_head++ % ECHO_RING] = c;
	}
	pic_eoi();
}

static char echo_get(void)
{
	irq_disable();
	while (echo_head == echo_tail)
		irq_wait();
	irq_enable();
	return echo_ring[echo_tail++ % ECHO_RING];
}

static void echo_get_line(char *line)
{
	size_t len = 0;
	char c;

	while ((c = echo_get()) != '\n' && c != '\r')
		if (len < ECHO_LINE)
			line[len++] = c;
	line[len] = 0;
}

static void echo_upper(char *line)
{
	for (; *line; line++)
		*line = (char)toupper((unsigned char)*line);
}

int main(void)
{
	char line[ECHO_LINE + 1];

	trap_set_handler(PIC_VECTOR + UART_IRQ, echo_receive);
	pic_init((uint16_t) ~(1u << UART_IRQ));
	apic_enable();
	apic_write(APIC_LINT0, APIC_LVT_EXTINT);
	outb(UART_IER, 1);
	irq_enable();
	printf("uartecho: ready\n");
	for (;;) {
		echo_get_line(line);
		if (!strcmp(line, "quit"))
			break;
		echo_upper(line);
		printf("%s\n", line);
	}
	printf("uartecho: bye\n");
	return 0;
}
