#include "arch/x86/uart.h"

#include <errno.h>

#include "arch/x86/pio.h"
#include "arch/x86/ns16550.h"
#include "arch/x86/uart_option.h"
#include "core/format.h"
#include "core/log.h"
#include "mm/phys.h"

#define COM1_PORT 0x3f8

_Static_assert(UART_IRQ_RX == NS16550_WANTS_RX && UART_IRQ_TX == NS16550_WANTS_TX,
	       "handed through");

/* The port we began with and the one we moved to: a sink cannot be taken off the log again. */
static struct ns16550 early_port, named_port;
static struct ns16550 *active; /* set at boot, NULL: none */
static struct uart_irq irq;
static bool irq_known;

static u8 pio_read(const struct ns16550 *u, enum ns16550_reg reg)
{
	return inb(u->port + reg);
}

static void pio_write(const struct ns16550 *u, enum ns16550_reg reg, u8 value)
{
	outb(u->port + reg, value);
}

static volatile void *mmio_reg(const struct ns16550 *u, enum ns16550_reg reg)
{
	return u->regs + (unsigned)reg * u->stride;
}

static u8 mmio_read(const struct ns16550 *u, enum ns16550_reg reg)
{
	if (u->width == 4)
		return (u8) * (volatile u32 *)mmio_reg(u, reg);
	return *(volatile u8 *)mmio_reg(u, reg);
}

static void mmio_write(const struct ns16550 *u, enum ns16550_reg reg, u8 value)
{
	if (u->width == 4)
		*(volatile u32 *)mmio_reg(u, reg) = value;
	else
		*(volatile u8 *)mmio_reg(u, reg) = value;
}

static void sink_write(struct log_sink *sink, const char *s, size_t n)
{
	struct ns16550 *u = container_of(sink, struct ns16550, sink);

	/* Neap's lines begin at a line's beginning, wherever a guest's one stands. */
	if (u == active)
		ns16550_write_polled(u, s, n);
}

static void init_io(struct ns16550 *u, u16 port, u32 baud, u32 clock)
{
	*u = (struct ns16550){ .read = pio_read,
			       .write = pio_write,
			       .port = port,
			       .address = port,
			       .baud = baud,
			       .clock = clock };
}

/* Registers lie as far apart as they are wide; accesses of a word work as those of a byte. */
static bool init_mmio(struct ns16550 *u, const struct acpi_gas *g, u32 baud, u32 clock)
{
	u8 width = g->access == 3 || g->bit_width == 32 ? 4 : 1;
	u8 stride = MAX(width, g->bit_width == 16 || g->access == 2 ? 2 : 1);

	*u = (struct ns16550){ .read = mmio_read,
			       .write = mmio_write,
			       .is_mmio = true,
			       .stride = stride,
			       .width = width,
			       .address = g->address,
			       .baud = baud,
			       .clock = clock };
	u->regs = phys_map_device(HPA(g->address), 8ul * stride);
	return u->regs != NULL;
}

/* Makes it the port in use, if it is there. */
static bool start(struct ns16550 *u, bool strict)
{
	if (!ns16550_probe(u, strict))
		return false;
	ns16550_setup(u);
	u->sink = (struct log_sink){ .name = "serial", .write = sink_write };
	active = u;
	log_add_sink(&u->sink);
	return true;
}

/* What each PC has at the four usual places. */
static void guess_irq(u16 port)
{
	irq_known = port == 0x3f8 || port == 0x2f8 || port == 0x3e8 || port == 0x2e8;
	irq = (struct uart_irq){ true, port == 0x2f8 || port == 0x2e8 ? 3 : 4 };
}

static void start_io(struct ns16550 *u, u16 port, u32 baud, u32 clock, bool strict)
{
	init_io(u, port, baud, clock);
	if (start(u, strict))
		guess_irq(port);
	else
		log_info("serial: no port at io 0x%x", port);
}

