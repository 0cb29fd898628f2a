/* The command-line option that names the serial port. */
#ifndef NEAP_ARCH_X86_UART_OPTION_H
#define NEAP_ARCH_X86_UART_OPTION_H

#include "core/types.h"

#define UART_MAX_BAUD 4000000u

struct uart_option {
	enum { UART_OPT_NONE, UART_OPT_OFF, UART_OPT_IO, UART_OPT_MMIO } kind;
	u64 address; /* port or physical address */
	u32 baud;    /* 0: not said */
};

/*
 * Finds the last word serial=off, serial=io:PORT[,BAUD] or serial=mmio:ADDRESS[,BAUD] in a command
 * line (numbers decimal or 0x hexadecimal). 0, with kind NONE when there is no such word; -EINVAL:
 * the last one is malformed (kind is NONE then, too).
 */
int uart_option_parse(const char *cmdline, struct uart_option *out) __must_check;

#endif
