#include "hv/dev/uart.h"

#include "hv/dev/byte_ports.h"
#include "hv/dev/uart_regs.h"

_Static_assert((UART_FIFO_SIZE & (UART_FIFO_SIZE - 1)) == 0, "FIFO indices run freely");
_Static_assert(UART_FIFO_SIZE <= 128, "FIFO indices are 8 bits wide");

static unsigned fifo_count(const struct uart_fifo *f)
{
	return (u8)(f->tail - f->head);
}

static void fifo_push(struct uart_fifo *f, u16 v)
{
	f->entry[f->tail++ % UART_FIFO_SIZE] = v;
}

static u16 fifo_pop(struct uart_fifo *f)
{
	return f->entry[f->head++ % UART_FIFO_SIZE];
}

static bool fifo_has_break(const struct uart_fifo *f)
{
	for (u8 i = f->head; i != f->tail; i++) {
		if (f->entry[i % UART_FIFO_SIZE] == UART_RX_BREAK)
			return true;
	}
	return false;
}

static unsigned rx_capacity(const struct uart *uart)
{
	return uart->fcr & FCR_ENABLE ? UART_FIFO_SIZE : 1;
}

static unsigned rx_trigger(const struct uart *uart)
{
	static const u8 level[4] = { 1, 4, 8, 14 };

	return uart->fcr & FCR_ENABLE ? level[uart->fcr >> 6] : 1;
}

/*
 * Cause of the interrupt by priority (data sheet, table III). Bytes below the trigger level count
 * as timed out at once: the backend has given all it had, so the line is idle.
 */