void host_uart_early_init(const char *cmdline)
{
	struct uart_option o;

	if (uart_option_parse(cmdline, &o) < 0)
		log_warn("serial: the option serial= is malformed, ignored");
	if (o.kind == UART_OPT_IO)
		start_io(&early_port, (u16)o.address, o.baud ? o.baud : NS16550_DEFAULT_BAUD, 0,
			 false);
	else if (o.kind == UART_OPT_NONE)
		start_io(&early_port, COM1_PORT, NS16550_DEFAULT_BAUD, 0, true);
}

static void move_mmio(const struct acpi_gas *g, u32 baud, u32 clock)
{
	if (!init_mmio(&named_port, g, baud, clock))
		log_warn("serial: cannot map the port at mmio 0x%lx", g->address);
	else if (!start(&named_port, false))
		log_warn("serial: no port at mmio 0x%lx", g->address);
	else
		irq_known = false;
}

static void use_firmware(const struct acpi_serial *f)
{
	if (f->regs.space == ACPI_MEMORY)
		move_mmio(&f->regs, f->baud, f->clock);
	else if (!active || active->address != f->regs.address ||
		 (f->baud && f->baud != active->baud))
		start_io(&named_port, (u16)f->regs.address, f->baud, f->clock, false);

	if (!active || active->address != f->regs.address)
		return;
	if (f->has_irq || f->has_gsi) {
		irq_known = true;
		irq = (struct uart_irq){ f->has_irq, f->has_irq ? f->irq : f->gsi };
	}
}

static void print(void)
{
	char speed[32] = "speed as it was", line[32] = "polled";

	if (!active) {
		log_info("serial: none");
		return;
	}
	if (active->baud)
		format_string(speed, sizeof(speed), "%u baud", active->baud);
	if (irq_known)
		format_string(line, sizeof(line), "%s %u", irq.is_isa ? "irq" : "gsi", irq.number);
	log_info("serial: %s 0x%lx, %s, %s", active->is_mmio ? "mmio" : "io", active->address,
		 speed, line);
}

void host_uart_init(const char *cmdline, const struct acpi_serial *firmware)
{
	struct uart_option o;
	struct acpi_gas g = { .space = ACPI_MEMORY, .bit_width = 8 };

	if (uart_option_parse(cmdline, &o) < 0)
		o.kind = UART_OPT_NONE; /* host_uart_early_init() has said so */
	if (active && active == &named_port) {
		/* The port can be named only once: its sink is on the log's list. */
	} else if (o.kind == UART_OPT_MMIO) {
		g.address = o.address;
		move_mmio(&g, o.baud, 0);
	} else if (o.kind == UART_OPT_NONE && firmware && firmware->present) {
		use_firmware(firmware);
	}
	print();
	host_uart_check();
}

bool host_uart_is_there(void)
{
	return active != NULL;
}

size_t host_uart_tx_room(void)
{
	return active ? ns16550_room(active) : 0;
}

bool host_uart_tx(u8 byte)
{
	return active && ns16550_put(active, byte);
}

bool host_uart_line_open(void)
{
	return active && ns16550_line_open(active);
}

int host_uart_tx_in_line(u8 byte, bool open)
{
	return active ? ns16550_put_in_line(active, byte, open) : -EAGAIN;
}

int host_uart_rx(void)
{
	return active ? ns16550_get(active) : -1;
}

bool host_uart_irq_source(struct uart_irq *out)
{
	*out = irq;
	return active && irq_known;
}

void host_uart_irq_enable(bool rx, bool tx)
{
	if (active)
		ns16550_set_irqs(active, rx, tx);
}

unsigned host_uart_irq_ack(void)
{
	return active ? ns16550_pending(active) : 0;
}

void host_uart_irq_again(void)
{
	if (active)
		ns16550_rearm_irqs(active);
}

void host_uart_check(void)
{
	if (!active || !READ_ONCE(active->stalled) || active->stall_reported)
		return;
	active->stall_reported = true;
	log_warn("serial: the port at 0x%lx does not take bytes in time; they are dropped until it "
		 "does",
		 active->address);
}

void host_uart_drain(void)
{
	if (active)
		ns16550_wait_empty(active);
}
