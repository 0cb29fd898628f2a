/*
 * uartecho: echoes every line it receives in upper case, until one reads "quit". After one
 * that reads "pause" it does not look at the UART for half a second. Receives by interrupt: the
 * UART's IRQ 4 through the PIC. Exit status 0. It loses nothing: what it has no place for it
 * leaves in the UART.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "apic.h"
#include "pit.h"
#include "uart.h"
#include "x86.h"

#define ECHO_RING 64  /* bytes received and not yet taken */
#define ECHO_LINE 128 /* a longer line is cut */
#define PIT_IRQ	  0
#define TICK_HZ	  100
#define PAUSE	  (TICK_HZ / 2) /* ticks */

/* The handler's, and with interrupts off the program's. */
static volatile char echo_ring[ECHO_RING];
static volatile unsigned int echo_head; /* bytes ever put in */
static volatile unsigned int echo_tail; /* bytes ever taken out */
static volatile unsigned int echo_ticks;

static int echo_is_full(void)
{
	return echo_head - echo_tail == ECHO_RING;
}

/* A full ring keeps the UART from interrupting: the handler could not take what it has. */
static void echo_receive(struct trap_frame *frame __attribute__((unused)))
{
	inb(UART_PORT + 2); /* the interrupt's reason: there is only one */
	while (!echo_is_full() && (inb(UART_LSR) & UART_LSR_READY))
		echo_ring[echo_head++ % ECHO_RING] = (char)inb(UART_PORT);
	if (echo_is_full())
		outb(UART_IER, 0);
	pic_eoi();
}

static char echo_get(void)
{
	char c;

	irq_disable();
	while (echo_head == echo_tail)
		irq_wait();
	c = echo_ring[echo_tail % ECHO_RING];
	if (echo_is_full())
		outb(UART_IER, UART_IER_RX);
	echo_tail++;
	irq_enable();
	return c;
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

static void echo_tick(struct trap_frame *frame __attribute__((unused)))
{
	echo_ticks++;
	pic_eoi();
}

static void echo_pause(void)
{
	irq_disable();
	outb(UART_IER, 0);
	echo_ticks = 0;
	pit_start(PIT_HZ / TICK_HZ);
	while (echo_ticks < PAUSE)
		irq_wait();
	pit_stop();
	outb(UART_IER, UART_IER_RX);
	irq_enable();
}

int main(void)
{
	char line[ECHO_LINE + 1];

	trap_set_handler(PIC_VECTOR + UART_IRQ, echo_receive);
	trap_set_handler(PIC_VECTOR + PIT_IRQ, echo_tick);
	pic_init((uint16_t) ~(1u << UART_IRQ | 1u << PIT_IRQ));
	apic_enable();
	apic_write(APIC_LINT0, APIC_LVT_EXTINT);
	outb(UART_IER, UART_IER_RX);
	irq_enable();
	printf("uartecho: ready\n");
	for (;;) {
		echo_get_line(line);
		if (!strcmp(line, "quit"))
			break;
		if (!strcmp(line, "pause"))
			echo_pause();
		echo_upper(line);
		printf("%s\n", line);
	}
	printf("uartecho: bye\n");
	return 0;
}
