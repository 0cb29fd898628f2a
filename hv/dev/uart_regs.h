/* Register bits of the 16550A (PC16550D data sheet, table II). */
#ifndef NEAP_HV_DEV_UART_REGS_H
#define NEAP_HV_DEV_UART_REGS_H

enum uart_reg {
	UART_DATA, /* RBR and THR; divisor low when LCR_DLAB is set */
	UART_IER,  /* divisor high when LCR_DLAB is set */
	UART_IIR,  /* FCR when written */
	UART_LCR,
	UART_MCR,
	UART_LSR,
	UART_MSR,
	UART_SCRATCH,
};

#define IER_RX	  0x01
#define IER_THRE  0x02
#define IER_LINE  0x04
#define IER_MODEM 0x08
#define IER_BITS  0x0f

#define IIR_NONE    0x01
#define IIR_MODEM   0x00
#define IIR_THRE    0x02
#define IIR_RX	    0x04
#define IIR_TIMEOUT 0x0c
#define IIR_LINE    0x06
#define IIR_FIFO    0xc0

#define FCR_ENABLE   0x01
#define FCR_RX_RESET 0x02
#define FCR_TRIGGER  0xc0

#define LCR_8N1	  0x03
#define LCR_BREAK 0x40
#define LCR_DLAB  0x80

#define MCR_DTR	 0x01
#define MCR_RTS	 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_BITS 0x1f

#define LSR_DR	    0x01
#define LSR_OE	    0x02
#define LSR_BI	    0x10
#define LSR_ERRORS  0x1e /* OE, PE, FE, BI: cleared by reading */
#define LSR_THRE    0x20
#define LSR_TEMT    0x40
#define LSR_IN_FIFO 0x80

#define MSR_DELTAS 0x0f /* changes of CTS, DSR, RI (falling), DCD: cleared by reading */
#define MSR_TERI   0x04
#define MSR_CTS	   0x10
#define MSR_DSR	   0x20
#define MSR_RI	   0x40
#define MSR_DCD	   0x80
#define MSR_LINES  0xf0

#endif
