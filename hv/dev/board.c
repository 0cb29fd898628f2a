#include "hv/dev/board.h"

#include <errno.h>

#include "arch/x86/wall_clock.h"
#include "core/log.h"
#include "hv/dev/acpi_tables.h"
#include "hv/guest_mem.h"
#include "hv/vcpu.h"
#include "hv/vm.h"
#include "mm/heap.h"

#define IRQ_TIMER   0
#define IRQ_RTC	    8
#define TIMER_GSI   2 /* the MADT's override: IRQ 0 is pin 2, as on PCs */
#define IOAPIC_ID   0
#define RSDP_BUFFER ALIGN_UP(ACPI_RSDP_SIZE, 64)

/* Every ISA wire goes to the 8259s and to the I/O APIC; the guest unmasks it at one of them. */
static void set_isa_irq(void *ctx, unsigned irq, bool level)
{
	struct board *b = ctx;

	pic_set_irq(&b->pic, irq, level);
	ioapic_set_irq(&b->ioapic, irq == IRQ_TIMER ? TIMER_GSI : irq, level);
}

/*
 * The timer's last edge waits at the 8259, or at the first vCPU's local APIC. Elsewhere it is not
 * looked for: kernels that need every tick of this timer take it on the processor that boots.
 */
static bool timer_irq_waits(void *ctx, unsigned irq)
{
	struct board *b = ctx;
	const struct vm *vm = container_of(b, struct vm, board);
	int vector = ioapic_edge_vector(&b->ioapic, TIMER_GSI);
	struct vcpu *boot = vcpu_table_get(&vm->vcpus, 0);

	return pic_waits(&b->pic, irq) ||
	       (boot && vector >= 0 && lapic_waits(&boot->lapic, (u8)vector));
}

static struct irq_line line(struct board *b, unsigned irq)
{
	return (struct irq_line){ .set = set_isa_irq, .ctx = b, .gsi = irq };
}

/* The 8259s' output is wired to LINT0 of the boot processor. */
static void pic_output(void *ctx, bool level)
{
	struct vm *vm = ctx;
	struct vcpu *boot = vcpu_table_get(&vm->vcpus, 0);

	if (boot)
		lapic_set_lint(&boot->lapic, 0, level);
}

static void power_event(void *ctx, enum vm_power_event event)
{
	if (event == VM_POWER_OFF)
		vm_stop(ctx, 0, VM_END_POWER_OFF, "powered off");
	else
		vm_stop(ctx, 0, VM_END_RESET, "reset");
}

static void debug_exit_event(void *ctx, unsigned status)
{
	vm_stop(ctx, status, VM_END_DEBUG_EXIT, "ended through its debug-exit port");
}

static void init_devices(struct vm *vm)
{
	struct board *b = &vm->board;
	u64 low = vm->memmap.low_end, high = 0;
	struct irq_line timer_line = line(b, IRQ_TIMER);
	struct rtc_board rtc_board;

	for (unsigned i = 0; i < vm->memmap.ram_count; i++) {
		if (vm->memmap.ram[i].base.v >= MEMMAP_HIGH_BASE)
			high += vm->memmap.ram[i].size;
	}
	rtc_board = (struct rtc_board){ low, high, vm->config->cpus };
	b->power = (struct vm_power){ power_event, vm };
	pic_init(&b->pic, pic_output, vm);
	ioapic_init(&b->ioapic, &vm->apic_bus);
	timer_line.waits = timer_irq_waits;
	pit_init(&b->pit, timer_line);
	port61_init(&b->port61, &b->pit);
	rtc_init(&b->rtc, line(b, IRQ_RTC), wall_clock_seconds(), &rtc_board);
	pm_init(&b->pm, line(b, PM_SCI_IRQ), b->power);
	reset_init(&b->reset, b->power);
	kbc_init(&b->kbc, b->power);
	debug_exit_init(&b->debug_exit, debug_exit_event, vm);
}

static int attach_fixed(struct vm *vm)
{
	struct board *b = &vm->board;
	int err = pic_attach(&b->pic, &vm->pio);

	if (!err)
		err = pit_attach(&b->pit, &vm->pio);
	if (!err)
		err = port61_attach(&b->port61, &vm->pio);
	if (!err)
		err = rtc_attach(&b->rtc, &vm->pio);
	if (!err)
		err = pm_attach(&b->pm, &vm->pio);
	if (!err)
		err = reset_attach(&b->reset, &vm->pio);
	if (!err)
		err = kbc_attach(&b->kbc, &vm->pio);
	if (!err)
		err = io_bus_add(&vm->mmio, IOAPIC_BASE, IOAPIC_SIZE, &ioapic_io_ops, &b->ioapic,
				 "I/O APIC");
	return err;
}

static int attach_uart(struct vm *vm)
{
	struct uart_backend backend;
	int err = console_add(&vm->console, vm->id, vm->config->name, &vm->board.uart, &backend);

	if (err)
		return err;
	uart_init(&vm->board.uart, line(&vm->board, UART_COM1_IRQ), &backend);
	return uart_attach(&vm->board.uart, &vm->pio, UART_COM1_PORT);
}

/* The tables are built in the heap and copied where the guest's memory map keeps room for them. */
static int write_acpi(struct vm *vm)
{
	const struct memmap_area *area = &vm->memmap.acpi_table_area;
	struct acpi_tables_config c = {
		.cpus = vm->config->cpus,
		.ioapic_id = IOAPIC_ID,
		.uart = vm->config->uart,
		.tables_size = area->size,
		.tables_at = area->base,
	};
	u8 rsdp[RSDP_BUFFER] = { 0 };
	int err;

	c.tables = heap_alloc(area->size);
	if (!c.tables)
		return -ENOMEM;
	err = acpi_tables_build(&c, rsdp, sizeof(rsdp), vm->memmap.acpi_rsdp_area.base);
	if (!err)
		err = guest_mem_write(vm, vm->memmap.acpi_rsdp_area.base, rsdp, sizeof(rsdp));
	if (!err)
		err = guest_mem_write(vm, area->base, c.tables, area->size);
	heap_free(c.tables);
	return err;
}

int board_init(struct vm *vm)
{
	int err;

	init_devices(vm);
	err = attach_fixed(vm);
	if (!err && vm->config->uart)
		err = attach_uart(vm);
	if (!err && vm->config->debug_exit)
		err = debug_exit_attach(&vm->board.debug_exit, &vm->pio);
	if (!err)
		err = write_acpi(vm);
	return err;
}

void board_fini(struct vm *vm)
{
	struct board *b = &vm->board;

	console_remove(&vm->console);
	if (b->power.event) {
		pit_fini(&b->pit);
		rtc_fini(&b->rtc);
		pm_fini(&b->pm);
	}
}
