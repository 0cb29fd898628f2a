/* From the entry code to the manager: the order in which the machine comes up. */
#include <errno.h>

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/cross_call.h"
#include "arch/x86/desc.h"
#include "arch/x86/framebuffer.h"
#include "arch/x86/heartbeat.h"
#include "arch/x86/host_ioapic.h"
#include "arch/x86/panic_report.h"
#include "arch/x86/power.h"
#include "arch/x86/smp.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc.h"
#include "arch/x86/uart.h"
#include "arch/x86/vga_text.h"
#include "arch/x86/wall_clock.h"
#include "boot/backend_select.h"
#include "boot/boot_info.h"
#include "boot/boot_report.h"
#include "boot/multiboot1.h"
#include "boot/multiboot2.h"
#include "core/linger.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/panic_test.h"
#include "core/rcu.h"
#include "core/sched.h"
#include "core/time.h"
#include "core/timer.h"
#include "core/timer_queue.h"
#include "hv/backend.h"
#include "hv/console.h"
#include "hv/exit.h"
#include "hv/manager.h"
#include "hv/mmu/dirty_log.h"
#include "hv/mmu/shootdown.h"
#include "hv/placement.h"
#include "mm/host_map.h"
#include "mm/phys.h"

#define IMAGE_VIRT 0xffffffff80000000ull
#define INFO_MAX   MIB /* of the loader's information block that is looked at */

extern char image_start[], image_end[];

/* boot/entry.S calls this, for all ways of starting; arch/x86/switch.S goes on with the rest on a
 * guarded stack. */
void boot_main(u32 magic, u32 info, s64 displacement, u64 tsc) __noreturn;
void switch_to_stack(void *top, void (*fn)(void)) __noreturn;

static bool lingered;

static void timer_irq(void *arg)
{
	(void)arg;
	timer_run_expired();
}

/* A kick has done much of its work by having interrupted; and nobody holds anything of RCU's here.
 */
static void kick_irq(void *arg)
{
	(void)arg;
	shootdown_take_kick();
	rcu_quiescent();
}

static void error_irq(void *arg)
{
	(void)arg;
}

/* The 8259s are masked before the local APIC stops listening to them: QEMU 7.2 keeps a request that
 * was raised before as one without a vector. */
static void init_interrupts(void)
{
	host_ioapic_init();
	apic_init(HPA(acpi_info.madt.lapic_address));
	apic_init_cpu();
	if (trap_set_irq_handler(VEC_TIMER, timer_irq, NULL) ||
	    trap_set_irq_handler(VEC_KICK, kick_irq, NULL) ||
	    trap_set_irq_handler(VEC_ERROR, error_irq, NULL))
		panic("boot: interrupt vectors are taken");
	cross_call_init();
}

static void init_time(void)
{
	const struct acpi_gas *pm = &acpi_info.fadt.pm_timer;

	tsc_calibrate(acpi_info.has_fadt && pm->space == ACPI_IO ? (u16)pm->address : 0);
	apic_timer_calibrate();
	wall_clock_init(acpi_info.fadt.century);
}

/* Each processor's last step before it idles, the boot processor's too. */
static void cpu_ready(void)
{
	if (backend->cpu_init())
		panic("boot: CPU %u cannot enter %s operation", this_cpu()->id, backend->name);
}

static void start_cpus(void)
{
	static u32 ids[ACPI_MAX_CPUS];
	unsigned n = 0;

	for (unsigned i = 0; i < acpi_info.madt.cpu_count; i++) {
		if (acpi_info.madt.cpu[i].enabled)
			ids[n++] = acpi_info.madt.cpu[i].apic_id;
	}
	smp_start_others(ids, n, cpu_ready);
}

static void set_flag(struct timer *timer)
{
	(void)timer;
	WRITE_ONCE(lingered, true);
}

/* There are no threads yet that could wait: the boot processor does, interrupts and all. */
static void linger(void)
{
	u64 seconds = linger_seconds(boot_info.cmdline);
	static struct timer timer;

	if (!seconds)
		return;
	timer_init(&timer, set_flag);
	timer_set(&timer, time_now() + time_ns_to_ticks(seconds * NSEC_PER_SEC));
	while (!READ_ONCE(lingered))
		cpu_sti_hlt_cli();
}

/* Without virtualization there is nothing to run: the sentence is logged already; it stays on the
 * screen for a while. */
static void select_backend(void)
{
	if (backend_select() == 0)
		return;
	log_error("no virtual machine can be started on this machine");
	linger();
	log_info("exit status %u", BOOT_STATUS_NO_VIRTUALIZATION);
	power_off();
	cpu_halt_forever();
}

/* On the boot processor's own stack; ends as its idle thread. */
static void hv_main(void)
{
	smp_init_boot_cpu();
	host_uart_init(boot_info.cmdline, NULL);
	if (acpi_init(boot_info.rsdp))
		log_warn("acpi: no usable tables; one processor, COM1, no power-off");
	if (vga_text_init(&boot_info.fb) && framebuffer_init(&boot_info.fb))
		log_debug("screen: none");
	if (acpi_info.serial.present)
		host_uart_init(boot_info.cmdline, &acpi_info.serial);
	power_init();
	boot_report_machine();
	init_interrupts();
	init_time();
	sched_init_cpu();
	rcu_init_cpu();
	rcu_set_stall_reporter(exit_print_last);
	panic_set_exit_reporter(exit_print_trace);
	boot_report_time();
	select_backend();
	cpu_ready();
	start_cpus();
	heartbeat_init();
	(void)rcu_self_test();
	placement_init(boot_info.cmdline);
	backend->print();
	dirty_log_print();
	boot_report_ready();
	console_init(boot_info.cmdline);
	panic_test(boot_info.cmdline);
	manager_start();
	sched_idle();
}

/* Fills boot_info from what the loader left. */
static int take_loader_info(u32 magic, u32 info)
{
	const void *p = phys_to_virt(HPA(info));

	switch (magic) {
	case MULTIBOOT1_MAGIC:
		return multiboot1_parse(phys_to_virt(HPA(0)), 4 * GIB, info, &boot_info);
	case MULTIBOOT2_MAGIC:
		return multiboot2_parse(p, INFO_MAX, info, &boot_info);
	case BOOT_EFI_MAGIC:
		return boot_info_take(p);
	default:
		return -EINVAL;
	}
}

void boot_main(u32 magic, u32 info, s64 displacement, u64 tsc)
{
	void *stack;
	int err;

	desc_init_idt();
	cpu_detect();
	cpu_init_control_registers();
	err = take_loader_info(magic, info);
	boot_info.entry_tsc = tsc;
	boot_info.image_base = HPA((u64)image_start - IMAGE_VIRT + (u64)displacement);
	boot_info.image_size = (u64)(image_end - image_start);
	host_uart_early_init(boot_info.cmdline);
	if (err)
		panic("boot: the loader is not one that Neap knows, or gives no memory map (magic "
		      "0x%x, error %d)",
		      magic, -err);
	host_map_init();
	stack = kstack_alloc();
	if (!stack)
		panic("boot: no memory for a stack");
	switch_to_stack(stack, hv_main);
}
