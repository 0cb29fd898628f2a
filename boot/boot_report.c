#include "boot/boot_report.h"

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/tsc.h"
#include "arch/x86/tsc_sync.h"
#include "boot/boot_info.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/time.h"
#include "mm/frame.h"

extern char image_start[], text_end[], rodata_end[], image_end[];

static const char *region_name(enum boot_region_type type)
{
	static const char *const names[] = { "RAM", "reserved", "ACPI tables", "ACPI NVS",
					     "bad memory" };

	return (unsigned)type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

static void print_memory(void)
{
	for (unsigned i = 0; i < boot_info.region_count; i++) {
		const struct boot_region *r = &boot_info.region[i];

		log_info("memory: 0x%012lx - 0x%012lx %s", r->base, r->base + r->size,
			 region_name(r->type));
	}
	log_info("memory: %lu MiB free", frame_stats().free << PAGE_SHIFT >> 20);
}

static void print_modules(void)
{
	for (unsigned i = 0; i < boot_info.module_count; i++) {
		const struct boot_module *m = &boot_info.module[i];

		log_info("module: %s, %lu bytes at 0x%lx", m->name, m->size, m->base.v);
	}
}

void boot_report_machine(void)
{
	log_info("Neap %s, %lu KiB text, %lu KiB constants, %lu KiB data, at 0x%lx", NEAP_VERSION,
		 (u64)(text_end - image_start) / 1024, (u64)(rodata_end - text_end) / 1024,
		 (u64)(image_end - rodata_end) / 1024, boot_info.image_base.v);
	log_info("loader: %s%s%s", boot_info.loader, boot_info.cmdline[0] ? ", command line: " : "",
		 boot_info.cmdline);
	cpu_print();
	print_memory();
	print_modules();
	acpi_print();
}

void boot_report_time(void)
{
	log_info("time: TSC %lu.%03lu MHz by %s%s, timer: %s, APIC: %s", time_hz() / 1000000,
		 time_hz() / 1000 % 1000, tsc_source(),
		 cpu_features.tsc_invariant ? ", invariant" : "", apic_timer_kind(),
		 apic_is_x2apic() ? "x2APIC" : "xAPIC");
}

void boot_report_ready(void)
{
	log_info("smp: %u of %u processor%s run", cpu_count(),
		 acpi_info.has_madt ? acpi_info.madt.cpu_count : 1, cpu_count() > 1 ? "s" : "");
	tsc_sync_print();
	log_info("up %lu us after the first instruction",
		 time_ticks_to_ns(time_now() - boot_info.entry_tsc) / 1000);
}
