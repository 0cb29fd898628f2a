#include "hv/placement.h"

#include "arch/x86/emulator.h"
#include "core/atomic.h"
#include "core/cmdline.h"
#include "core/log.h"
#include "core/percpu.h"

static u32 first;

u32 placement_first_of(const char *cmdline, u32 cpus, bool tcg)
{
	bool spare = tcg;

	if (cmdline_is(cmdline, "boot_cpu=", "on"))
		spare = false;
	else if (cmdline_is(cmdline, "boot_cpu=", "off"))
		spare = true;
	else if (cmdline_find(cmdline, "boot_cpu="))
		log_warn("boot_cpu= is on or off");
	return spare && cpus > 1 ? 1 : 0;
}

void placement_init(const char *cmdline)
{
	first = placement_first_of(cmdline, cpu_count(), emulator_is_tcg());
	if (first)
		log_info("placement: virtual machines run on all processors but the first (%s)",
			 emulator_is_tcg() ? "QEMU's TCG; boot_cpu=on overrides" : "boot_cpu=off");
}

void placement_all(struct cpu_set *set)
{
	*set = (struct cpu_set){ { 0 } };
	for (u32 i = first; i < CPU_MAX; i++)
		cpu_set_add(set, i);
}

u32 placement_next(const struct cpu_set *set)
{
	static u32 last = CPU_MAX - 1;
	u32 before = READ_ONCE(last), cpu;

	do {
		cpu = cpu_set_next(set, before + 1);
		if (cpu >= cpu_count())
			cpu = cpu_set_next(set, 0);
	} while (!atomic_cmpxchg(&last, &before, cpu));
	return cpu;
}