static u8 interrupt_cause(const struct uart *uart)
{
	if ((uart->ier & IER_LINE) && (uart->lsr & LSR_ERRORS))
		return IIR_LINE;
	if ((uart->ier & IER_RX) && (uart->lsr & LSR_DR))
		return fifo_count(&uart->rx) >= rx_trigger(uart) ? IIR_RX : IIR_TIMEOUT;
	if ((uart->ier & IER_THRE) && uart->thre_pending)
		return IIR_THRE;
	if ((uart->ier & IER_MODEM) && (uart->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

static void drive_irq(struct uart *uart, bool on)
{
	if (on != uart->irq_on) {
		uart->irq_on = on;
		irq_line_set(&uart->irq, on);
	}
}

/* On a PC the interrupt passes a gate opened by OUT2, a pin that is idle in loop-back mode. */
static void update_irq(struct uart *uart)
{
	bool gate = (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	drive_irq(uart, gate && interrupt_cause(uart) != IIR_NONE);
}

static void set_lsr(struct uart *uart, u8 clear, u8 set)
{
	WRITE_ONCE(uart->lsr, (uart->lsr & ~clear) | set);
}

/* LSR follows the receive FIFO; an error shows when its character gets to the front. */
static void rx_changed(struct uart *uart)
{
	u8 set = 0;

	if (fifo_count(&uart->rx)) {
		set = LSR_DR;
		if (uart->rx.entry[uart->rx.head % UART_FIFO_SIZE] == UART_RX_BREAK) {
			set |= LSR_BI;
			/* Shown once: from here on it is a byte of zero. */
			uart->rx.entry[uart->rx.head % UART_FIFO_SIZE] = 0;
		}
	}
	if ((uart->fcr & FCR_ENABLE) && (((uart->lsr | set) & LSR_BI) || fifo_has_break(&uart->rx)))
		set |= LSR_IN_FIFO;
	set_lsr(uart, LSR_DR | LSR_IN_FIFO, set);
}

/* Takes bytes from the backend while there is room. In loop-back mode the line is cut off. */
static void rx_pull(struct uart *uart)
{
	while (!(uart->mcr & MCR_LOOP) && fifo_count(&uart->rx) < rx_capacity(uart)) {
		int v = uart->backend.rx(uart->backend.ctx);

		if (v == UART_RX_NONE)
			break;
		fifo_push(&uart->rx, v == UART_RX_BREAK ? UART_RX_BREAK : (u8)v);
	}
	rx_changed(uart);
}

/* A character that came round in loop-back mode; there it can overrun. */
static void rx_looped(struct uart *uart, u16 v)
{
	if (fifo_count(&uart->rx) == rx_capacity(uart)) {
		set_lsr(uart, 0, LSR_OE);
		return;
	}
	fifo_push(&uart->rx, v);
	rx_changed(uart);
}

static void tx_empty(struct uart *uart)
{
	set_lsr(uart, 0, LSR_THRE | LSR_TEMT);
	uart->thre_pending = true;
}

void uart_tx_ready(struct uart *uart)
{
	struct uart_backend *b = &uart->backend;

	spin_lock(&uart->lock);
	while (fifo_count(&uart->tx) && b->tx_room(b->ctx))
		b->tx(b->ctx, (u8)fifo_pop(&uart->tx));
	if (fifo_count(&uart->tx) == 0 && !(uart->lsr & LSR_THRE)) {
		tx_empty(uart);
		update_irq(uart);
	}
	spin_unlock(&uart->lock);
}

void uart_rx_ready(struct uart *uart)
{
	spin_lock(&uart->lock);
	rx_pull(uart);
	update_irq(uart);
	spin_unlock(&uart->lock);
}

/* The backend is full: the byte waits in the FIFO and THRE says so. */
static void tx_wait(struct uart *uart, u8 value)
{
	unsigned capacity = uart->fcr & FCR_ENABLE ? UART_FIFO_SIZE : 1;

	/* Writing with THRE clear to a full FIFO loses the byte on the real thing, too. */
	if (fifo_count(&uart->tx) < capacity)
		fifo_push(&uart->tx, value);
	uart->thre_pending = false;
	set_lsr(uart, LSR_THRE | LSR_TEMT, 0);
	update_irq(uart);
}

/* THRE fell and rose. So does the interrupt, for those who wait for its edge. */
static void sent_at_once(struct uart *uart)
{
	bool again = uart->thre_pending;

	uart->thre_pending = true;
	if (likely(!uart->ier)) /* polled: there is no interrupt to look after */
		return;
	if (again && interrupt_cause(uart) == IIR_THRE)
		drive_irq(uart, false);
	update_irq(uart);
}

static void write_thr(struct uart *uart, u8 value)
{
	struct uart_backend *b = &uart->backend;

	if (unlikely(uart->mcr & MCR_LOOP)) {
		rx_looped(uart, value);
	} else if (likely(!fifo_count(&uart->tx) && b->tx_room(b->ctx))) {
		b->tx(b->ctx, value);
	} else {
		tx_wait(uart, value);
		return;
	}
	sent_at_once(uart);
}

static u8 read_rbr(struct uart *uart)
{
	u8 value = 0;

	if (fifo_count(&uart->rx))
		value = (u8)fifo_pop(&uart->rx);
	rx_pull(uart);
	update_irq(uart);
	return value;
}

static void write_ier(struct uart *uart, u8 value)
{
	/* Enabling the interrupt with THRE up raises it (data sheet, "transmitter interrupts"). */
	if ((value & ~uart->ier & IER_THRE) && (uart->lsr & LSR_THRE))
		uart->thre_pending = true;
	uart->ier = value & IER_BITS;
	update_irq(uart);
}

static u8 read_iir(struct uart *uart)
{
	u8 cause = interrupt_cause(uart);

	if (cause == IIR_THRE) {
		uart->thre_pending = false;
		update_irq(uart);
	}
	return cause | (uart->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

/*
 * Resetting the receive FIFO drops what is in it. Bytes to transmit are kept through a reset: on
 * the real thing they would mostly have left by the time a driver does this.
 */
static void write_fcr(struct uart *uart, u8 value)
{
	bool toggled = (value ^ uart->fcr) & FCR_ENABLE;

	uart->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_TRIGGER) : 0;
	if (toggled || ((value & FCR_ENABLE) && (value & FCR_RX_RESET)))
		uart->rx.head = uart->rx.tail;
	rx_pull(uart);
	update_irq(uart);
}

static void write_lcr(struct uart *uart, u8 value)
{
	bool break_begins = value & ~uart->lcr & LCR_BREAK;

	uart->lcr = value;
	if (break_begins && (uart->mcr & MCR_LOOP)) {
		rx_looped(uart, UART_RX_BREAK);
		update_irq(uart);
	}
}

/* The modem's lines: all well when a cable is plugged in, the outputs when looped back. */
static u8 modem_lines(const struct uart *uart)
{
	u8 lines = 0;

	if (!(uart->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	if (uart->mcr & MCR_RTS)
		lines |= MSR_CTS;
	if (uart->mcr & MCR_DTR)
		lines |= MSR_DSR;
	if (uart->mcr & MCR_OUT1)
		lines |= MSR_RI;
	if (uart->mcr & MCR_OUT2)
		lines |= MSR_DCD;
	return lines;
}

static void write_mcr(struct uart *uart, u8 value)
{
	u8 lines, changed;

	uart->mcr = value & MCR_BITS;
	lines = modem_lines(uart);
	changed = (lines ^ uart->msr) >> 4;
	if (lines & MSR_RI) /* only its trailing edge is reported */
		changed &= ~MSR_TERI;
	uart->msr = lines | (uart->msr & MSR_DELTAS) | changed;
	rx_pull(uart);
	update_irq(uart);
}

static u8 read_msr(struct uart *uart)
{
	u8 value = uart->msr;

	uart->msr &= ~MSR_DELTAS;
	update_irq(uart);
	return value;
}

/* The way of every polling loop: takes the lock only to clear an error. */
static u8 read_lsr(struct uart *uart)
{
	u8 value = READ_ONCE(uart->lsr);

	if (likely(!(value & LSR_ERRORS)))
		return value;
	spin_lock(&uart->lock);
	value = uart->lsr;
	set_lsr(uart, LSR_ERRORS, 0);
	rx_changed(uart);
	update_irq(uart);
	spin_unlock(&uart->lock);
	return value;
}

static u8 read_locked(struct uart *uart, unsigned reg)
{
	bool dlab = uart->lcr & LCR_DLAB;

	switch (reg) {
	case UART_DATA:
		return dlab ? uart->divisor_low : read_rbr(uart);
	case UART_IER:
		return dlab ? uart->divisor_high : uart->ier;
	case UART_IIR:
		return read_iir(uart);
	case UART_LCR:
		return uart->lcr;
	case UART_MCR:
		return uart->mcr;
	case UART_MSR:
		return read_msr(uart);
	default:
		return uart->scratch;
	}
}

static u8 uart_read_reg(void *dev, unsigned reg)
{
	struct uart *uart = dev;
	u8 value;

	if (reg == UART_LSR)
		return read_lsr(uart);
	spin_lock(&uart->lock);
	value = read_locked(uart, reg);
	spin_unlock(&uart->lock);
	return value;
}

static void write_divided(struct uart *uart, unsigned reg, u8 value)
{
	if (uart->lcr & LCR_DLAB)
		*(reg == UART_DATA ? &uart->divisor_low : &uart->divisor_high) = value;
	else if (reg == UART_DATA)
		write_thr(uart, value);
	else
		write_ier(uart, value);
}

static void uart_write_reg(void *dev, unsigned reg, u8 value)
{
	struct uart *uart = dev;

	spin_lock(&uart->lock);
	if (reg <= UART_IER)
		write_divided(uart, reg, value);
	else if (reg == UART_IIR)
		write_fcr(uart, value);
	else if (reg == UART_LCR)
		write_lcr(uart, value);
	else if (reg == UART_MCR)
		write_mcr(uart, value);
	else if (reg == UART_SCRATCH)
		uart->scratch = value;
	/* LSR and MSR are written in factory tests only. */
	spin_unlock(&uart->lock);
}

static u64 uart_read(void *dev, u64 offset, unsigned size)
{
	return byte_ports_read(uart_read_reg, dev, offset, size);
}

static void uart_write(void *dev, u64 offset, unsigned size, u64 value)
{
	byte_ports_write(uart_write_reg, dev, offset, size, value);
}

static const struct io_ops uart_ops = { uart_read, uart_write };

void uart_reset(struct uart *uart)
{
	spin_lock(&uart->lock);
	uart->ier = uart->fcr = uart->mcr = uart->scratch = 0;
	uart->lcr = LCR_8N1;
	uart->divisor_low = 1;
	uart->divisor_high = 0;
	uart->msr = modem_lines(uart);
	uart->thre_pending = false;
	uart->rx.head = uart->rx.tail;
	set_lsr(uart, 0xff, fifo_count(&uart->tx) ? 0 : LSR_THRE | LSR_TEMT);
	rx_pull(uart);
	update_irq(uart);
	spin_unlock(&uart->lock);
}

void uart_init(struct uart *uart, struct irq_line irq, const struct uart_backend *backend)
{
	*uart = (struct uart){ .irq = irq, .backend = *backend };
	uart_reset(uart);
}

int uart_attach(struct uart *uart, struct io_bus *pio, u16 base)
{
	return io_bus_add(pio, base, UART_PORTS, &uart_ops, uart, "uart");
}
